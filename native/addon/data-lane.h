// A thread that serves data connections: it sleeps until a socket is ready or JavaScript has something to send.
// Linux only; elsewhere isSupported is false, and nothing else may be used.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "addon/data-connection.h"

namespace swarm {

class DataLane {
 public:
  static bool isSupported();

  explicit DataLane(DataEvents& events);
  ~DataLane();
  DataLane(const DataLane&) = delete;
  DataLane& operator=(const DataLane&) = delete;

  /** False: the system grants no thread or descriptors. Called once. */
  bool start();
  /** Serves the connection until it ends or `remove`. */
  void add(std::shared_ptr<DataConnection> connection);
  /** The connection has something to send. */
  void wake(std::shared_ptr<DataConnection> connection);
  /** Closes the socket, soon. Abandon the connection first. */
  void remove(std::shared_ptr<DataConnection> connection);
  /** Connections that were added and have not gone. */
  size_t load() const { return load_; }

 private:
  enum class Order { add, wake, remove };

  void post(Order order, std::shared_ptr<DataConnection> connection);
  void run();
  void follow();
  void serve(DataConnection* connection, uint32_t ready);
  void watch(DataConnection* connection, bool isNew);
  void drop(DataConnection* connection);
  void reportProgress(int64_t nowMs);
  int timeoutMs(int64_t nowMs) const;

  DataEvents& events_;
  int poll_ = -1;
  int bell_ = -1;
  std::thread thread_;
  std::atomic<size_t> load_{0};

  std::mutex mutex_;
  bool stopping_ = false;
  std::vector<std::pair<Order, std::shared_ptr<DataConnection>>> orders_;

  // Of the thread alone.
  struct Served {
    std::shared_ptr<DataConnection> connection;
    bool watchesWrites = false;
  };
  std::unordered_map<DataConnection*, Served> served_;
  std::vector<uint8_t> scratch_;
  /** When progress is reported next; 0: there is none. */
  int64_t reportAtMs_ = 0;
};

}  // namespace swarm

#include "addon/data-lane.h"

#ifdef __linux__

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace swarm {

namespace {

constexpr int eventsMax = 64;
/** How long bytes that came may stay unreported: nobody decides anything in less. */
constexpr int64_t reportMs = 100;

int64_t monotonicMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

bool DataLane::isSupported() { return true; }

DataLane::DataLane(DataEvents& events) : events_(events), scratch_(recordBodyMax) {}

DataLane::~DataLane() {
  if (thread_.joinable()) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    eventfd_write(bell_, 1);
    thread_.join();
  }
  if (bell_ >= 0) close(bell_);
  if (poll_ >= 0) close(poll_);
}

bool DataLane::start() {
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  bell_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (poll_ < 0 || bell_ < 0 || epoll_ctl(poll_, EPOLL_CTL_ADD, bell_, &event) != 0) return false;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void DataLane::add(std::shared_ptr<DataConnection> connection) {
  load_++;
  post(Order::add, std::move(connection));
}

void DataLane::wake(std::shared_ptr<DataConnection> connection) { post(Order::wake, std::move(connection)); }

void DataLane::remove(std::shared_ptr<DataConnection> connection) { post(Order::remove, std::move(connection)); }

void DataLane::post(Order order, std::shared_ptr<DataConnection> connection) {
  bool isFirst = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    isFirst = orders_.empty();
    orders_.emplace_back(order, std::move(connection));
  }
  if (isFirst) eventfd_write(bell_, 1);
}

void DataLane::run() {
  epoll_event events[eventsMax];
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) break;
    }
    follow();
    const int count = epoll_wait(poll_, events, eventsMax, timeoutMs(monotonicMs()));
    for (int index = 0; index < count; index++) {
      auto* const connection = static_cast<DataConnection*>(events[index].data.ptr);
      if (connection != nullptr) {
        serve(connection, events[index].events);
        continue;
      }
      eventfd_t rings = 0;
      eventfd_read(bell_, &rings);
    }
    reportProgress(monotonicMs());
  }
  served_.clear();
}

/** Does what JavaScript has asked for since the last time. */
void DataLane::follow() {
  std::vector<std::pair<Order, std::shared_ptr<DataConnection>>> orders;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    orders.swap(orders_);
  }
  for (auto& [order, connection] : orders) {
    DataConnection* const key = connection.get();
    if (order == Order::add) {
      served_.emplace(key, Served{std::move(connection), false});
      watch(key, true);
      serve(key, EPOLLOUT);
    } else if (served_.count(key) > 0) {
      if (order == Order::remove) drop(key);
      else if (!key->wantsToWrite()) serve(key, EPOLLOUT);
    }
  }
}

void DataLane::serve(DataConnection* connection, uint32_t ready) {
  const bool mayRead = (ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
  const bool lives = (!mayRead || connection->read(events_, scratch_.data())) &&
                     ((ready & EPOLLOUT) == 0 || connection->write(events_, monotonicMs()));
  if (!lives) return drop(connection);
  watch(connection, false);
  if (connection->hasProgress() && reportAtMs_ == 0) reportAtMs_ = monotonicMs() + reportMs;
}

void DataLane::watch(DataConnection* connection, bool isNew) {
  Served& served = served_.at(connection);
  if (!isNew && served.watchesWrites == connection->wantsToWrite()) return;
  served.watchesWrites = connection->wantsToWrite();
  epoll_event event{};
  event.events = EPOLLIN | (served.watchesWrites ? EPOLLOUT : 0u);
  event.data.ptr = connection;
  // Fails only for want of memory; the connection then stands still, and whoever asked gives it up.
  epoll_ctl(poll_, isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection->descriptor(), &event);
}

void DataLane::drop(DataConnection* connection) {
  epoll_ctl(poll_, EPOLL_CTL_DEL, connection->descriptor(), nullptr);
  // JavaScript may hold the connection for longer than the other end should take it for open.
  shutdown(connection->descriptor(), SHUT_RDWR);
  served_.erase(connection);
  load_--;
}

void DataLane::reportProgress(int64_t nowMs) {
  if (reportAtMs_ == 0 || nowMs < reportAtMs_) return;
  reportAtMs_ = 0;
  for (auto& [connection, served] : served_)
    if (connection->hasProgress()) connection->reportProgress(events_);
}

int DataLane::timeoutMs(int64_t nowMs) const {
  if (reportAtMs_ == 0) return -1;
  return static_cast<int>(std::max<int64_t>(0, reportAtMs_ - nowMs));
}

}  // namespace swarm

#else

namespace swarm {

bool DataLane::isSupported() { return false; }
DataLane::DataLane(DataEvents& events) : events_(events) {}
DataLane::~DataLane() = default;
bool DataLane::start() { return false; }
void DataLane::add(std::shared_ptr<DataConnection>) {}
void DataLane::wake(std::shared_ptr<DataConnection>) {}
void DataLane::remove(std::shared_ptr<DataConnection>) {}

}  // namespace swarm

#endif

// Data connections between two lanes over loopback, driven as JavaScript drives them, and buffers that are freed the moment they may
// be: meant to run under the address sanitizer, which sees a use after that, and the thread sanitizer, which sees a race.
// Prints one line per failed check; exits with their number, or with 77 where there is no OpenSSL to load.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <map>

#include "addon/data-lane.h"
#include "codec-test.h"

namespace {

constexpr int skipped = 77;
constexpr uint32_t rounds = 400;
constexpr size_t answerBytesMax = 300'000;

/** Both ends of a connection over loopback. */
void connectedSockets(int (&ends)[2]) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  check(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0, "binds");
  check(listen(listener, 1) == 0, "listens");
  check(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0, "has a port");
  check(connect(ends[0], reinterpret_cast<sockaddr*>(&address), size) == 0, "connects");
  ends[1] = accept(listener, nullptr, nullptr);
  close(listener);
  for (const int end : ends) fcntl(end, F_SETFL, O_NONBLOCK);
}

using Buffer = std::unique_ptr<Bytes>;

/** One end, its lane and what it was told. */
class End {
 public:
  End(uint32_t number, int descriptor, const uint8_t (&sealKey)[aeadKeyBytes], const uint8_t (&openKey)[aeadKeyBytes], std::vector<uint8_t> hello)
      : events_([this] { ring(); }), lane_(std::make_unique<DataLane>(events_)) {
    check(lane_->start(), "starts a thread");
    connection = std::make_shared<DataConnection>(number, descriptor, sealKey, openKey, std::move(hello));
    lane_->add(connection);
  }

  void send(uint32_t id, Bytes bytes, size_t asked) {
    Buffer held = std::make_unique<Bytes>(std::move(bytes));
    if (!connection->send(id, id, held->data(), held->size(), held->size() < asked)) return;
    outgoing[id] = std::move(held);
    lane_->wake(connection);
  }

  void expect(uint32_t id, size_t size) {
    Buffer held = std::make_unique<Bytes>(size);
    if (connection->expect(id, id, held->data(), size)) incoming[id] = std::move(held);
  }

  /** What JavaScript does with what it is told; waits for it first. */
  void listen() {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return rung_; });
      rung_ = false;
    }
    for (const DataEvent& event : events_.take()) {
      if (event.kind == DataEventKind::sent) outgoing.erase(event.id);
      if (event.kind == DataEventKind::complete) complete(event.id, static_cast<size_t>(event.amount));
      if (event.kind == DataEventKind::ended) isOver = true;
    }
  }

  void remove() {
    connection->abandon();
    incoming.clear();
    outgoing.clear();
    lane_->remove(connection);
  }

  std::shared_ptr<DataConnection> connection;
  std::map<uint32_t, Buffer> incoming;
  std::map<uint32_t, Buffer> outgoing;
  size_t completed = 0;
  bool isOver = false;

 private:
  void complete(uint32_t id, size_t bytes);

  void ring() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      rung_ = true;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
  DataEvents events_;
  std::unique_ptr<DataLane> lane_;
};

Bytes answerOf(uint32_t id) { return skewedBytes(Chance{id + 1}.next() % answerBytesMax, id + 1); }

void End::complete(uint32_t id, size_t bytes) {
  connection->told(id);
  const auto found = incoming.find(id);
  // Given up meanwhile.
  if (found == incoming.end()) return;
  const Bytes expected = answerOf(id);
  check(bytes == expected.size(), "has all bytes", id);
  check(std::equal(expected.begin(), expected.end(), found->second->begin()), "has the right bytes", id);
  incoming.erase(found);
  completed++;
}

/** Many answers both ways, of which some are given up by either end, whose buffers are then freed at once. */
void answersBothWays(End& first, End& second) {
  Chance chance = {99};
  for (uint32_t id = 0; id < rounds; id++) {
    for (auto [to, from] : {std::pair{&first, &second}, std::pair{&second, &first}}) {
      const Bytes answer = answerOf(id);
      const size_t asked = answer.size() + (chance.next() % 3 == 0 ? 1000 : 0);
      if (asked == 0) continue;
      to->expect(id, asked);
      from->send(id, answer, asked);
      const uint32_t old = id - chance.next() % 4;
      if (chance.next() % 5 == 0 && to->incoming.count(old) > 0 && to->connection->forget(old) >= 0) to->incoming.erase(old);
      if (chance.next() % 5 == 0 && from->outgoing.count(old) > 0 && from->connection->cancel(old)) {
        from->outgoing.erase(old);
        if (to->connection->forget(old) >= 0) to->incoming.erase(old);
      }
    }
    // Never more under way than a link allows.
    for (End* const end : {&first, &second})
      while (end->incoming.size() > 32) end->listen();
  }
  for (End* const end : {&first, &second})
    while (!end->incoming.empty() || !end->outgoing.empty()) end->listen();
  check(first.completed > rounds / 2 && second.completed > rounds / 2, "most answers come", first.completed);
  check(!first.isOver && !second.isOver, "nobody has offended");
}

/** One end goes in the middle; the other is told, and nobody touches a buffer that is freed. */
void endInTheMiddle(End& first, End& second) {
  for (uint32_t id = rounds; id < 2 * rounds; id++) {
    second.expect(id, answerBytesMax);
    first.send(id, answerOf(id), answerBytesMax);
    first.expect(id, 1);
  }
  second.listen();
  first.remove();
  while (!second.isOver) second.listen();
  check(!second.connection->expect(1, 1, nullptr, 0), "expects nothing any more");
  second.remove();
}

}  // namespace

int main() {
  // In place of Node's own, and before anybody looks for it.
  if (dlopen("libcrypto.so.3", RTLD_NOW | RTLD_GLOBAL) == nullptr || !hasOpenSsl()) return skipped;
  int ends[2];
  connectedSockets(ends);
  const uint8_t keys[2][aeadKeyBytes] = {{1}, {2}};
  {
    End first(1, ends[0], keys[0], keys[1], {});
    End second(2, ends[1], keys[1], keys[0], {});
    answersBothWays(first, second);
    endInTheMiddle(first, second);
  }
  std::printf("data_test: %d failed\n", failures);
  return failures > 255 ? 255 : failures;
}

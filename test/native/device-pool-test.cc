// Many chunks from several threads on several devices that stand in for GPUs: each is finished once, whatever the devices do.
#include <atomic>

#include "addon/device-pool.h"
#include "codec-test.h"

using namespace swarm::gpu;

namespace {

constexpr auto patience = std::chrono::milliseconds(1000);
constexpr size_t taskCount = 60;
constexpr size_t submitters = 3;

/** What became of all tasks. */
struct Tally {
  std::mutex mutex;
  std::condition_variable changed;
  size_t finished = 0;
  size_t onDevice = 0;
  size_t wrong = 0;
};

std::vector<std::unique_ptr<Backend>> backends(const std::vector<HostFault>& faults) {
  std::vector<std::unique_ptr<Backend>> opened;
  for (const HostFault& fault : faults) opened.push_back(openHostBackend(fault));
  return opened;
}

struct Fixture {
  Bytes raw = elementBytes(30000, 2, 9);
  Bytes encoded = encodeOrDie(raw, Element::bf16);
  Tally tally;

  DeviceTask task(bool isEncode) {
    const Bytes& input = isEncode ? raw : encoded;
    const Bytes& expected = isEncode ? encoded : raw;
    return {isEncode, {input.data(), input.size()}, raw.size(), Element::bf16, Profile::rans,
            [this, &expected](Workspace&, const DeviceResult& result) {
              const bool isRight = result.bytes == nullptr || std::memcmp(result.bytes, expected.data(), expected.size()) == 0;
              const std::lock_guard<std::mutex> lock(tally.mutex);
              tally.finished++;
              if (result.bytes != nullptr) tally.onDevice++;
              if (!isRight) tally.wrong++;
              tally.changed.notify_all();
            }};
  }

  /** Submits from several threads at once; returns how many tasks were taken. */
  size_t submitAll(DevicePool& pool) {
    std::atomic<size_t> taken{0};
    std::vector<std::thread> threads;
    for (size_t index = 0; index < submitters; index++)
      threads.emplace_back([&, index] {
        for (size_t count = 0; count < taskCount / submitters; count++) taken += pool.submit(task((count + index) % 4 == 0)) ? 1 : 0;
      });
    for (std::thread& thread : threads) thread.join();
    return taken;
  }

  void waitFor(size_t count) {
    std::unique_lock<std::mutex> lock(tally.mutex);
    tally.changed.wait(lock, [&] { return tally.finished == count; });
  }
};

void allGoWell() {
  Fixture fixture;
  WorkerPool workers(2, 8, CodePath::scalar);
  DevicePool pool(workers, CodePath::scalar, backends({{}, {}, {}}), 100'000, patience);
  check(fixture.submitAll(pool) == taskCount, "all tasks are taken");
  fixture.waitFor(taskCount);
  check(fixture.tally.onDevice == taskCount && fixture.tally.wrong == 0, "all by devices");
  check(pool.takeFault().empty(), "no fault");
  pool.stop();
  check(!pool.submit(fixture.task(false)), "a pool that has stopped takes no tasks");
}

/** One fails: the processor gets what waits, no task is taken any more, and that is told once. */
void devicesFail() {
  for (const uint32_t batches : {0, 1, 2}) {
    Fixture fixture;
    WorkerPool workers(1, 4, CodePath::scalar);
    const HostFault soon = {batches, HostFault::Kind::fails};
    DevicePool pool(workers, CodePath::scalar, backends({soon, soon}), 100'000, patience);
    const size_t taken = fixture.submitAll(pool);
    fixture.waitFor(taken);
    check(fixture.tally.wrong == 0, "nothing is lost", batches);
    check(pool.takeFault() == "the host backend was told to fail", "a fault is told", batches);
    check(pool.takeFault().empty() && !pool.submit(fixture.task(false)), "once, and no task is taken", batches);
  }
}

void retiredInTheMiddle() {
  Fixture fixture;
  WorkerPool workers(2, 8, CodePath::scalar);
  DevicePool pool(workers, CodePath::scalar, backends({{}, {}}), 100'000, patience);
  size_t taken = fixture.submitAll(pool);
  pool.retire("enough");
  taken += fixture.submitAll(pool);
  check(taken == taskCount, "no task is taken after that");
  fixture.waitFor(taken);
  check(fixture.tally.wrong == 0 && pool.takeFault() == "enough", "all are finished");
}

/** Tasks that wait are dropped; those under way are finished before stop() returns. */
void stoppedInTheMiddle() {
  Fixture fixture;
  WorkerPool workers(1, 4, CodePath::scalar);
  DevicePool pool(workers, CodePath::scalar, backends({{}, {}}), 50'000, patience);
  const size_t taken = fixture.submitAll(pool);
  pool.stop();
  const size_t finished = fixture.tally.finished;
  check(finished <= taken && fixture.tally.wrong == 0, "no task is finished twice");
  workers.stop();
  check(fixture.tally.finished == finished, "nothing happens after the end");
}

}  // namespace

void devicePools() {
  path = CodePath::scalar;
  allGoWell();
  devicesFail();
  for (int round = 0; round < 5; round++) {
    retiredInTheMiddle();
    stoppedInTheMiddle();
  }
}

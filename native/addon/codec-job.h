// A job of the codec pool, and the work on files that jobs share.
#pragma once

#include <napi.h>

#include <functional>
#include <new>
#include <vector>

#include "codec.h"

namespace swarm {

struct FileRange {
  int fd;
  uint64_t fileOffset;
  size_t length;
  size_t rawOffset;
};

struct JobResult {
  Status status = Status::ok;
  int error = 0;
  size_t rangeIndex = 0;
  EncodeResult encoded = {Status::ok, 0, ChunkCodec::raw, 0};
};

struct Job {
  explicit Job(Napi::Env env) : deferred(env) {}

  Napi::Promise::Deferred deferred;
  std::vector<Napi::ObjectReference> buffers;
  std::vector<FileRange> ranges;
  /** What a worker thread runs. Touches no JavaScript. */
  std::function<JobResult(const Job&, Workspace&)> run;
  JobResult result;
};

/** Fills `raw` from the job's ranges. */
JobResult readRanges(const Job& job, MutableSpan raw);

/** Writes the job's ranges from `raw`, if the chunk is right. */
JobResult writeRanges(const Job& job, Status decoded, ByteSpan raw);

JobResult encodedResult(const EncodeResult& encoded);

inline ByteSpan readOnly(MutableSpan span) { return {span.data, span.size}; }

/** Runs `work` for a job and has its promise settled. On any thread but JavaScript's. */
template <class Signal, class Work>
void settleWith(Job* job, const Signal& done, Work work) {
  try {
    job->result = work();
  } catch (const std::bad_alloc&) {
    job->result.status = Status::outOfMemory;
  }
  done.BlockingCall(job);
}

}  // namespace swarm

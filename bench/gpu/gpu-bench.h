// What the parts of gpu_bench share: chunks to measure with, how often is measured, and how figures are printed.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "cuda/backend.h"

using namespace swarm;
using namespace swarm::gpu;

constexpr size_t chunkBytes = size_t{8} << 20;
/** Batches repeat these: as many other bytes would decode no differently, and take minutes to make. */
constexpr size_t differentChunks = 16;

constexpr int warmUps = 2;
constexpr int repetitions = 7;

/** 10^9 bytes per second: the median of the repetitions, and their range. */
struct Rates {
  double median;
  double slowest;
  double fastest;
};

/** Calls `run`, which returns how many seconds `bytes` took. */
Rates measure(size_t bytes, const std::function<double()>& run);

/** Made-up weights of one element type, and the chunks that the processor makes of them. */
struct Weights {
  std::string element;
  Element hint;
  Profile profile;
  /** differentChunks of them. */
  std::vector<std::vector<uint8_t>> raw;
  std::vector<std::vector<uint8_t>> encoded;

  /** Raw bytes by encoded bytes. */
  double ratio() const;
};

/**
 * Every element type by profile rans, and bf16 by profile fast. Numbers are normally distributed, each MiB with a spread of its
 * own between 0.005 and 0.1, whose logarithm is evenly distributed. The same everywhere.
 */
constexpr size_t weightsCount = 6;
Weights makeWeights(size_t index);

struct Options {
  bool isJson = false;
  int device = 0;
  std::string commit = "unknown";
  /** Only rows are measured whose name has this in it. */
  std::string rows;
};

/** Where a batch lies before and afterwards: in the device's memory or in the processor's. */
enum class Place { device, host };

/** A row of figures. */
struct Row {
  bool isDecode;
  Place place;
  size_t threads;
  size_t chunks;
  Rates rates;
};

/** For instance `decode-bf16-fast-device-128`, or `encode-bf16-host3-16` with three threads. */
std::string nameOf(const Weights& weights, const Row& row);

class Report {
 public:
  explicit Report(Options options) : options_(std::move(options)) {}

  const Options& options() const { return options_; }

  /** Whether a row is to be measured, by everything but its rates. */
  bool wants(const Weights& weights, const Row& row) const { return nameOf(weights, row).find(options_.rows) != std::string::npos; }

  /** A line for readers, and one of JSON where that was asked for; `json` is what stands between its braces. */
  void print(const std::string& text, const std::string& json = "") const;
  void printRow(const Weights& weights, const Row& row) const;

  /** Says what was wrong; the program fails in the end. */
  void fail(const std::string& what);
  bool hasFailed() const { return hasFailed_; }

  /**
   * Output of a copy within the device's memory, from pinned memory to it, and back; 10^9 bytes per second. Rows are compared
   * with the copy that their raw bytes would need.
   */
  double copyRate = 0;
  double copyInRate = 0;
  double copyOutRate = 0;

 private:
  Options options_;
  bool hasFailed_ = false;
};

/** How fast memory is copied: within the device, to it, from it, both at once. Sets the rates of the report. */
void measureCopies(Report& report);

/** Kernels on batches that are in the device's memory. */
void measureKernels(Report& report, Backend& backend, const Weights& weights);

/** Batch codecs on batches in the processor's memory, the copies to their own memory, to the device and back included. */
void measureHost(Report& report, const Weights& weights);

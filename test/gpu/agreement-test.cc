// Chunks of all contents, sizes, hints and profiles in large mixed batches: the device and the scalar path make the same bytes.
#include "gpu-test.h"

namespace {

/** Around the borders of rows, streams, counted planes and segments. */
constexpr size_t smallSizes[] = {0,     1,     2,     3,     31,    32,    33,    200,        1000,        4097,
                                 16383, 16384, 16385, 32767, 32768, 32769, 65535, 65536,      65537,       131072 + 2,
                                 131072 + 64, 131072 + 16384 * 3 + 5};
constexpr size_t largeSizes[] = {segmentBytesMax - 1, segmentBytesMax, segmentBytesMax + 1, segmentBytesMax + 3,
                                 3 * segmentBytesMax + 5};
constexpr size_t quickSizes[] = {0, 1, 31, 33, 4097, 16385, 32769, 65537};
/** Sizes drawn by chance are below a power of two up to this. */
constexpr unsigned drawnBits = 22;

constexpr size_t batchBytesMax = size_t{192} << 20;
constexpr uint32_t batchCountMax = 200;

constexpr auto contentCount = static_cast<uint8_t>(Content::count);

/** The hint that fits best. */
Element hintOf(Content content) {
  switch (content) {
    case Content::skewed16: return Element::fp16;
    case Content::weights: return Element::bf16;
    case Content::skewed32:
    case Content::widened: return Element::fp32;
    default: return Element::bytes;
  }
}

class Recipes {
 public:
  /** Every content with every profile and the hints that `isTried` says yes to. */
  template <class IsTried>
  void add(size_t size, IsTried isTried) {
    for (uint8_t content = 0; content < contentCount; content++)
      for (uint8_t hint = 0; hint <= static_cast<uint8_t>(Element::fp32); hint++)
        for (const Profile profile : profiles)
          if (isTried(static_cast<Content>(content), static_cast<Element>(hint)))
            addOne(size, static_cast<Content>(content), static_cast<Element>(hint), profile);
  }

  void addOne(size_t size, Content content, Element hint, Profile profile) {
    const uint32_t seed = chance_.next();
    all_.push_back({size, content, seed % 4, hint, profile, seed});
  }

  void addDrawn() {
    const size_t limit = size_t{1} << chance_.next() % drawnBits;
    const size_t size = chance_.next() % (2 * limit);
    const auto content = static_cast<Content>(chance_.next() % contentCount);
    const auto hint = static_cast<Element>(chance_.next() % 5);
    addOne(size, content, hint, profiles[chance_.next() % 2]);
  }

  /** In an order of chance. */
  std::vector<Recipe> take() {
    for (size_t index = all_.size(); index > 1; index--) std::swap(all_[index - 1], all_[chance_.next() % index]);
    return std::move(all_);
  }

 private:
  Chance chance_ = {2024};
  std::vector<Recipe> all_;
};

std::vector<Recipe> makeRecipes(bool isQuick) {
  Recipes recipes;
  const auto all = [](Content, Element) { return true; };
  const auto fitting = [](Content content, Element hint) { return hint == Element::unknown || hint == hintOf(content); };
  if (isQuick) {
    for (const size_t size : quickSizes)
      recipes.add(size, [](Content content, Element hint) { return hint == hintOf(content); });
    recipes.addOne(segmentBytesMax + 777, Content::weights, Element::bf16, Profile::rans);
    recipes.addOne(segmentBytesMax + 777, Content::skewed32, Element::unknown, Profile::fast);
    return recipes.take();
  }
  for (const size_t size : smallSizes) recipes.add(size, all);
  for (const size_t size : largeSizes) recipes.add(size, fitting);
  for (const size_t size : {8 * segmentBytesMax, rawBytesMax}) {
    for (const Profile profile : profiles) {
      recipes.addOne(size, Content::weights, Element::bf16, profile);
      recipes.addOne(size, Content::skewed32, Element::fp32, profile);
      recipes.addOne(size - 1, Content::manySymbols, Element::unknown, profile);
    }
  }
  for (int drawn = 0; drawn < 500; drawn++) recipes.addDrawn();
  return recipes.take();
}

}  // namespace

void pathsGiveTheSame(const TestedDevice& device) {
  const std::vector<Recipe> recipes = makeRecipes(device.isQuick);
  BatchCodec codec(device.open(), device.patience());
  Chance chance = {7};
  for (size_t next = 0; next < recipes.size();) {
    const size_t countMax = 1 + chance.next() % batchCountMax;
    std::vector<Sample> samples;
    size_t bytes = 0;
    while (next < recipes.size() && samples.size() < countMax && bytes < batchBytesMax) {
      bytes += recipes[next].size;
      samples.push_back(makeSample(recipes[next++]));
    }
    if (!checkEncode(codec, samples) || !checkDecode(codec, samples)) return;
  }
}

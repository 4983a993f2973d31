// How often which duration occurred, in buckets whose width grows with the value: percentiles to
// within 1/128 of it, in a fixed amount of memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mana_sync::loadgen {

// One thread.
class Histogram {
 public:
  // Longer durations count as this one: about 18 minutes.
  static constexpr int64_t kValueNsMax = (int64_t{1} << 40) - 1;

  // Negative ones count as 0.
  void record(int64_t value_ns);
  // What another one recorded, too.
  void add(const Histogram& other);

  [[nodiscard]] uint64_t count() const { return count_; }
  // 0 if nothing was recorded; so the others.
  [[nodiscard]] int64_t max_ns() const { return max_ns_; }
  [[nodiscard]] double mean_ns() const;
  // The smallest value that at least `percent` (0 to 100) of what was recorded does not pass,
  // rounded up to its bucket's end.
  [[nodiscard]] int64_t percentile_ns(double percent) const;

 private:
  // Below 2^kPreciseBits each value has a bucket of its own; above, each power of two has half as
  // many.
  static constexpr int kPreciseBits = 8;
  static constexpr size_t kHalf = size_t{1} << (kPreciseBits - 1);
  static constexpr size_t kBucketCount = (40 - kPreciseBits + 2) * kHalf;

  [[nodiscard]] static size_t bucket_of(uint64_t value);
  [[nodiscard]] static int64_t last_of(size_t bucket);

  std::array<uint64_t, kBucketCount> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ns_ = 0;
  double sum_ns_ = 0;
};

}  // namespace mana_sync::loadgen

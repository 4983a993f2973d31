#include "histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace mana_sync::loadgen {

size_t Histogram::bucket_of(uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kPreciseBits);
  return static_cast<size_t>(shift) * kHalf + static_cast<size_t>(value >> shift);
}

int64_t Histogram::last_of(size_t bucket) {
  if (bucket < 2 * kHalf) return static_cast<int64_t>(bucket);
  const size_t shift = bucket / kHalf - 1;
  const size_t begin = bucket - shift * kHalf;
  return static_cast<int64_t>(((begin + 1) << shift) - 1);
}

void Histogram::record(int64_t value_ns) {
  const int64_t value = std::clamp<int64_t>(value_ns, 0, kValueNsMax);
  ++buckets_[bucket_of(static_cast<uint64_t>(value))];
  ++count_;
  max_ns_ = std::max(max_ns_, value);
  sum_ns_ += static_cast<double>(value);
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < kBucketCount; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
  sum_ns_ += other.sum_ns_;
}

double Histogram::mean_ns() const {
  return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_);
}

int64_t Histogram::percentile_ns(double percent) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(percent / 100 * static_cast<double>(count_));
  const auto rank = static_cast<uint64_t>(std::clamp(wanted, 1.0, static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBucketCount; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::min(last_of(bucket), max_ns_);
  }
  return max_ns_;
}

}  // namespace mana_sync::loadgen

#include "binary_array.h"

#include <cstring>
#include <limits>

#include "mana_sync/base/check.h"

namespace mana_sync::store {
namespace {

// 2000-01-01T00:00:00Z in microseconds since 1970.
constexpr int64_t kDatabaseEpochUs = 946'684'800'000'000;
// What timestamptz can hold (datatype/timestamp.h), microseconds since 2000: [min, end).
constexpr int64_t kDatabaseTimeMin = -211'813'488'000'000'000;
constexpr int64_t kDatabaseTimeEnd = 9'223'371'331'200'000'000;
constexpr int64_t kInfinity = std::numeric_limits<int64_t>::max();
constexpr int64_t kMinusInfinity = std::numeric_limits<int64_t>::min();

constexpr int32_t kDimensions = 1;
constexpr int32_t kLowerBound = 1;
constexpr size_t kHasNullOffset = 4;
constexpr size_t kHeaderBytes = 20;
constexpr char kJsonbVersion = 1;

void append_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void append_int32(std::string& out, int32_t value) {
  append_big_endian(out, static_cast<uint32_t>(value), 4);
}

void append_int64(std::string& out, int64_t value) {
  append_big_endian(out, static_cast<uint64_t>(value), 8);
}

uint64_t read_big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

std::string_view as_bytes(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

}  // namespace

int64_t to_database_time(int64_t us) {
  if (us < kDatabaseTimeMin + kDatabaseEpochUs) return kMinusInfinity;
  // kDatabaseTimeEnd is beyond int64_t when counted from 1970: only the lower end can be passed.
  static_assert(kDatabaseTimeEnd > kInfinity - kDatabaseEpochUs);
  return us == kInfinity ? kInfinity : us - kDatabaseEpochUs;
}

int64_t from_database_time(int64_t database_us) {
  if (database_us == kMinusInfinity) return kMinusInfinity;
  if (database_us > kInfinity - kDatabaseEpochUs) return kInfinity;
  return database_us + kDatabaseEpochUs;
}

int32_t read_int32(std::string_view bytes) {
  MANA_CHECK(bytes.size() == 4);
  return static_cast<int32_t>(read_big_endian(bytes));
}

int64_t read_int64(std::string_view bytes) {
  MANA_CHECK(bytes.size() == 8);
  return static_cast<int64_t>(read_big_endian(bytes));
}

BinaryArray::BinaryArray(ElementType type, size_t count, size_t bytes) : missing_(count) {
  bytes_.reserve(kHeaderBytes + count * 4 + bytes);
  append_int32(bytes_, count == 0 ? 0 : kDimensions);
  append_int32(bytes_, 0);  // has_null, written by take()
  append_int32(bytes_, static_cast<int32_t>(type));
  if (count == 0) return;
  append_int32(bytes_, static_cast<int32_t>(count));
  append_int32(bytes_, kLowerBound);
}

void BinaryArray::add_null() {
  --missing_;
  has_null_ = true;
  append_int32(bytes_, -1);
}

void BinaryArray::add_int4(int32_t value) {
  --missing_;
  append_int32(bytes_, 4);
  append_int32(bytes_, value);
}

void BinaryArray::add_text(std::string_view value) {
  --missing_;
  append_int32(bytes_, static_cast<int32_t>(value.size()));
  bytes_ += value;
}

void BinaryArray::add_time(int64_t us) {
  --missing_;
  append_int32(bytes_, 8);
  append_int64(bytes_, to_database_time(us));
}

void BinaryArray::add_uuid(const Uuid& value) {
  add_text(as_bytes(value));
}

void BinaryArray::add_jsonb(std::string_view json) {
  --missing_;
  append_int32(bytes_, static_cast<int32_t>(json.size() + 1));
  bytes_ += kJsonbVersion;
  bytes_ += json;
}

std::string BinaryArray::take() {
  MANA_CHECK(missing_ == 0);
  bytes_[kHasNullOffset + 3] = has_null_ ? 1 : 0;
  return std::move(bytes_);
}

Params& Params::add_null() {
  values_.push_back({.bytes = {}, .is_null = true});
  return *this;
}

Params& Params::add_int4(int32_t value) {
  append_int32(values_.emplace_back().bytes, value);
  return *this;
}

Params& Params::add_int8(int64_t value) {
  append_int64(values_.emplace_back().bytes, value);
  return *this;
}

Params& Params::add_text(std::string_view value) {
  values_.emplace_back().bytes = value;
  return *this;
}

Params& Params::add_time(int64_t us) {
  return add_int8(to_database_time(us));
}

Params& Params::add_uuid(const Uuid& value) {
  return add_text(as_bytes(value));
}

Params& Params::add_array(BinaryArray array) {
  values_.emplace_back().bytes = array.take();
  return *this;
}

}  // namespace mana_sync::store

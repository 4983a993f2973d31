// PostgreSQL's binary format for parameters: scalars, and arrays for unnest().
// Formats: src/backend/utils/adt/{arrayfuncs,timestamp,jsonb}.c of PostgreSQL 15.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/uuid.h"

namespace mana_sync::store {

// PostgreSQL counts timestamptz in microseconds since 2000-01-01; everything here since 1970. Times
// that PostgreSQL cannot hold become its infinities, and an infinity the farthest int64_t.
[[nodiscard]] int64_t to_database_time(int64_t us);
[[nodiscard]] int64_t from_database_time(int64_t database_us);

[[nodiscard]] int32_t read_int32(std::string_view bytes);
[[nodiscard]] int64_t read_int64(std::string_view bytes);

// Object ids of the element types (catalog/pg_type.dat), fixed for all versions.
enum class ElementType : uint32_t {
  kInt4 = 23,
  kText = 25,
  kTimestamptz = 1184,
  kUuid = 2950,
  kJsonb = 3802,
};

// A one-dimensional array, built element by element. REQUIRES: the element's type is the array's.
class BinaryArray {
 public:
  // `count` elements follow, about `bytes` of them in all (a hint).
  BinaryArray(ElementType type, size_t count, size_t bytes = 0);

  void add_null();
  void add_int4(int32_t value);
  void add_text(std::string_view value);
  void add_time(int64_t us);
  void add_uuid(const Uuid& value);
  // JSON text; PostgreSQL parses it as it would '…'::jsonb.
  void add_jsonb(std::string_view json);

  // REQUIRES: exactly `count` elements were added.
  [[nodiscard]] std::string take();

 private:
  std::string bytes_;
  size_t missing_;
  bool has_null_ = false;
};

// The parameters of one call, in order, each in binary format.
class Params {
 public:
  Params& add_null();
  Params& add_int4(int32_t value);
  Params& add_int8(int64_t value);
  Params& add_text(std::string_view value);
  Params& add_time(int64_t us);
  Params& add_uuid(const Uuid& value);
  Params& add_array(BinaryArray array);

  struct Value {
    std::string bytes;
    bool is_null = false;
  };
  [[nodiscard]] const std::vector<Value>& values() const { return values_; }

 private:
  std::vector<Value> values_;
};

}  // namespace mana_sync::store

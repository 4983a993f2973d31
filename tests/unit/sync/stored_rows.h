// sync_changes in memory: what the store would answer, for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync::testing {

// A ChangeRow that owns its text.
struct StoredRow {
  Uuid event_id{};
  int64_t stamp_us = 0;
  Op op = Op::kUpdate;
  std::string table;
  std::string record;
  std::string client_id;
  std::string data;
  std::string field_timestamps;
  int schema_version = 1;
  std::string actor;
  std::optional<std::string> origin;
  std::optional<std::string> space_id;

  static StoredRow of(const ChangeRow& row);
  // Borrowed from this.
  [[nodiscard]] ChangeRow row() const;
};

// The rows of one stream. Rows are borrowed from it until the next add().
class StoredRows {
 public:
  void add(const ChangeRow& row) { rows_.push_back(StoredRow::of(row)); }
  // How many rows a page looks at, those that it leaves out among them; at least one. A real store
  // has such a bound, so that a page may come back empty and not be the last.
  size_t scan_rows_max = SIZE_MAX;
  [[nodiscard]] size_t size() const { return rows_.size(); }
  [[nodiscard]] const StoredRow& operator[](size_t i) const { return rows_[i]; }

  [[nodiscard]] std::vector<ChangeRow> all() const;
  // As StorePort::read_page; sets all of `page` but its rows.
  [[nodiscard]] std::vector<ChangeRow> page(const PageQuery& query, Page& page) const;
  // As StorePort::lookup.
  [[nodiscard]] std::vector<std::optional<StoredCell>> cells(const LookupQuery& query) const;
  [[nodiscard]] std::vector<ChangeRow> inserts(const LookupQuery& query) const;

 private:
  std::vector<StoredRow> rows_;
};

}  // namespace mana_sync::sync::testing

// Rows as the server stores them for pushes of new records, without a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "batch_params.h"
#include "mana_sync/base/uuid.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::ceiling {

struct RowShape {
  size_t changes = 1;       // rows that one push stores: of one stream, one after another
  size_t fields = 1;        // beside a number and two times, as mana-sync-loadgen pushes
  size_t field_bytes = 16;  // of each field's value
};

// One thread.
class RowMaker {
 public:
  // For the streams of `users` users, whose names begin with `prefix`; at least one.
  RowMaker(const RowShape& shape, const std::string& prefix, size_t users);

  // The parameters of an insert of `rows` rows: ids and stamps ascend, as the server's do, and the
  // streams take turns, push by push.
  [[nodiscard]] store::Params next(size_t rows, int64_t wall_us);

 private:
  struct Stream {
    sync::StreamName name;
    uint64_t records = 0;
    int64_t last_stamp_us = 0;
  };
  struct RowText {
    std::string record;
    std::string data;
  };

  void add_row(sync::CommitUnit& unit, Stream& stream, RowText& text, int64_t wall_us);

  const RowShape shape_;
  const std::string value_;  // of each field
  std::vector<Stream> streams_;
  size_t next_stream_ = 0;
  UuidGenerator ids_;
  // Of the batch that is being made; its parameters hold copies.
  std::string time_;
  std::string field_times_;
  std::vector<RowText> texts_;
  std::vector<sync::CommitUnit> units_;
};

}  // namespace mana_sync::ceiling

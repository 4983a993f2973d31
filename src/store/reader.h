// The reads of StorePort: pages, loads and lookups, as calls on the read queue.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "mana_sync/base/log.h"
#include "mana_sync/sync/store_port.h"
#include "read_queue.h"

namespace mana_sync::store {

class Reader {
 public:
  using OnChunk = std::move_only_function<void(std::span<const sync::ChangeRow>)>;
  using LoadDone = std::move_only_function<void(Result<void>)>;

  // `queue` must outlive it.
  explicit Reader(ReadQueue& queue) : queue_(queue) {}

  // As in StorePort. Fails (kTooLarge) for more than limits::kTiedRowsMax rows of one stamp, and
  // for a lookup of more than limits::kLookupBytesMax; for one insert, a lookup finds the newest
  // limits::kLookupRowsPerInsertMax rows.
  void read_page(sync::PageQuery query, sync::PageCallback done);
  void load_stream(sync::StreamName stream, OnChunk on_chunk, LoadDone done);
  void lookup(sync::LookupQuery query, sync::LookupCallback done);

 private:
  struct Load;
  void read_rows(sync::PageQuery query, size_t rows_max, sync::PageCallback done);
  void read_large_group(sync::PageQuery query, size_t rows_max, sync::PageCallback done);
  void load_chunk(std::shared_ptr<Load> load);

  ReadQueue& queue_;
};

}  // namespace mana_sync::store

// Brings the database to this binary's schema, version by version (statements::migrations()).
#pragma once

#include <cstddef>
#include <functional>

#include "mana_sync/base/log.h"
#include "mana_sync/base/result.h"
#include "pg_connection.h"

namespace mana_sync::store {

class Migrations {
 public:
  using Done = std::function<void(const Result<void>&)>;

  // Both must outlive it.
  Migrations(PgConnection& connection, Logger& log) : connection_(connection), log_(log) {}

  // Applies what is missing, each version in one transaction. Fails (kInvalid) if the database is
  // of a newer version or a statement is refused; `done` does not come if the connection is lost.
  // REQUIRES: the connection is up; no run is under way on it.
  void run(Done done);

 private:
  void on_version(const Answer& answer);
  void apply_next();

  PgConnection& connection_;
  Logger& log_;
  Done done_;
  size_t version_ = 0;
};

}  // namespace mana_sync::store

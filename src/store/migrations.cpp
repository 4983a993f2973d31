#include "migrations.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

namespace mana_sync::store {

void Migrations::run(Done done) {
  done_ = std::move(done);
  const std::array<Call, 3> calls{Call{&statements::lock_migrations(), {}},
                                  Call{&statements::create_migrations_table(), {}},
                                  Call{&statements::read_version(), {}}};
  connection_.submit(calls, [this](const Answer& answer) { on_version(answer); });
}

void Migrations::on_version(const Answer& answer) {
  if (answer.kind == Answer::Kind::kLost) return;
  if (answer.kind == Answer::Kind::kFailed) {
    return done_(fail(ErrorCode::kInvalid,
                      fmt::format("cannot read the schema's version: {}", answer.message)));
  }
  version_ = static_cast<size_t>(answer.results.back().int4(0, 0));
  const size_t newest = statements::migrations().size();
  if (version_ > newest) {
    return done_(fail(ErrorCode::kInvalid,
                      fmt::format("the database's schema is version {}, this server knows up to {}",
                                  version_, newest)));
  }
  apply_next();
}

void Migrations::apply_next() {
  if (version_ == statements::migrations().size()) return done_({});
  std::vector<Call> calls{{&statements::lock_migrations(), {}}};
  for (const Statement& statement : statements::migrations()[version_]) {
    calls.push_back({&statement, {}});
  }
  Params version;
  version.add_int4(static_cast<int32_t>(version_ + 1));
  calls.push_back({&statements::record_version(), std::move(version)});
  connection_.submit(calls, [this](const Answer& answer) {
    if (answer.kind == Answer::Kind::kLost) return;
    if (answer.kind == Answer::Kind::kFailed) {
      return done_(fail(ErrorCode::kInvalid,
                        fmt::format("schema version {}: {}", version_ + 1, answer.message)));
    }
    ++version_;
    log_.info("schema_migrated", {{"version", version_}});
    apply_next();
  });
}

}  // namespace mana_sync::store

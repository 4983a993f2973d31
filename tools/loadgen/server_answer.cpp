#include "server_answer.h"

#include <simdjson.h>

#include "change_maker.h"

namespace mana_sync::loadgen {
namespace {

template <class T, class Result>
std::optional<T> get(Result&& result) {
  T value;
  if (std::forward<Result>(result).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

void read_shared(const simdjson::dom::element& field, ReceivedChange& into) {
  into.shared_value = get<std::string_view>(field["value"]).value_or("");
  // The original server writes one of them.
  const auto time = get<std::string_view>(field["updatedAt"]);
  into.shared_time = time ? *time : get<std::string_view>(field["at"]).value_or("");
}

// A change as PROTOCOL §4 has it. nullopt: it is none.
std::optional<ReceivedChange> read_change(const simdjson::dom::element& change) {
  ReceivedChange received;
  const auto id = get<std::string_view>(change["id"]);
  const auto op = get<std::string_view>(change["op"]);
  if (!id || !op) return std::nullopt;
  received.id = *id;
  received.op = *op;
  if (*op == "insert") received.number = get<uint64_t>(change["data"][ChangeMaker::kNumberField]);
  if (*op != "update") return received;
  const auto fields = get<simdjson::dom::element>(change["fields"]);
  if (!fields) return std::nullopt;
  received.number = get<uint64_t>((*fields)[ChangeMaker::kNumberField]["value"]);
  if (const auto shared = get<simdjson::dom::element>((*fields)[ChangeMaker::kSharedField])) {
    read_shared(*shared, received);
  }
  return received;
}

Result<ServerAnswer> parse_with(simdjson::dom::parser& json, std::string_view body,
                                const char* changes_key) {
  const auto wrong = [](const char* what) { return fail(ErrorCode::kInvalid, what); };
  const auto root = get<simdjson::dom::element>(json.parse(body));
  if (!root) return wrong("an answer is not JSON");
  const auto changes = get<simdjson::dom::array>((*root)[changes_key]);
  const auto synced_until = get<std::string_view>((*root)["syncedUntil"]);
  if (!changes || !synced_until) return wrong("an answer lacks its changes or syncedUntil");
  ServerAnswer answer;
  answer.synced_until = *synced_until;
  answer.has_more = get<bool>((*root)["hasMore"]).value_or(false);
  if (const auto conflicts = get<simdjson::dom::array>((*root)["conflicts"])) {
    answer.conflicts = conflicts->size();
  }
  for (const simdjson::dom::element change : *changes) {
    const auto received = read_change(change);
    if (!received) return wrong("a change of an answer is malformed");
    answer.changes.push_back(*received);
  }
  return answer;
}

}  // namespace

Result<ServerAnswer> ServerAnswer::parse(simdjson::dom::parser& json, std::string_view body) {
  return parse_with(json, body, "serverChanges");
}

Result<ServerAnswer> ServerAnswer::parse_event(simdjson::dom::parser& json, std::string_view data) {
  return parse_with(json, data, "changes");
}

}  // namespace mana_sync::loadgen

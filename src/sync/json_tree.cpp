#include "json_tree.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "json_token.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/hash.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/sync/cells.h"

namespace mana_sync::sync {
namespace ondemand = simdjson::ondemand;
namespace {

// After a very large document the arrays are given back.
constexpr size_t kNodesKeptMax = 64 * 1024;

// Of a place in an error's message.
constexpr size_t kPlaceBytesMax = 256;
constexpr size_t kShownNameBytesMax = 64;

uint64_t value_hash_seed() {
  static const uint64_t seed = random_seed();
  return seed;
}

uint64_t hash_bytes(char kind, std::string_view bytes) {
  const uint64_t hash =
      hash64(bytes, value_hash_seed() + static_cast<unsigned char>(kind)) >> (64 - kValueHashBits);
  return hash == 0 ? 1 : hash;  // 0 means unknown
}

uint64_t hash_list(char kind, const std::vector<uint64_t>& parts) {
  return hash_bytes(kind, {reinterpret_cast<const char*>(parts.data()), parts.size() * 8});
}

std::string_view trimmed(std::string_view token) {
  const size_t end = token.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : token.substr(0, end + 1);
}

// What stands between the quotes of the string that starts at `token`; nullopt if it does not end.
std::optional<std::string_view> between_quotes(std::string_view token) {
  for (size_t i = 1; i < token.size(); ++i) {
    if (token[i] == '\\') {
      ++i;
    } else if (token[i] == '"') {
      return token.substr(1, i - 1);
    }
  }
  return std::nullopt;
}

}  // namespace

struct JsonTree::Simdjson {
  ondemand::parser parser;
};

// Walks the tokens; each step returns the value's hash, or fails with the place so far.
class JsonTree::Walker {
 public:
  Walker(JsonTree& tree, const std::string& json)
      : tree_(tree), text_(tree.arena_->text), end_(json.data() + json.size()) {}

  // `key_size` bytes at `key_begin` of the text are the value's name; none for an array's element.
  Result<uint64_t> walk(ondemand::value value, size_t depth, size_t key_begin = 0,
                        size_t key_size = 0) {
    ondemand::json_type type;
    if (value.type().get(type) != simdjson::SUCCESS) return malformed();
    const bool has_node = depth <= kNodeDepthMax;
    const size_t node = tree_.nodes_.size();
    if (has_node) tree_.nodes_.push_back({});
    const size_t begin = text_.size();
    const Result<uint64_t> hash = walk_typed(value, type, depth);
    if (!hash) return hash;
    if (has_node) {
      tree_.nodes_[node] = {.hash = *hash,
                            .text_begin = static_cast<uint32_t>(begin),
                            .text_size = static_cast<uint32_t>(text_.size() - begin),
                            .key_begin = static_cast<uint32_t>(key_begin),
                            .key_size = static_cast<uint32_t>(key_size),
                            .end = static_cast<uint32_t>(tree_.nodes_.size()),
                            .type = node_type(type),
                            .last = false};
    }
    return hash;
  }

  // Where the walk failed, as `changes[3].op: `; empty: at the root. Long places end early.
  [[nodiscard]] std::string failed_place() const {
    std::string place;
    for (size_t i = steps_.size(); i-- > 0 && place.size() < kPlaceBytesMax;) place += steps_[i];
    if (place.starts_with('.')) place.erase(0, 1);
    return place.empty() ? place : place + ": ";
  }

 private:
  static std::unexpected<Error> malformed() { return fail(ErrorCode::kInvalid, "not valid JSON"); }

  static Type node_type(ondemand::json_type type) {
    switch (type) {
      case ondemand::json_type::array:
        return Type::kArray;
      case ondemand::json_type::object:
        return Type::kObject;
      case ondemand::json_type::number:
        return Type::kNumber;
      case ondemand::json_type::string:
        return Type::kString;
      case ondemand::json_type::boolean:
        return Type::kBoolean;
      case ondemand::json_type::null:
        break;
    }
    return Type::kNull;
  }

  // Notes, from the inside out, where `failed` happened.
  Result<uint64_t> at_place(std::string step, Result<uint64_t> failed) {
    steps_.push_back(std::move(step));
    return failed;
  }

  Result<uint64_t> walk_typed(ondemand::value& value, ondemand::json_type type, size_t depth) {
    switch (type) {
      case ondemand::json_type::array:
        return walk_array(value, depth);
      case ondemand::json_type::object:
        return walk_object(value, depth);
      case ondemand::json_type::string:
        return walk_string(value);
      case ondemand::json_type::number:
        return walk_number(value);
      default:
        return walk_literal(value);
    }
  }

  Result<uint64_t> walk_literal(ondemand::value& value) {
    const std::string_view token = trimmed(value.raw_json_token());
    if (token != "true" && token != "false" && token != "null") return malformed();
    text_ += token;
    return hash_bytes('l', token);
  }

  Result<uint64_t> walk_number(ondemand::value& value) {
    const std::string_view token = trimmed(value.raw_json_token());
    switch (check_number(token)) {
      case NumberCheck::kMalformed:
        return malformed();
      case NumberCheck::kOutOfRange:
        return fail(ErrorCode::kInvalid, "a number beyond the range of a double");
      case NumberCheck::kOk:
        break;
    }
    written_out_bytes_ += written_out_size(token) - token.size();
    if (written_out_bytes_ > limits::kNumbersWrittenOutBytesMax) {
      return fail(ErrorCode::kInvalid, "numbers that are too long when written out");
    }
    text_ += token;
    return hash_bytes('n', canonical_number(token));
  }

  Result<uint64_t> walk_string(ondemand::value& value) {
    // Not raw_json_token(): simdjson would then skip a string with a colon behind it as if it were
    // a key, and `["a":1]]` would pass.
    ondemand::raw_json_string string;
    if (value.get_raw_json_string().get(string) != simdjson::SUCCESS) return malformed();
    const auto raw = raw_between_quotes(string);
    if (!raw) return malformed();
    const auto written = write_string(*raw);
    if (!written) return malformed();
    return hash_unescaped('s', *written);
  }

  [[nodiscard]] std::optional<std::string_view> raw_between_quotes(
      ondemand::raw_json_string string) const {
    const char* quote = string.raw() - 1;
    return between_quotes({quote, static_cast<size_t>(end_ - quote)});
  }

  uint64_t hash_unescaped(char kind, std::string_view sanitized) {
    if (sanitized.find('\\') == std::string_view::npos) return hash_bytes(kind, sanitized);
    scratch_.clear();
    append_unescaped(scratch_, sanitized);
    return hash_bytes(kind, scratch_);
  }

  // Writes the string with its quotes; what stands between them now.
  std::optional<std::string_view> write_string(std::string_view raw) {
    text_ += '"';
    const size_t begin = text_.size();
    if (!append_sanitized(text_, raw, tree_.replaced_)) return std::nullopt;
    const size_t size = text_.size() - begin;
    text_ += '"';
    return std::string_view(text_).substr(begin, size);
  }

  Result<uint64_t> walk_array(ondemand::value& value, size_t depth) {
    if (depth > limits::kJsonDepthMax) return too_deep();
    ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return malformed();
    std::vector<uint64_t> hashes;
    size_t last_child = 0;
    text_ += '[';
    for (auto element : array) {
      ondemand::value child;
      if (element.get(child) != simdjson::SUCCESS) return malformed();
      if (!hashes.empty()) text_ += ',';
      last_child = tree_.nodes_.size();
      const Result<uint64_t> hash = walk(child, depth + 1);
      if (!hash) return at_place(fmt::format("[{}]", hashes.size()), hash);
      hashes.push_back(*hash);
    }
    text_ += ']';
    mark_last(last_child, depth);
    return hash_list('a', hashes);
  }

  Result<uint64_t> walk_object(ondemand::value& value, size_t depth) {
    if (depth > limits::kJsonDepthMax) return too_deep();
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return malformed();
    std::vector<std::pair<uint64_t, uint64_t>> members;
    size_t last_child = 0;
    text_ += '{';
    for (auto field : object) {
      ondemand::raw_json_string raw_key;
      ondemand::value child;
      if (field.key().get(raw_key) != simdjson::SUCCESS) return malformed();
      if (field.value().get(child) != simdjson::SUCCESS) return malformed();
      if (!members.empty()) text_ += ',';
      const auto raw = raw_between_quotes(raw_key);
      const auto key = raw ? write_string(*raw) : std::nullopt;
      if (!key) return malformed();
      const size_t key_begin = text_.size() - key->size() - 1;
      text_ += ':';
      const uint64_t key_hash = hash_unescaped('k', *key);
      last_child = tree_.nodes_.size();
      const Result<uint64_t> hash = walk(child, depth + 1, key_begin, key->size());
      if (!hash) return at_place(fmt::format(".{}", shown_name(*key)), hash);
      members.emplace_back(key_hash, *hash);
    }
    text_ += '}';
    mark_last(last_child, depth);
    return hash_members(std::move(members));
  }

  // As JSONB: the order of members does not matter, of two with one name the last counts.
  static uint64_t hash_members(std::vector<std::pair<uint64_t, uint64_t>> members) {
    std::stable_sort(members.begin(), members.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<uint64_t> hashes;
    for (size_t i = 0; i < members.size(); ++i) {
      if (i + 1 < members.size() && members[i + 1].first == members[i].first) continue;
      hashes.push_back(members[i].first);
      hashes.push_back(members[i].second);
    }
    return hash_list('o', hashes);
  }

  static Result<uint64_t> too_deep() {
    return fail(ErrorCode::kInvalid,
                fmt::format("nested more than {} deep", limits::kJsonDepthMax));
  }

  void mark_last(size_t child, size_t parent_depth) {
    if (child != 0 && parent_depth < kNodeDepthMax) tree_.nodes_[child].last = true;
  }

  JsonTree& tree_;
  std::string& text_;
  const char* const end_;
  std::string scratch_;
  size_t written_out_bytes_ = 0;
  std::vector<std::string> steps_;  // to what failed, the innermost first
};

JsonTree::JsonTree() : simdjson_(std::make_unique<Simdjson>()) {}
JsonTree::~JsonTree() = default;

Result<JsonTree::Value> JsonTree::parse(std::string& json) {
  const auto invalid = [] {
    return fail(ErrorCode::kInvalid, "the body is not one valid JSON document in UTF-8");
  };
  nodes_.clear();
  if (nodes_.capacity() > kNodesKeptMax) nodes_.shrink_to_fit();
  replaced_ = 0;
  arena_ = std::make_unique<Arena>();
  // The text without whitespace is never longer than the text with it: no view ever moves.
  arena_->text.reserve(json.size());
  if (json.starts_with("\xef\xbb\xbf")) return fail(ErrorCode::kInvalid, "a byte order mark");
  json.reserve(json.size() + simdjson::SIMDJSON_PADDING);

  ondemand::document document;
  if (simdjson_->parser.iterate(json, json.capacity()).get(document) != simdjson::SUCCESS) {
    return invalid();
  }
  ondemand::value root;
  if (document.get_value().get(root) != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalid, "the body must be one JSON object");
  }
  Walker walker(*this, json);
  if (const Result<uint64_t> hash = walker.walk(root, 1); !hash) {
    return fail(ErrorCode::kInvalid, walker.failed_place() + hash.error().message);
  }
  // Past the end there is no location: anything else follows the document.
  if (document.current_location().error() == simdjson::SUCCESS) return invalid();
  nodes_[0].last = true;
  return Value(*this, 0);
}

uint64_t JsonTree::hash_of(std::string_view json) {
  // In an array, since simdjson opens a document that is a lone scalar in another way.
  std::string document = "[";
  document += json;
  document += ']';
  const Result<Value> array = parse(document);
  return array && array->first() ? array->first()->hash() : 0;
}

std::string shown_name(std::string_view name) {
  if (name.size() <= kShownNameBytesMax) return std::string(name);
  size_t end = kShownNameBytesMax;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  return std::string(name.substr(0, end)) + "…";
}

uint64_t hash_of_string(std::string_view text) {
  return hash_bytes('s', text);
}
uint64_t hash_of_null() {
  return hash_bytes('l', "null");
}

std::string_view JsonTree::unescape(std::string_view raw) const {
  if (raw.find('\\') == std::string_view::npos) return raw;
  append_unescaped(arena_->unescaped.emplace_back(), raw);
  return arena_->unescaped.back();
}

JsonTree::Type JsonTree::Value::type() const {
  return tree_->nodes_[index_].type;
}
uint64_t JsonTree::Value::hash() const {
  return tree_->nodes_[index_].hash;
}

std::string_view JsonTree::Value::text() const {
  const Node& node = tree_->nodes_[index_];
  return std::string_view(tree_->arena_->text).substr(node.text_begin, node.text_size);
}

std::string_view JsonTree::Value::raw_key() const {
  const Node& node = tree_->nodes_[index_];
  return std::string_view(tree_->arena_->text).substr(node.key_begin, node.key_size);
}

std::string_view JsonTree::Value::key() const {
  return tree_->unescape(raw_key());
}

std::string_view JsonTree::Value::string() const {
  MANA_CHECK(type() == Type::kString);
  return tree_->unescape(text().substr(1, text().size() - 2));
}

std::optional<JsonTree::Value> JsonTree::Value::first() const {
  if (tree_->nodes_[index_].end <= index_ + 1) return std::nullopt;
  return Value(*tree_, index_ + 1);
}

std::optional<JsonTree::Value> JsonTree::Value::next() const {
  const Node& node = tree_->nodes_[index_];
  if (node.last) return std::nullopt;
  return Value(*tree_, node.end);
}

std::optional<JsonTree::Value> JsonTree::Value::member(std::string_view name) const {
  if (type() != Type::kObject) return std::nullopt;
  std::optional<Value> found;
  std::string unescaped;
  for (std::optional<Value> child = first(); child; child = child->next()) {
    std::string_view key = child->raw_key();
    if (key.find('\\') != std::string_view::npos) {
      unescaped.clear();
      append_unescaped(unescaped, key);
      key = unescaped;
    }
    if (key == name) found = child;
  }
  if (found && found->is_null()) return std::nullopt;
  return found;
}

}  // namespace mana_sync::sync

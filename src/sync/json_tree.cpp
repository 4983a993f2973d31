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
constexpr size_t kArenaBytesKeptMax = 64 * limits::kKiB;

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

uint64_t hash_list(char kind, std::span<const uint64_t> parts) {
  return hash_bytes(kind, {reinterpret_cast<const char*>(parts.data()), parts.size() * 8});
}

std::string_view trimmed(std::string_view token) {
  const size_t end = token.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : token.substr(0, end + 1);
}

// What stands between two quotes.
struct Quoted {
  std::string_view text;
  bool has_escapes;
};

// Of the string that starts at `token`; nullopt if it does not end.
std::optional<Quoted> between_quotes(std::string_view token) {
  const std::string_view text = token.substr(1, token.find('"', 1) - 1);
  const size_t escape = text.find('\\');
  if (escape == std::string_view::npos) {
    if (1 + text.size() == token.size()) return std::nullopt;
    return Quoted{text, false};
  }
  // The first quote may be an escaped one.
  for (size_t i = 1 + escape; i < token.size(); ++i) {
    if (token[i] == '\\') {
      ++i;
    } else if (token[i] == '"') {
      return Quoted{token.substr(1, i - 1), true};
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
      : tree_(tree),
        text_(tree.arena_->text),
        hashes_(tree.open_.hashes),
        members_(tree.open_.members),
        end_(json.data() + json.size()) {}

  // `key`: the value's name, in the text; empty for an array's element.
  Result<uint64_t> walk(ondemand::value value, size_t depth, Quoted key = {}) {
    ondemand::json_type type;
    if (value.type().get(type) != simdjson::SUCCESS) return malformed();
    const bool has_node = depth <= kNodeDepthMax;
    const size_t node = tree_.nodes_.size();
    if (has_node) tree_.nodes_.push_back({});
    const size_t begin = text_.size();
    const size_t key_begin =
        key.text.empty() ? 0 : static_cast<size_t>(key.text.data() - text_.data());
    const Result<uint64_t> hash = walk_typed(value, type, depth);
    if (!hash) return hash;
    if (has_node) {
      tree_.nodes_[node] = {.hash = *hash,
                            .text_begin = static_cast<uint32_t>(begin),
                            .text_size = static_cast<uint32_t>(text_.size() - begin),
                            .key_begin = static_cast<uint32_t>(key_begin),
                            .key_size = static_cast<uint32_t>(key.text.size()),
                            .end = static_cast<uint32_t>(tree_.nodes_.size()),
                            .type = node_type(type),
                            .last = false,
                            .key_has_escapes = key.has_escapes,
                            .has_escapes = type == ondemand::json_type::string && has_escapes_};
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
    const auto written = write_string(string);
    if (!written) return malformed();
    has_escapes_ = written->has_escapes;
    return hash_unescaped('s', *written);
  }

  uint64_t hash_unescaped(char kind, const Quoted& written) {
    if (!written.has_escapes) return hash_bytes(kind, written.text);
    unescaped_.clear();
    append_unescaped(unescaped_, written.text);
    return hash_bytes(kind, unescaped_);
  }

  // Writes the string with its quotes; what stands between them now.
  std::optional<Quoted> write_string(ondemand::raw_json_string string) {
    const char* const quote = string.raw() - 1;
    const auto sent = between_quotes({quote, static_cast<size_t>(end_ - quote)});
    if (!sent) return std::nullopt;
    text_ += '"';
    const size_t begin = text_.size();
    if (!sent->has_escapes) {
      text_ += sent->text;
    } else if (!append_sanitized(text_, sent->text, tree_.replaced_)) {
      return std::nullopt;
    }
    const std::string_view written = std::string_view(text_).substr(begin);
    text_ += '"';
    return Quoted{written, sent->has_escapes};
  }

  Result<uint64_t> walk_array(ondemand::value& value, size_t depth) {
    if (depth > limits::kJsonDepthMax) return too_deep();
    ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return malformed();
    const size_t first = hashes_.size();
    size_t elements = 0;
    size_t last_child = 0;
    text_ += '[';
    for (auto element : array) {
      ondemand::value child;
      if (element.get(child) != simdjson::SUCCESS) return malformed();
      if (elements > 0) text_ += ',';
      last_child = tree_.nodes_.size();
      const Result<uint64_t> hash = walk(child, depth + 1);
      if (!hash) return at_place(fmt::format("[{}]", elements), hash);
      hashes_.push_back(*hash);
      ++elements;
    }
    text_ += ']';
    mark_last(last_child, depth);
    return close_list('a', first);
  }

  Result<uint64_t> walk_object(ondemand::value& value, size_t depth) {
    if (depth > limits::kJsonDepthMax) return too_deep();
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return malformed();
    const size_t first = members_.size();
    size_t last_child = 0;
    text_ += '{';
    for (auto field : object) {
      ondemand::raw_json_string name;
      ondemand::value child;
      if (field.key().get(name) != simdjson::SUCCESS) return malformed();
      if (field.value().get(child) != simdjson::SUCCESS) return malformed();
      if (members_.size() > first) text_ += ',';
      const auto key = write_string(name);
      if (!key) return malformed();
      text_ += ':';
      const uint64_t key_hash = hash_unescaped('k', *key);
      last_child = tree_.nodes_.size();
      const Result<uint64_t> hash = walk(child, depth + 1, *key);
      if (!hash) return at_place(fmt::format(".{}", shown_name(key->text)), hash);
      members_.push_back({key_hash, *hash, members_.size()});
    }
    text_ += '}';
    mark_last(last_child, depth);
    return close_object(first);
  }

  // The hash of the elements from the stack's `first` on, which leave it.
  uint64_t close_list(char kind, size_t first) {
    const uint64_t hash = hash_list(kind, std::span(hashes_).subspan(first));
    hashes_.resize(first);
    return hash;
  }

  // Likewise, of members. As JSONB: their order does not matter, of two with one name the last
  // counts.
  uint64_t close_object(size_t first) {
    const std::span members = std::span(members_).subspan(first);
    std::ranges::sort(members, {}, [](const Open::Member& member) {
      return std::pair(member.key_hash, member.ordinal);
    });
    const size_t first_hash = hashes_.size();
    for (size_t i = 0; i < members.size(); ++i) {
      if (i + 1 < members.size() && members[i + 1].key_hash == members[i].key_hash) continue;
      hashes_.push_back(members[i].key_hash);
      hashes_.push_back(members[i].value_hash);
    }
    members_.resize(first);
    return close_list('o', first_hash);
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
  std::vector<uint64_t>& hashes_;       // a stack
  std::vector<Open::Member>& members_;  // likewise
  const char* const end_;
  bool has_escapes_ = false;  // the last string's value has
  std::string unescaped_;     // scratch
  size_t written_out_bytes_ = 0;
  std::vector<std::string> steps_;  // to what failed, the innermost first
};

JsonTree::JsonTree() : simdjson_(std::make_unique<Simdjson>()) {}
JsonTree::~JsonTree() = default;

Result<JsonTree::Value> JsonTree::parse(std::string& json) {
  const auto invalid = [] {
    return fail(ErrorCode::kInvalid, "the body is not one valid JSON document in UTF-8");
  };
  begin_document(json.size());
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

void JsonTree::begin_document(size_t bytes) {
  nodes_.clear();
  if (nodes_.capacity() > kNodesKeptMax) nodes_.shrink_to_fit();
  if (open_.hashes.capacity() + open_.members.capacity() > kNodesKeptMax) open_ = {};
  open_.hashes.clear();
  open_.members.clear();
  replaced_ = 0;
  if (arena_ == nullptr || arena_->text.capacity() > kArenaBytesKeptMax) {
    arena_ = std::make_shared<Arena>();
  }
  arena_->text.clear();
  arena_->unescaped.clear();
  // The text without whitespace is never longer than the text with it: no view ever moves.
  arena_->text.reserve(bytes);
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
  std::string& unescaped = arena_->unescaped.emplace_front();
  append_unescaped(unescaped, raw);
  return unescaped;
}

}  // namespace mana_sync::sync

// A JSON document from outside, checked in full and opened for reading. The only user of simdjson
// in `sync`.
//
// simdjson finds the tokens; this walks them once and leaves, in one arena, the document without
// insignificant whitespace and, in one flat array, a node for each value of the upper levels. So a
// changeset is read without an allocation for each value, and every value's text is ready to be
// stored as it was sent (PROTOCOL 2.10: numbers keep every digit).
#pragma once

#include <array>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/result.h"

namespace mana_sync::sync {

class JsonTree {
 public:
  enum class Type : uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };
  // Values deeper than this have no node of their own: the field's value of a change is the deepest
  // that a changeset's reader asks for.
  static constexpr int kNodeDepthMax = 6;

  // A value. Valid until the tree is parsed into again.
  class Value {
   public:
    [[nodiscard]] Type type() const;
    [[nodiscard]] bool is_null() const { return type() == Type::kNull; }
    // The value's text without insignificant whitespace.
    [[nodiscard]] std::string_view text() const;
    // Equal for values that are equal as JSONB compares them (PROTOCOL 5.1), never 0. As long as a
    // cell has room for: kValueHashBits.
    [[nodiscard]] uint64_t hash() const;
    // A member's name, unescaped.
    [[nodiscard]] std::string_view key() const;
    // What a string says, unescaped. REQUIRES: type() is kString.
    [[nodiscard]] std::string_view string() const;

    // The first element or member; nullopt if there is none.
    [[nodiscard]] std::optional<Value> first() const;
    // The next one beside this.
    [[nodiscard]] std::optional<Value> next() const;
    // The member of that name; the last one counts (PROTOCOL 2.10). nullopt if this is no object,
    // and for null, which means absent (PROTOCOL 2.9).
    [[nodiscard]] std::optional<Value> member(std::string_view name) const {
      return members(std::array{name})[0];
    }
    // Several at once, in the order of `names`; each as above.
    template <size_t kCount>
    [[nodiscard]] std::array<std::optional<Value>, kCount> members(
        const std::array<std::string_view, kCount>& names) const {
      std::array<std::optional<Value>, kCount> found;
      find_members(names, found);
      return found;
    }

   private:
    [[nodiscard]] std::string_view raw_key() const;
    void find_members(std::span<const std::string_view> names,
                      std::span<std::optional<Value>> found) const;

    friend class JsonTree;
    Value(const JsonTree& tree, uint32_t index) : tree_(&tree), index_(index) {}
    const JsonTree* tree_;
    uint32_t index_;
  };

  JsonTree();
  ~JsonTree();
  JsonTree(const JsonTree&) = delete;
  JsonTree& operator=(const JsonTree&) = delete;

  // Reads one JSON document. `json` is padded for simdjson if its capacity does not allow it, and
  // not needed afterwards. kInvalid: not one valid document, nested too deep, or a number out of
  // range; the message names the place (PROTOCOL 2.10). What PostgreSQL cannot hold has become
  // U+FFFD (PROTOCOL 2.11).
  [[nodiscard]] Result<Value> parse(std::string& json);

  // What all views handed out by a tree point into; they stay valid as long as it lives.
  struct Arena {
    std::string text;
    std::forward_list<std::string> unescaped;  // strings that had escapes
  };
  // Moves the arena out. The tree must be parsed into again before it is used.
  [[nodiscard]] std::shared_ptr<Arena> release() { return std::move(arena_); }

  // The hash of a JSON value that PostgreSQL wrote, as Value::hash; 0 if it is not JSON.
  [[nodiscard]] uint64_t hash_of(std::string_view json);

  // How many characters became U+FFFD in the last document.
  [[nodiscard]] size_t replaced() const { return replaced_; }

 private:
  class Walker;
  struct Node {
    uint64_t hash;
    uint32_t text_begin;
    uint32_t text_size;
    uint32_t key_begin;  // between the quotes
    uint32_t key_size;
    uint32_t end;  // index of the first node that is not below this one
    Type type;
    bool last;             // of its siblings
    bool key_has_escapes;  // and so is not what it says
    bool has_escapes;      // likewise, of a string
  };
  struct Simdjson;
  // What the walk has of the arrays and objects that it is in.
  struct Open {
    struct Member {
      uint64_t key_hash;
      uint64_t value_hash;
      size_t ordinal;
    };
    std::vector<uint64_t> hashes;  // of elements
    std::vector<Member> members;
  };

  void begin_document(size_t bytes);
  [[nodiscard]] std::string_view unescape(std::string_view raw) const;

  std::unique_ptr<Simdjson> simdjson_;
  std::vector<Node> nodes_;
  Open open_;
  std::shared_ptr<Arena> arena_;
  size_t replaced_ = 0;
};

// A name from outside, for an error's message: cut where it is long.
[[nodiscard]] std::string shown_name(std::string_view name);

// The hash of the JSON string that says `text`, as JsonTree::Value::hash.
[[nodiscard]] uint64_t hash_of_string(std::string_view text);
[[nodiscard]] uint64_t hash_of_null();

}  // namespace mana_sync::sync

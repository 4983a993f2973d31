// Reading what a JsonTree has parsed.
#include <optional>
#include <string>

#include "json_token.h"
#include "json_tree.h"
#include "mana_sync/base/check.h"

namespace mana_sync::sync {

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
  return tree_->nodes_[index_].key_has_escapes ? tree_->unescape(raw_key()) : raw_key();
}

std::string_view JsonTree::Value::string() const {
  MANA_CHECK(type() == Type::kString);
  const std::string_view raw = text().substr(1, text().size() - 2);
  return tree_->nodes_[index_].has_escapes ? tree_->unescape(raw) : raw;
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

void JsonTree::Value::find_members(std::span<const std::string_view> names,
                                   std::span<std::optional<Value>> found) const {
  if (type() != Type::kObject) return;
  std::string unescaped;
  for (std::optional<Value> child = first(); child; child = child->next()) {
    std::string_view key = child->raw_key();
    if (tree_->nodes_[child->index_].key_has_escapes) {
      unescaped.clear();
      append_unescaped(unescaped, key);
      key = unescaped;
    }
    for (size_t i = 0; i < names.size(); ++i) {
      if (key == names[i]) found[i] = child;
    }
  }
  for (std::optional<Value>& value : found) {
    if (value && value->is_null()) value.reset();
  }
}

}  // namespace mana_sync::sync

#include "verified_tokens.h"

#include <utility>

namespace mana_sync::auth {

const VerifiedToken* VerifiedTokens::find(Hash128 hash, std::string_view token) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end() || found->second->verified.token != token) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->verified;
}

size_t VerifiedTokens::insert(Hash128 hash, VerifiedToken verified) {
  if (const auto found = by_hash_.find(hash); found != by_hash_.end()) erase(found->second);
  bytes_ += verified.token.size();
  entries_.push_front({hash, std::move(verified)});
  by_hash_[hash] = entries_.begin();
  size_t forgotten = 0;
  for (; entries_.size() > count_max_ || bytes_ > bytes_max_; ++forgotten) {
    erase(std::prev(entries_.end()));
  }
  return forgotten;
}

void VerifiedTokens::keep_only(const KeySet& keys) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool stays = entry->verified.identity->is_vouched_for_by(keys);
    entry = stays ? std::next(entry) : erase(entry);
  }
}

VerifiedTokens::Entries::iterator VerifiedTokens::erase(Entries::iterator entry) {
  bytes_ -= entry->verified.token.size();
  by_hash_.erase(entry->hash);
  return entries_.erase(entry);
}

}  // namespace mana_sync::auth

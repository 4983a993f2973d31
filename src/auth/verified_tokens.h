// The tokens whose signature was checked (PROTOCOL 1.5), least recently used first out.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "mana_sync/auth/authenticator.h"
#include "mana_sync/auth/key_set.h"
#include "mana_sync/base/hash.h"

namespace mana_sync::auth {

struct VerifiedToken {
  std::string token;
  std::shared_ptr<const Identity> identity;
};

// Holds at most `count_max` tokens of `bytes_max` bytes together. One thread.
class VerifiedTokens {
 public:
  VerifiedTokens(size_t count_max, size_t bytes_max)
      : count_max_(count_max), bytes_max_(bytes_max) {}

  // The token whose hash is `hash`, and whose bytes are `token`: a hash alone never stands for a
  // signature. Allocates nothing. Borrowed until the next call; nullptr if there is none.
  //
  // The bytes are compared in a time that tells where they differ, and nobody learns from it: they
  // are compared only with the one token whose 128-bit hash, under a seed of this process, is the
  // same. Who can make such a token for one that is remembered knows that one. Signatures are
  // compared by libsodium, in constant time; nothing else that is compared here is a secret.
  [[nodiscard]] const VerifiedToken* find(Hash128 hash, std::string_view token);

  // In place of what had that hash. Returns how many others are forgotten for it.
  size_t insert(Hash128 hash, VerifiedToken verified);

  // Forgets the tokens whose key is not in `keys`, or is another one there under the same kid.
  void keep_only(const KeySet& keys);

  [[nodiscard]] size_t size() const { return by_hash_.size(); }

 private:
  struct Entry {
    Hash128 hash;
    VerifiedToken verified;
  };
  using Entries = std::list<Entry>;
  Entries::iterator erase(Entries::iterator entry);

  const size_t count_max_;
  const size_t bytes_max_;
  size_t bytes_ = 0;
  Entries entries_;  // the most recently used first
  absl::flat_hash_map<Hash128, Entries::iterator> by_hash_;
};

}  // namespace mana_sync::auth

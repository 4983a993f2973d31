// What kind of world a seed makes: how large, and how much goes wrong. A knob that is off in one
// half of the worlds lets the others be seen alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dice.h"

namespace mana_sync::sim {

struct Knobs {
  // How large. Small numbers: what meets, finds faults.
  int64_t streams = 1;
  int64_t devices = 2;  // of each stream
  int64_t tables = 1;
  int64_t records = 1;  // of each table
  int64_t fields = 1;
  int64_t steps = 200;
  int64_t cache_bytes = 1 << 20;
  int64_t page_changes = 3;       // the most of a pull
  int64_t scan_rows = 1'000;      // that the store looks at for a page
  int64_t time_grain_ms = 1;      // devices' clocks tell multiples of it
  int64_t pace_us = 1'000;        // a step takes up to this long
  int64_t tick_percent = 50;      // steps that end a tick
  int64_t edit_percent = 40;      // what idle devices do: the rest is pushes and pulls
  int64_t per_table_percent = 0;  // devices with a cursor for each table

  // Edits, percent of those that could be so.
  int64_t timeless_insert = 0;
  int64_t timeless_update = 0;
  int64_t timeless_delete = 0;
  int64_t equal_time = 0;  // claims a time that stands in the cell already
  int64_t deletes = 0;
  int64_t large_values = 0;  // of some 100 KB

  // WebSockets. Slow: they take what waits later. Leaving: they do so when they are told.
  int64_t sockets = 0;
  int64_t slow_sockets = 0;     // percent
  int64_t leaving_sockets = 0;  // percent of those that are not slow
  int64_t socket_churn = 0;     // per mille of what they do
  // Percent of sockets whose client pulls what it is told of. Their requests would make another
  // world of a seed, so it is only turned by hand.
  int64_t followers = 0;

  // Trouble, per mille of steps (or of the calls that could meet it).
  int64_t commit_failed = 0;
  int64_t commit_unknown = 0;
  int64_t poison = 0;  // a push that PostgreSQL refuses
  int64_t read_failed = 0;
  int64_t request_lost = 0;
  int64_t answer_lost = 0;
  int64_t impatience = 0;
  int64_t crash = 0;
  int64_t lease_lapse = 0;
  int64_t server_jump = 0;
  int64_t device_jump = 0;
  int64_t offline = 0;
  int64_t database_lost = 0;
  int64_t reinstall = 0;  // a lost database and a new client id
  int64_t long_pause = 0;

  // Milliseconds that clocks are off at most, both ways.
  int64_t device_skew_ms = 0;
  int64_t server_skew_ms = 0;
  // 1: clocks break the bound of PROTOCOL 5.7; what depends on it is not checked.
  int64_t out_of_bounds = 0;

  // Sockets have dice of their own: without them a seed makes the same world.
  static Knobs of(Dice& dice, Dice& socket_dice);
  // Clocks keep the bound unless out_of_bounds says otherwise.
  void keep_bounds();
  [[nodiscard]] std::string text() const;
};

struct NamedKnob {
  std::string_view name;
  int64_t Knobs::*value;
};
[[nodiscard]] std::span<const NamedKnob> named_knobs();

}  // namespace mana_sync::sim

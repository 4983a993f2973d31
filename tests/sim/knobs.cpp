#include "knobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mana_sync::sim {
namespace {

constexpr std::array kNamedKnobs = {
    NamedKnob{"streams", &Knobs::streams},
    NamedKnob{"devices", &Knobs::devices},
    NamedKnob{"tables", &Knobs::tables},
    NamedKnob{"records", &Knobs::records},
    NamedKnob{"fields", &Knobs::fields},
    NamedKnob{"steps", &Knobs::steps},
    NamedKnob{"cache_bytes", &Knobs::cache_bytes},
    NamedKnob{"page_changes", &Knobs::page_changes},
    NamedKnob{"scan_rows", &Knobs::scan_rows},
    NamedKnob{"time_grain_ms", &Knobs::time_grain_ms},
    NamedKnob{"pace_us", &Knobs::pace_us},
    NamedKnob{"tick_percent", &Knobs::tick_percent},
    NamedKnob{"edit_percent", &Knobs::edit_percent},
    NamedKnob{"per_table_percent", &Knobs::per_table_percent},
    NamedKnob{"timeless_insert", &Knobs::timeless_insert},
    NamedKnob{"timeless_update", &Knobs::timeless_update},
    NamedKnob{"timeless_delete", &Knobs::timeless_delete},
    NamedKnob{"equal_time", &Knobs::equal_time},
    NamedKnob{"deletes", &Knobs::deletes},
    NamedKnob{"large_values", &Knobs::large_values},
    NamedKnob{"sockets", &Knobs::sockets},
    NamedKnob{"slow_sockets", &Knobs::slow_sockets},
    NamedKnob{"leaving_sockets", &Knobs::leaving_sockets},
    NamedKnob{"socket_churn", &Knobs::socket_churn},
    NamedKnob{"followers", &Knobs::followers},
    NamedKnob{"commit_failed", &Knobs::commit_failed},
    NamedKnob{"commit_unknown", &Knobs::commit_unknown},
    NamedKnob{"poison", &Knobs::poison},
    NamedKnob{"read_failed", &Knobs::read_failed},
    NamedKnob{"request_lost", &Knobs::request_lost},
    NamedKnob{"answer_lost", &Knobs::answer_lost},
    NamedKnob{"impatience", &Knobs::impatience},
    NamedKnob{"crash", &Knobs::crash},
    NamedKnob{"lease_lapse", &Knobs::lease_lapse},
    NamedKnob{"server_jump", &Knobs::server_jump},
    NamedKnob{"device_jump", &Knobs::device_jump},
    NamedKnob{"offline", &Knobs::offline},
    NamedKnob{"database_lost", &Knobs::database_lost},
    NamedKnob{"reinstall", &Knobs::reinstall},
    NamedKnob{"long_pause", &Knobs::long_pause},
    NamedKnob{"device_skew_ms", &Knobs::device_skew_ms},
    NamedKnob{"server_skew_ms", &Knobs::server_skew_ms},
    NamedKnob{"out_of_bounds", &Knobs::out_of_bounds},
};

// Devices and the server together stay within 5.7's five minutes.
constexpr int64_t kSkewMsMax = 140'000;
constexpr int64_t kSkewMsBeyond = 3'600'000;

// In one half of the worlds 0, else up to `most`.
int64_t maybe(Dice& dice, int64_t most) {
  return dice.one_in(2) ? 0 : dice.between(1, most);
}

void roll_size(Knobs& knobs, Dice& dice) {
  knobs.streams = dice.one_in(2) ? 1 : dice.between(2, 3);
  knobs.devices = dice.between(2, 4);
  knobs.tables = dice.between(1, 2);
  knobs.records = dice.between(1, 3);
  knobs.fields = dice.between(1, 3);
  knobs.steps = dice.between(60, 400);
  knobs.cache_bytes = dice.pick<int64_t>({0, 1'000, 3'000, 10'000, 100'000, 1'000'000});
  knobs.page_changes = dice.pick<int64_t>({1, 2, 3, 5, 100});
  knobs.scan_rows = dice.pick<int64_t>({1, 2, 5, 1'000});
  knobs.time_grain_ms = dice.pick<int64_t>({1, 1, 10, 1'000});
  knobs.pace_us = dice.pick<int64_t>({1, 300, 3'000, 100'000, 1'000'000});
  knobs.tick_percent = dice.pick<int64_t>({20, 60, 100});
  knobs.edit_percent = dice.between(10, 60);
  knobs.per_table_percent = dice.pick<int64_t>({0, 50, 100});
  if (!dice.one_in(4)) return;
  // A duel: everybody edits one cell, mostly in the same second.
  knobs.tables = knobs.records = knobs.fields = 1;
  knobs.time_grain_ms = 1'000;
}

void roll_sockets(Knobs& knobs, Dice& dice) {
  knobs.sockets = dice.one_in(8) ? 0 : dice.between(1, 5);
  knobs.slow_sockets = dice.pick<int64_t>({0, 50, 100});
  knobs.leaving_sockets = maybe(dice, 30);
  knobs.socket_churn = maybe(dice, 100);
}

}  // namespace

Knobs Knobs::of(Dice& dice, Dice& socket_dice) {
  Knobs knobs;
  roll_size(knobs, dice);
  roll_sockets(knobs, socket_dice);
  knobs.timeless_insert = maybe(dice, 100);
  knobs.timeless_update = maybe(dice, 30);
  knobs.timeless_delete = maybe(dice, 100);
  knobs.equal_time = maybe(dice, 50);
  knobs.deletes = maybe(dice, 30);
  knobs.large_values = dice.one_in(100) ? 50 : 0;
  knobs.commit_failed = maybe(dice, 200);
  knobs.commit_unknown = maybe(dice, 200);
  knobs.poison = maybe(dice, 30);
  knobs.read_failed = maybe(dice, 200);
  knobs.request_lost = maybe(dice, 200);
  knobs.answer_lost = maybe(dice, 300);
  knobs.impatience = maybe(dice, 100);
  knobs.crash = maybe(dice, 40);
  knobs.lease_lapse = maybe(dice, 20);
  knobs.server_jump = maybe(dice, 30);
  knobs.device_jump = maybe(dice, 30);
  knobs.offline = maybe(dice, 30);
  knobs.database_lost = maybe(dice, 20);
  knobs.reinstall = maybe(dice, 10);
  knobs.long_pause = maybe(dice, 10);
  knobs.out_of_bounds = dice.one_in(10) ? 1 : 0;
  knobs.device_skew_ms = dice.pick<int64_t>({0, 20, 5'000, kSkewMsBeyond});
  knobs.server_skew_ms = dice.pick<int64_t>({0, 20, 5'000, kSkewMsBeyond});
  knobs.keep_bounds();
  return knobs;
}

void Knobs::keep_bounds() {
  if (out_of_bounds != 0) return;
  device_skew_ms = std::min(device_skew_ms, kSkewMsMax);
  server_skew_ms = std::min(server_skew_ms, kSkewMsMax);
}

std::string Knobs::text() const {
  std::string text;
  for (const NamedKnob& knob : named_knobs()) {
    if (this->*knob.value == 0) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", knob.name, this->*knob.value);
  }
  return text;
}

std::span<const NamedKnob> named_knobs() {
  return kNamedKnobs;
}

}  // namespace mana_sync::sim

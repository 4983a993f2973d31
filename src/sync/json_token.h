// The tokens of JSON (RFC 8259 §6, §7) that a changeset is made of: what may stand in one, what it
// means, and when two mean the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mana_sync::sync {

// Appends the string between quotes `raw`, with what PostgreSQL cannot hold (\u0000, lone
// surrogates) as \ufffd (PROTOCOL 2.11), and adds their number to `replaced`. false: not a valid
// escape.
[[nodiscard]] bool append_sanitized(std::string& out, std::string_view raw, size_t& replaced);

// Appends what a sanitized string between quotes means, in UTF-8. REQUIRES: append_sanitized made
// it.
void append_unescaped(std::string& out, std::string_view sanitized);

enum class NumberCheck { kOk, kMalformed, kOutOfRange };

// RFC 8259's grammar, and the range of a double (PROTOCOL 2.10).
[[nodiscard]] NumberCheck check_number(std::string_view text);

// How many bytes a number takes without an exponent, as PostgreSQL prints it; roughly, and never
// less. REQUIRES: check_number is kOk.
[[nodiscard]] size_t written_out_size(std::string_view text);

// A number as `-d.ddde<n>` without superfluous digits: equal for equal numbers, however written.
// REQUIRES: check_number is kOk.
[[nodiscard]] std::string canonical_number(std::string_view text);

}  // namespace mana_sync::sync

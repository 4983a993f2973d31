// Server-sent events as text (WHATWG HTML, "Server-sent events"; PROTOCOL 7.2).
#pragma once

#include <string>
#include <string_view>

namespace mana_sync::http {

inline constexpr std::string_view kEventStreamType = "text/event-stream";

// Appends an event up to its data, which is to follow in one line, and then kEventEnd. An empty
// `id` is left out. REQUIRES: neither has a line end.
void begin_event(std::string& out, std::string_view id, std::string_view name);
inline constexpr std::string_view kEventEnd = "\n\n";

}  // namespace mana_sync::http

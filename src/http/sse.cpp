#include "mana_sync/http/sse.h"

namespace mana_sync::http {

void begin_event(std::string& out, std::string_view id, std::string_view name) {
  if (!id.empty()) {
    out += "id: ";
    out += id;
    out += '\n';
  }
  out += "event: ";
  out += name;
  out += "\ndata: ";
}

}  // namespace mana_sync::http

// Why a request is refused before any handler sees it.
#pragma once

#include <string_view>

namespace mana_sync::http {

struct Refusal {
  int status = 400;
  std::string_view message;  // static text
};

}  // namespace mana_sync::http

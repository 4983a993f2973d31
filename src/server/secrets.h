// What may be shown of a setting.
#pragma once

#include <string>
#include <string_view>

namespace mana_sync::server {

// A URL or a libpq keyword string with `***` for what may be a secret: a URL's password, its user
// where that stands alone (but for PostgreSQL's), its fragment, its parameters but for those that
// are known to hold none, and a keyword string's passwords. Where the text can be read in two ways,
// rather too much is left out than too little.
[[nodiscard]] std::string without_secrets(std::string_view text);

}  // namespace mana_sync::server

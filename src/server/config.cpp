#include "mana_sync/server/config.h"

#include <fmt/format.h>

#include <iterator>

#include "mana_sync/store/store.h"
#include "secrets.h"
#include "variables.h"

namespace mana_sync::server {
namespace {

std::string value_of(const Variable& variable, const Environment& environment) {
  const std::optional<std::string> text = environment(variable.name);
  return text && !text->empty() ? *text : variable.fallback.text();
}

}  // namespace

Result<Config> read_config(const Environment& environment) {
  Config config;
  for (const Variable& variable : variables()) {
    const std::string text = value_of(variable, environment);
    if (!variable.set(config, text, variable)) {
      return fail(ErrorCode::kInvalid, fmt::format("{} is '{}', but must be {}", variable.name,
                                                   without_secrets(text), variable.allowed_text()));
    }
  }
  // Told in libpq's terms: which part of it is wrong, and not all of it.
  if (const auto error = store::database_url_error(config.database_url)) {
    return fail(ErrorCode::kInvalid, fmt::format("DATABASE_URL: {}", *error));
  }
  return config;
}

std::string describe_variables() {
  std::string out = "Environment variables:\n";
  for (const Variable& variable : variables()) {
    const std::string fallback = variable.fallback.text();
    fmt::format_to(std::back_inserter(out), "  {}\n      {}: {}.\n      Default: {}\n",
                   variable.name, variable.meaning, variable.allowed_text(),
                   fallback.empty() ? "empty" : without_secrets(fallback));
  }
  return out;
}

std::string describe_settings(const Environment& environment) {
  std::string out;
  for (const Variable& variable : variables()) {
    fmt::format_to(std::back_inserter(out), "{}={}\n", variable.name,
                   without_secrets(value_of(variable, environment)));
  }
  return out;
}

}  // namespace mana_sync::server

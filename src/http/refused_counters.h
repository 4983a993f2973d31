// mana_sync_http_refused_total: what the connections refused themselves.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "mana_sync/base/metrics.h"
#include "mana_sync/http/message.h"

namespace mana_sync::http {

// One thread.
class RefusedCounters {
 public:
  // `metrics` must outlive the counters.
  explicit RefusedCounters(Metrics& metrics) {
    for (auto& [status, counter] : counters_) {
      counter = &metrics.counter("mana_sync_http_refused_total",
                                 "Requests refused before an endpoint saw them.",
                                 "reason=\"" + std::string(error_code(status)) + "\"");
    }
  }

  void count(int status) {
    for (auto& [counted, counter] : counters_) {
      if (counted == status) counter->add();
    }
  }

 private:
  std::array<std::pair<int, Counter*>, 8> counters_{{{400, nullptr},
                                                     {408, nullptr},
                                                     {413, nullptr},
                                                     {415, nullptr},
                                                     {417, nullptr},
                                                     {431, nullptr},
                                                     {503, nullptr},
                                                     {505, nullptr}}};
};

}  // namespace mana_sync::http

// What the connections of one server hold, and what its bounds refused.
#pragma once

#include "mana_sync/base/metrics.h"

namespace mana_sync::http {

// One thread.
struct BoundMetrics {
  // `metrics` must outlive it.
  explicit BoundMetrics(Metrics& metrics)
      : requests(metrics.gauge("mana_sync_requests_in_flight",
                               "Requests whose head has come and whose answer has not begun.")),
        bodies_bytes(metrics.gauge("mana_sync_bodies_bytes",
                                   "Bytes of the bodies of requests that are not answered yet.")),
        bodies_refused(
            metrics.counter("mana_sync_bodies_refused_total",
                            "Requests refused because the bodies of others took too much.")),
        input_bytes(metrics.gauge("mana_sync_input_bytes",
                                  "Bytes of large heads, and of what waits behind requests.")),
        input_refused(metrics.counter("mana_sync_input_refused_total",
                                      "Connections ended because the heads of others, and what "
                                      "waits behind their requests, took too much.")),
        connections_refused(
            metrics.counter("mana_sync_connections_refused_total", kRefusedHelp, "bound=\"all\"")),
        address_connections_refused(metrics.counter("mana_sync_connections_refused_total",
                                                    kRefusedHelp, "bound=\"address\"")),
        stalled_cut(metrics.counter("mana_sync_http_cut_total", kCutHelp, "bound=\"stall\"")),
        lingering_cut(metrics.counter("mana_sync_http_cut_total", kCutHelp, "bound=\"linger\"")) {}

  Gauge& requests;
  Gauge& bodies_bytes;
  Counter& bodies_refused;
  Gauge& input_bytes;
  Counter& input_refused;
  Counter& connections_refused;
  Counter& address_connections_refused;
  Counter& stalled_cut;
  Counter& lingering_cut;

 private:
  static constexpr const char* kRefusedHelp =
      "Connections refused since there were too many, of all clients or of one address.";
  static constexpr const char* kCutHelp =
      "Connections cut off since their client took nothing of an answer for too long, or sent on "
      "and on behind its last one, or too much behind one without an end.";
};

}  // namespace mana_sync::http

#include "request_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mana_sync::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RequestMetrics, CountsByRouteAndStatus_WithTheTimeByRoute) {  // PROTOCOL 8.2
  Metrics metrics;
  RequestMetrics requests(metrics);
  requests.count(Endpoint::kPush, 200, 60'000'000);
  requests.count(Endpoint::kPush, 503, 600'000'000);
  requests.count(Endpoint::kNone, 404, 0);
  const std::string text = metrics.render();
  for (const char* sample : {
           "http_requests_total{service=\"mana-sync\",route=\"push\",status=\"200\"} 1\n",
           "http_requests_total{service=\"mana-sync\",route=\"push\",status=\"503\"} 1\n",
           "http_requests_total{service=\"mana-sync\",route=\"none\",status=\"404\"} 1\n",
           "http_requests_total{service=\"mana-sync\",route=\"stream\",status=\"200\"} 0\n",
           "_seconds_bucket{service=\"mana-sync\",route=\"push\",le=\"0.05\"} 0\n",
           "_seconds_bucket{service=\"mana-sync\",route=\"push\",le=\"0.1\"} 1\n",
           "_seconds_bucket{service=\"mana-sync\",route=\"push\",le=\"+Inf\"} 2\n",
           "_seconds_sum{service=\"mana-sync\",route=\"push\"} 0.66\n",
           "_seconds_count{service=\"mana-sync\",route=\"none\"} 1\n",
       }) {
    EXPECT_THAT(text, HasSubstr(sample));
  }
  EXPECT_THAT(text, Not(HasSubstr("route=\"\"")));
}

}  // namespace
}  // namespace mana_sync::server

// Reads a stream from a cursor on: pulls, and what a push answers with. From memory where its tail
// reaches back to the cursor, or nobody else wrote since; else with one bounded query (ARCHITECTURE
// §4).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "mana_sync/sync/engine.h"
#include "push_report.h"

namespace mana_sync::sync {

struct Answered {
  GatheredText body;
  // What did not fit into the answer and must be stored before it is sent (PROTOCOL 5.6).
  std::vector<Correction> left_over;
};
using AnsweredCallback = std::move_only_function<void(Result<Answered>)>;

// One thread.
class PullService {
 public:
  PullService(StorePort& store, StreamCache& cache, Stamps& stamps, Metrics& metrics);

  // Answers with the stream's changes after the cursor (PROTOCOL §3). Where there can be nothing
  // new before the unit in flight is settled, it waits for that.
  void pull(PullRequest request, AnswerCallback done);
  // The same, in parts.
  void read_page(PullRequest request, ChangePageCallback done);
  // The same for a push: without its own rows, and with its report.
  void answer_push(PullRequest delta, PushReport report, AnsweredCallback done);

  // What an answer holds of the stream.
  struct Delta {
    int64_t since_us;  // exclusive; as the answer takes it
    // Inclusive. Everything in the stream at or below is settled: no later change will get such a
    // stamp.
    int64_t synced_until_us;
    bool has_more;
    std::optional<std::string_view> exclude_client;  // the request's
  };

 private:
  // `Body`: what an answer is made of, AnswerBody or PageBody.
  template <class Body, class Done>
  void serve(PullRequest request, PushReport report, Done done);
  template <class Body, class Done>
  void read_from_store(PullRequest request, Delta delta, PushReport report, Done done);
  // Fills `body`, and `delta` with what it then holds; false: memory does not know.
  template <class Body>
  [[nodiscard]] static bool from_memory(const PullRequest& request, const Stream& stream,
                                        const PushReport& report, Body& body, Delta& delta);
  [[nodiscard]] int64_t settled_us(const Stream* stream);

  StorePort& store_;
  StreamCache& cache_;
  Stamps& stamps_;
  Counter& from_memory_;
  Counter& from_store_;
};

}  // namespace mana_sync::sync

// Requests from bytes, and answers to bytes.
#include <benchmark/benchmark.h>
#include <llhttp.h>

#include <string>

#include "allocation_counter.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/http/sse.h"
#include "parser.h"
#include "response_writer.h"
#include "samples.h"

namespace mana_sync::http {
namespace {

const std::string kToken(300, 't');

// One request after the other on a connection that is kept.
void parse(benchmark::State& state, const std::string& bytes) {
  Request request;
  Parser parser(request, 10 * limits::kMiB);
  AllocationCounter allocations(state);
  for (auto _ : state) {
    allocations.count([&] {
      parser.begin();
      for (std::string_view rest = bytes; !rest.empty();) {
        rest.remove_prefix(parser.feed(rest).consumed);
      }
      if (!request.body.empty()) {  // which its endpoint moves out
        const std::string body = std::move(request.body);
        benchmark::DoNotOptimize(body.data());
      }
      parser.release_buffers(limits::kKeptBufferBytesMax);
    });
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

void parse_health(benchmark::State& state) {
  parse(state, "GET /health HTTP/1.1\r\nHost: sync.example.com\r\n\r\n");
}
BENCHMARK(parse_health);

void parse_pull(benchmark::State& state) {
  parse(state, samples::pull_request(1'704'103'500'123'456, kToken, "laptop"));
}
BENCHMARK(parse_pull);

// The same request through llhttp alone, strict, with nothing made of it.
void llhttp_alone(benchmark::State& state) {
  const std::string bytes = samples::pull_request(1'704'103'500'123'456, kToken, "laptop");
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  llhttp_t llhttp;
  llhttp_init(&llhttp, HTTP_REQUEST, &settings);
  for (auto _ : state) {
    if (llhttp_execute(&llhttp, bytes.data(), bytes.size()) != HPE_OK) {
      state.SkipWithError("llhttp refuses the request");
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(llhttp_alone);

void parse_push(benchmark::State& state) {
  parse(state, samples::push_request(samples::push_body(state.range(0)), kToken));
}
BENCHMARK(parse_push)->ArgName("changes")->Arg(1)->Arg(100);

void write_head(benchmark::State& state) {
  const ManualClock clock;
  DateCache date(clock);
  const CorsPolicy cors = CorsPolicy::parse("*").value();
  Response response;
  response.body = R"({"serverChanges":[],"conflicts":[]})";
  std::string out;
  AllocationCounter allocations(state);
  for (auto _ : state) {
    out.clear();
    allocations.count([&] {
      append_answer_head(out, response, {date.now(), cors, "https://app.example.com"});
    });
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(write_head);

// What a follower gets with a change, beside the change itself.
void frame_event(benchmark::State& state) {
  const std::string data(static_cast<size_t>(state.range(0)), 'x');
  std::string out;
  AllocationCounter allocations(state);
  for (auto _ : state) {
    out.clear();
    allocations.count([&] {
      begin_event(out, "2024-01-01T10:05:00.123456Z", "changeset");
      out += data;
      out += kEventEnd;
    });
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(frame_event)->ArgName("bytes")->Arg(300)->Arg(3'000);

}  // namespace
}  // namespace mana_sync::http

BENCHMARK_MAIN();

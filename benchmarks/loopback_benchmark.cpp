// Requests over real connections, all on one thread: client, kernel, server. The time is of a
// request on each connection, and its answer, with the client's part; `server_us` is the server's
// CPU a request alone. `system_calls` is the least that it can be: one receive, one send.
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "allocation_counter.h"
#include "bare_server.h"
#include "cpu_time.h"
#include "loopback_clients.h"
#include "loopback_server.h"
#include "mana_sync/net/stream_socket.h"
#include "parser.h"
#include "samples.h"

namespace mana_sync {
namespace {

// As a load balancer sends it.
const std::string kHealthRequest = "GET /health HTTP/1.1\r\nHost: sync.example.com\r\n\r\n";
// As long as the server's own to /health.
const std::string kHealthAnswer =
    "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n"
    "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: 137\r\n\r\n" +
    std::string(137, 'x');

using RunUntil = std::function<void(const std::function<bool()>& done)>;

// A request of each client, and all answers, is an iteration. `prepare` makes the next requests.
void exchange(
    benchmark::State& state, LoopbackClients& clients, std::vector<std::string>& requests,
    const RunUntil& run_until, const std::function<void()>& prepare = [] {}) {
  int64_t server_ns = 0;
  const std::function<bool()> have_answers = [&] {
    server_ns += cpu_time_ns();
    const bool all = clients.have_answers();
    server_ns -= cpu_time_ns();
    return all;
  };
  const auto count = static_cast<int64_t>(clients.count());
  AllocationCounter allocations(state, count);
  for (auto _ : state) {
    prepare();
    allocations.count([&] {
      clients.ask(requests);
      server_ns -= cpu_time_ns();
      run_until(have_answers);
      server_ns += cpu_time_ns();
    });
  }
  for (size_t i = 0; i < clients.count(); ++i) {
    if (!clients.answer(i).starts_with("HTTP/1.1 200")) state.SkipWithError("not a 200");
  }
  state.counters["server_us"] =
      static_cast<double>(server_ns) / static_cast<double>(1'000 * count * state.iterations());
}

void connections(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("connections")->Arg(1)->Arg(32);
}

// --- The same answer from ever more of a server --------------------------------------------------

void exchange_health(benchmark::State& state, const std::function<void(int fd)>& adopt,
                     const RunUntil& run_until) {
  std::vector<int> fds;
  for (int64_t i = 0; i < state.range(0); ++i) {
    const auto [server, client] = connected_pair();
    adopt(server);
    fds.push_back(client);
  }
  LoopbackClients clients(fds);
  std::vector<std::string> requests(fds.size(), kHealthRequest);
  exchange(state, clients, requests, run_until);
}

void system_calls(benchmark::State& state) {
  std::vector<int> fds;
  std::string buffer(4'096, '\0');
  exchange_health(
      state, [&](int fd) { fds.push_back(fd); },
      [&](const auto& done) {
        for (const int fd : fds) {
          if (::recv(fd, buffer.data(), buffer.size(), 0) < 0 ||
              ::send(fd, kHealthAnswer.data(), kHealthAnswer.size(), MSG_NOSIGNAL) < 0) {
            return state.SkipWithError("the connection is gone");
          }
        }
        while (!done()) {
        }
      });
  for (const int fd : fds) ::close(fd);
}
BENCHMARK(system_calls)->Apply(connections);

void bare_ring_and_llhttp(benchmark::State& state) {
  BareServer server(kHealthAnswer);
  exchange_health(
      state, [&](int fd) { server.adopt(fd); }, [&](const auto& done) { server.run_until(done); });
}
BENCHMARK(bare_ring_and_llhttp)->Apply(connections);

// Answers each request alike.
class Answerer final : public net::SocketEvents {
 public:
  Answerer(net::Loop& loop, int fd) : socket_(net::StreamSocket::adopt(loop, fd, *this)) {
    parser_.begin();
  }
  void on_receive(std::string_view bytes) override {
    if (parser_.feed(bytes).event != http::Parser::Event::kHeadComplete) return;
    socket_->send(kHealthAnswer);
    parser_.begin();
  }
  void on_peer_finished() override { socket_->close(); }
  void on_sent(size_t) override {}
  void on_closed() override {}

 private:
  http::Request request_;
  http::Parser parser_{request_, 0};
  net::StreamSocket* socket_;
};

void loop_and_parser(benchmark::State& state) {
  const SystemClock clock;
  Logger log(LogLevel::kOff, clock);
  Metrics metrics;
  auto loop = net::Loop::create(clock, log, metrics);
  if (!loop) return state.SkipWithError(loop.error().message.c_str());
  std::deque<Answerer> answerers;
  exchange_health(
      state, [&](int fd) { answerers.emplace_back(**loop, fd); },
      [&](const auto& done) { (*loop)->run_until(done); });
}
BENCHMARK(loop_and_parser)->Apply(connections);

// Writes `value` over what stands behind each `name`.
void put_behind(std::string& text, std::string_view name, std::string_view value) {
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    text.replace(at + name.size(), value.size(), value);
  }
}

// --- The server ----------------------------------------------------------------------------------

class ServerBenchmark : public benchmark::Fixture {
 public:
  void SetUp(benchmark::State& state) override {
    server_ = std::make_unique<server::LoopbackServer>();
    std::vector<int> fds;
    for (int64_t i = 0; i < state.range(0); ++i) {
      tokens_.push_back(server_->token(i));
      fds.push_back(connect_to(server_->port()));
    }
    clients_ = std::make_unique<LoopbackClients>(fds);
  }
  void TearDown(benchmark::State&) override {
    clients_.reset();
    server_.reset();
    tokens_.clear();
  }

 protected:
  // Each client is a user.
  template <class Make>
  [[nodiscard]] std::vector<std::string> each(Make make) const {
    std::vector<std::string> requests;
    for (size_t i = 0; i < tokens_.size(); ++i) requests.push_back(make(i));
    return requests;
  }
  void run(const std::function<bool()>& done) { server_->loop().run_until(done); }
  // Lets each user push, and waits for the answers.
  void push(int64_t changes) {
    edit_ms_ += 1;
    clients_->expect_other_answers();
    clients_->ask(each([&](size_t i) {
      return samples::push_request(samples::push_body(changes, edit_ms_), tokens_[i]);
    }));
    run([&] { return clients_->have_answers(); });
    cursors_ = each([&](size_t i) { return std::string(cursor(i)); });
    clients_->expect_other_answers();
  }
  // `syncedUntil` of the client's last answer, which ends with it.
  [[nodiscard]] std::string_view cursor(size_t client) const {
    const std::string_view answer = clients_->answer(client);
    return answer.substr(answer.size() - kCursorBytes - 2, kCursorBytes);
  }
  void exchange_all(
      benchmark::State& state, std::vector<std::string> requests,
      const std::function<void(std::vector<std::string>&)>& prepare = [](auto&) {}) {
    exchange(
        state, *clients_, requests, [this](const auto& done) { run(done); },
        [&] { prepare(requests); });
  }
  void pull(benchmark::State& state, int64_t changes) {
    push(1);
    const std::vector<std::string> since = cursors_;
    if (changes > 0) push(changes);
    exchange_all(state, each([&](size_t i) {
                   return samples::pull_request(parse_cursor_us(since[i]), tokens_[i], "phone");
                 }));
  }

  static constexpr size_t kCursorBytes = 27;  // 2024-01-01T10:05:00.123456Z

  std::unique_ptr<server::LoopbackServer> server_;
  std::unique_ptr<LoopbackClients> clients_;
  std::vector<std::string> tokens_;   // by client
  std::vector<std::string> cursors_;  // by client, of its last push
  int64_t edit_ms_ = samples::kEditMs;
};

BENCHMARK_DEFINE_F(ServerBenchmark, health)(benchmark::State& state) {
  exchange_all(state, each([](size_t) { return kHealthRequest; }));
}
BENCHMARK_REGISTER_F(ServerBenchmark, health)->Apply(connections);

BENCHMARK_DEFINE_F(ServerBenchmark, empty_pull)(benchmark::State& state) {
  pull(state, 0);
}
BENCHMARK_REGISTER_F(ServerBenchmark, empty_pull)->Apply(connections);

BENCHMARK_DEFINE_F(ServerBenchmark, pull_of_20)(benchmark::State& state) {
  pull(state, 20);
}
BENCHMARK_REGISTER_F(ServerBenchmark, pull_of_20)->Apply(connections);

// Each a later edit of the same record, from the cursor of the push before.
BENCHMARK_DEFINE_F(ServerBenchmark, push_of_1)(benchmark::State& state) {
  push(1);
  const std::string body = samples::push_body(1);
  exchange_all(state, each([&](size_t i) { return samples::push_request(body, tokens_[i]); }),
               [&](std::vector<std::string>& requests) {
                 const std::string edit_time = format_time_ms(++edit_ms_);
                 for (size_t i = 0; i < requests.size(); ++i) {
                   put_behind(requests[i], R"("since":")", cursor(i));
                   put_behind(requests[i], R"("updatedAt":")", edit_time);
                 }
               });
}
BENCHMARK_REGISTER_F(ServerBenchmark, push_of_1)->Apply(connections);

}  // namespace
}  // namespace mana_sync

BENCHMARK_MAIN();

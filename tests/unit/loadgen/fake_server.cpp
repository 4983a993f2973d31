#include "fake_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mana_sync/ws/handshake.h"

namespace mana_sync::loadgen {
namespace {

std::string_view text_between(std::string_view text, std::string_view before,
                              std::string_view after) {
  const size_t begin = text.find(before);
  if (begin == std::string_view::npos) return {};
  const std::string_view rest = text.substr(begin + before.size());
  return rest.substr(0, rest.find(after));
}

http::Response json_response(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

http::Response event_stream() {
  http::Response head;
  head.content_type = "text/event-stream";
  return head;
}

std::string token_of(const http::Request& request) {
  constexpr std::string_view kScheme = "Bearer ";
  return std::string(request.header("Authorization").value_or(kScheme).substr(kScheme.size()));
}

std::string client_of(const http::Request& request) {
  return std::string(request.header("X-Client-Id").value_or(""));
}

}  // namespace

class FakeServer::Session final : public ws::Session {
 public:
  explicit Session(FakeServer& server) : server_(server) {}
  ~Session() override { std::erase(server_.sessions_, this); }

  void on_open(ws::Connection& connection) override { connection_ = &connection; }
  void on_text(std::string_view text) override;
  void on_closed() override {}

  [[nodiscard]] const std::string& token() const { return token_; }
  void send(std::string_view text) { connection_->send_text(text); }

 private:
  FakeServer& server_;
  ws::Connection* connection_ = nullptr;
  std::string token_;
};

void FakeServer::Session::on_text(std::string_view text) {
  token_ = text_between(text, R"("token":")", "\"");
  if (token_ == kBadToken)
    return connection_->close(ws::CloseCode::kPolicyViolation, "invalid token");
  server_.sessions_.push_back(this);
  send(R"({"type":"auth-ok"})");
}

void FakeServer::on_request(http::Request& request, http::Responder responder) {
  if (request.path.starts_with("/ws/")) {
    auto answer = ws::answer_handshake(request);
    if (refused_handshakes > 0) {
      --refused_handshakes;
      responder.respond(http::error_response(503, "full"));
    } else if (!answer) {
      responder.respond(std::move(answer.error()));
    } else {
      responder.upgrade(std::move(*answer), std::make_unique<ws::Connection>(
                                                shared_, std::make_unique<Session>(*this)));
    }
  } else if (request.method == http::Method::kPost) {
    on_push(request, responder);
  } else if (request.path.ends_with("/pull")) {
    on_pull(request, responder);
  } else if (request.path.ends_with("/stream")) {
    on_stream(request, responder);
  } else if (request.path == "/health") {
    responder.respond(json_response("{}"));
  } else if (request.path == "/close") {
    http::Response response = json_response("last");
    response.close = true;
    responder.respond(std::move(response));
  } else if (request.path == "/events") {
    responder.stream(event_stream(), *this).send(events);
  } else {
    responder.respond(hook ? hook(request) : http::error_response(404, "nothing here"));
  }
}

void FakeServer::on_push(const http::Request& request, const http::Responder& responder) {
  pushes.push_back(request.body);
  if (push_status != 200) {
    responder.respond(http::error_response(push_status, "as told"));
    return;
  }
  const std::string token = token_of(request);
  notify(token, text_between(request.body, R"("table":")", "\""));
  std::string answer = store.push(token, client_of(request), request.body);
  for (Stream& stream : streams_) {
    if (stream.token == token) send_events(stream);
  }
  if (pushes_to_forget > 0) {
    --pushes_to_forget;
    responder.respond(http::error_response(503, "as told"));
    return;
  }
  responder.respond(json_response(std::move(answer)));
}

void FakeServer::on_pull(const http::Request& request, const http::Responder& responder) {
  const std::string since = http::query_value(request.query, "since").value_or("");
  responder.respond(json_response(store.pull(token_of(request), client_of(request), since)));
}

void FakeServer::on_stream(const http::Request& request, const http::Responder& responder) {
  const std::string since = http::query_value(request.query, "since").value_or("");
  const std::string last_event(request.header("Last-Event-ID").value_or(since));
  streams_.push_back(
      {responder.stream(event_stream(), *this), token_of(request), client_of(request), last_event});
  send_events(streams_.back());
}

void FakeServer::send_events(Stream& stream) {
  if (!stream.response.is_open()) return;
  const std::string due = store.events(stream.token, stream.client, stream.since);
  if (due.empty()) return;
  stream.response.send(due);
  if (events_to_repeat > 0) stream.response.send(due);
  events_to_repeat = std::max(0, events_to_repeat - 1);
}

void FakeServer::notify(std::string_view token, std::string_view table) {
  const std::string notice =
      fmt::format(R"({{"type":"sync-available","appId":"app","tables":["{}"]}})", table);
  for (Session* const session : sessions_) {
    if (session->token() != token) continue;
    if (notices_to_drop > 0) {
      --notices_to_drop;
    } else {
      session->send(notice);
    }
  }
}

LoadgenTest::LoadgenTest() {
  auto loop = net::Loop::create(clock_, log_, metrics_);
  EXPECT_TRUE(loop.has_value());
  fake_ = std::make_unique<FakeServer>(**loop);
  http::ServerOptions options;
  options.listen_address = "127.0.0.1";
  options.port = 0;
  options.body_bytes_max = limits::kBodyBytesMaxDefault;
  options.connections_max = limits::kConnectionsMaxDefault;
  auto server = http::Server::start(**loop, *fake_, std::move(options));
  EXPECT_TRUE(server.has_value());
  server_ = std::move(*server);
  auto endpoint = Endpoint::parse(fmt::format("http://127.0.0.1:{}", server_->port()));
  EXPECT_TRUE(endpoint.has_value());
  network_ = std::make_unique<Network>(std::move(*loop), std::move(*endpoint));
}

RunContext& LoadgenTest::run_of(std::vector<std::string> tokens, CommonOptions options) {
  options.app = "app";
  run_.reset(new RunContext{*network_, report_, std::move(options), std::move(tokens), json_});
  return *run_;
}

void LoadgenTest::play(std::unique_ptr<Scenario> scenario) {
  scenario->start();
  network_->loop().run();
  scenario->write_report();
}

void LoadgenTest::run_until(const std::function<bool()>& done) {
  const int64_t end_ns = clock_.steady_ns() + 20'000'000'000;
  network_->loop().run_until([&] { return done() || clock_.steady_ns() > end_ns; });
  EXPECT_TRUE(done());
}

double LoadgenTest::figure(std::string_view name) const {
  for (const Report::Figure& figure : report_.figures()) {
    if (figure.name == name) return figure.value;
  }
  ADD_FAILURE() << "no figure " << name;
  return 0;
}

}  // namespace mana_sync::loadgen

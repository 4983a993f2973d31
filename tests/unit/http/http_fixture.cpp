#include "http_fixture.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "refused_requests.h"
#include "support/run_loop_until.h"

namespace mana_sync::http {

Client::Client(uint16_t port, int receive_buffer_bytes) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer_bytes > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

void Client::finish_sending() {
  pump();
  EXPECT_EQ(unsent_bytes(), 0u);
  ::shutdown(fd_, SHUT_WR);
}

void Client::close_with_reset() {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  ::close(std::exchange(fd_, -1));
}

void Client::pump() {
  while (unsent_bytes() > 0) {
    const ssize_t sent =
        ::send(fd_, unsent_.data() + sent_bytes_, unsent_bytes(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      error_ = errno;
      sent_bytes_ = unsent_.size();
    }
    if (sent <= 0) break;
    sent_bytes_ += static_cast<size_t>(sent);
  }
  std::array<char, 65536> buffer;
  while (reading_ && !saw_end_ && fd_ >= 0) {
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) error_ = errno;
    if (got <= 0) saw_end_ = true;
    if (got > 0) received_.append(buffer.data(), static_cast<size_t>(got));
  }
}

std::optional<Answer> Client::take_answer(bool to_head) {
  const size_t head_end = received().find("\r\n\r\n");
  if (head_end == std::string_view::npos) return std::nullopt;
  Answer answer;
  answer.head = received().substr(0, head_end + 4);
  EXPECT_TRUE(answer.head.starts_with("HTTP/1.1 ")) << answer.head;
  answer.status = std::stoi(answer.head.substr(9, 3));
  for (size_t at = answer.head.find("\r\n") + 2; at < head_end;) {
    const size_t end = answer.head.find("\r\n", at);
    const size_t colon = answer.head.find(": ", at);
    EXPECT_LT(colon, end) << answer.head;
    const std::string name = answer.head.substr(at, colon - at);
    EXPECT_EQ(answer.headers.count(name), 0u) << "twice: " << name;
    answer.headers[name] = answer.head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  const auto length = answer.headers.find("Content-Length");
  const bool has_body = !to_head && length != answer.headers.end();
  const size_t body_bytes = has_body ? std::stoul(length->second) : 0;
  if (received().size() < answer.head.size() + body_bytes) return std::nullopt;
  answer.body = received().substr(answer.head.size(), body_bytes);
  taken_bytes_ += answer.head.size() + body_bytes;
  return answer;
}

std::optional<size_t> allocated_bytes() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return std::nullopt;
#else
  return ::mallinfo2().uordblks;
#endif
}

Response text_response(std::string body) {
  Response response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

Route TestHandler::find_route(std::string_view path) const {
  return {static_cast<int>(path.size()), path};
}

namespace {

void expect_route(const Request& request) {
  EXPECT_EQ(request.route.endpoint, static_cast<int>(request.path.size()));
  EXPECT_EQ(request.route.parameter, request.path);
}

}  // namespace

std::optional<Response> TestHandler::on_head(Request& request) {
  heads.emplace_back(request.path);
  expect_route(request);
  EXPECT_EQ(request.body, "");
  request.context = std::make_shared<std::string>(request.path);
  request.keeps_body = request.path != "/drop";
  if (request.path == "/refuse") return error_response(401, "no token");
  return std::nullopt;
}

void TestHandler::on_request(Request& request, Responder responder) {
  requests.emplace_back(request.path);
  expect_route(request);
  EXPECT_TRUE(responder.waiting());
  EXPECT_EQ(*static_cast<const std::string*>(request.context.get()), request.path);
  context = std::const_pointer_cast<void>(request.context);
  if (request.path == "/later") {
    waiting.push_back(responder);
    return;
  }
  if (request.path == "/hook") return hook(request, responder);
  Response response = text_response("");
  if (request.path == "/echo" || request.path == "/drop") {
    EXPECT_GE(request.body.capacity(), request.body.size() + 64);
    response.body = std::move(request.body);
    response.headers.emplace_back("X-Query", request.query);
  } else if (request.path == "/big") {
    response.body = std::string(3 * 1024 * 1024, 'b');
  } else if (request.path == "/close") {
    response.close = true;
  } else {
    response = error_response(404, request.path);
  }
  EXPECT_TRUE(responder.respond(std::move(response)));
  EXPECT_FALSE(responder.waiting());
  EXPECT_FALSE(responder.respond(text_response("twice")));
}

void TestHandler::on_answer(const Request* request, const Response& response, int64_t duration_ns) {
  if (request != nullptr) expect_route(*request);
  answers.push_back(
      {response.status, request == nullptr ? "" : std::string(request->path), duration_ns});
}

HttpTest::HttpTest() {
  auto loop = net::Loop::create(clock_, log_, metrics_);
  if (!loop.has_value()) ADD_FAILURE() << loop.error().message;
  loop_ = std::move(*loop);
}

HttpTest::~HttpTest() {
  stop();
}

void HttpTest::stop() {
  if (server_ == nullptr) return;
  server_->abort_all();
  run_until([&] { return server_->drained(); });
}

ServerOptions HttpTest::default_options() {
  ServerOptions options;
  options.listen_address = "127.0.0.1";
  options.port = 0;
  options.body_bytes_max = kTestBodyBytesMax;
  options.connections_max = 5'000;
  options.cors = CorsPolicy::parse(kOrigin).value();
  return options;
}

void HttpTest::start(ServerOptions options) {
  auto server = Server::start(*loop_, handler_, std::move(options));
  ASSERT_TRUE(server.has_value()) << server.error().message;
  server_ = std::move(*server);
}

Client& HttpTest::connect(int receive_buffer_bytes) {
  clients_.push_back(std::make_unique<Client>(server_->port(), receive_buffer_bytes));
  return *clients_.back();
}

void HttpTest::run_until(const std::function<bool()>& done) {
  const auto pump = [this] {
    for (const auto& client : clients_) client->pump();
  };
  run_loop_until(*loop_, pump, done);
}

void HttpTest::run_ticks(int count) {
  run_until([&] { return count-- == 0; });
}

void HttpTest::let_pass_ms(int64_t ms) {
  clock_.advance_us(ms * 1000);
  run_ticks();
}

Answer HttpTest::next_answer(Client& client, bool to_head) {
  std::optional<Answer> answer;
  run_until([&] {
    answer = client.take_answer(to_head);
    return answer.has_value() || client.saw_end();
  });
  EXPECT_TRUE(answer.has_value()) << "no answer; received: " << client.received();
  return answer.value_or(Answer());
}

Responder HttpTest::ask(Client& client, const std::string& request) {
  const size_t before = handler_.waiting.size();
  client.send(request);
  run_until([&] { return handler_.waiting.size() > before; });
  return handler_.waiting.back();
}

void HttpTest::wait_for_end(Client& client) {
  run_until([&] { return client.saw_end(); });
}

int64_t HttpTest::refused(std::string_view reason) const {
  const std::string line = "mana_sync_http_refused_total{reason=\"" + std::string(reason) + "\"} ";
  const std::string text = metrics_.render();
  const size_t at = text.find(line);
  return at == std::string::npos ? -1 : std::stoll(text.substr(at + line.size()));
}

}  // namespace mana_sync::http

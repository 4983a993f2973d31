// What a client may send over a WebSocket: the real connection on a real loop is to answer, byte
// for byte, as a plain reading of RFC 6455 and PROTOCOL 6.5 says, whole or in pieces.
#include <memory>
#include <string>

#include "fuzz.h"
#include "mana_sync/base/check.h"
#include "mana_sync/ws/connection.h"
#include "plain_reading.h"
#include "wire.h"

namespace mana_sync::fuzz {
namespace {

class EchoSession final : public ws::Session {
 public:
  explicit EchoSession(bool& is_closed) : is_closed_(is_closed) {}
  void on_open(ws::Connection& connection) override { connection_ = &connection; }
  void on_text(std::string_view text) override { connection_->send_text(text); }
  void on_closed() override { is_closed_ = true; }

 private:
  bool& is_closed_;
  ws::Connection* connection_ = nullptr;
};

}  // namespace
}  // namespace mana_sync::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  static fuzz::Wire wire;
  static ws::Shared shared(wire.loop());
  const std::string_view bytes = fuzz::text_of(data, size);
  const std::string expected = ws::plain_answer(bytes);
  for (const auto pieces : {fuzz::Wire::Pieces::kWhole, fuzz::Wire::Pieces::kRandom}) {
    bool is_closed = false;
    ws::Connection connection(shared, std::make_unique<fuzz::EchoSession>(is_closed));
    const auto open = [&](int fd) {
      connection.on_open(*net::StreamSocket::adopt(wire.loop(), fd, connection));
    };
    MANA_CHECK(wire.exchange(bytes, pieces, open, [&] { return is_closed; }) == expected);
  }
  return 0;
}

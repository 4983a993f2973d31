#include "plain_reading.h"

#include <cstdint>
#include <utility>

#include "frames.h"
#include "mana_sync/base/limits.h"
#include "utf8_checker.h"

namespace mana_sync::ws {
namespace {

class PlainReading {
 public:
  explicit PlainReading(std::string_view stream) : rest_(stream) {
    while (!is_over_ && read_frame()) {
    }
  }
  [[nodiscard]] std::string take_answer() { return std::move(answer_); }

 private:
  [[nodiscard]] unsigned byte(size_t i) const { return static_cast<uint8_t>(rest_[i]); }

  bool fail(int code) {
    answer_ += server_close(code);
    is_over_ = true;
    return false;
  }

  // False: nothing more comes of this stream.
  bool read_frame() {
    if (rest_.size() < 2) return false;
    const bool is_final = byte(0) >= 0x80;
    const unsigned opcode = byte(0) & 15;
    const bool is_control = opcode >= 8;
    uint64_t length = byte(1) & 127;
    if (is_control && (!is_final || length > 125)) return fail(1002);
    const size_t length_bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (rest_.size() < 2 + length_bytes) return false;
    if (length_bytes > 0) {
      length = 0;
      for (size_t i = 0; i < length_bytes; ++i) length = length << 8 | byte(2 + i);
      if (length >> 63 != 0 || length < (length_bytes == 2 ? 126 : 65'536)) return fail(1002);
    }
    if (const int code = judge_head(opcode, length); code != 0) return fail(code);
    const size_t head_bytes = 2 + length_bytes + 4;
    if (rest_.size() < head_bytes) return false;
    const std::string_view mask = rest_.substr(head_bytes - 4, 4);
    std::string payload(rest_.substr(head_bytes, length));
    for (size_t i = 0; i < payload.size(); ++i) payload[i] ^= mask[i % 4];
    rest_.remove_prefix(head_bytes + payload.size());
    const bool is_whole = payload.size() == length;
    return is_control ? is_whole && take_control(opcode, payload)
                      : take_data(payload, is_whole, is_whole && is_final);
  }

  int judge_head(unsigned opcode, uint64_t length) const {
    const bool is_masked = byte(1) >= 0x80;
    const bool is_known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
    if ((byte(0) & 0x70) != 0 || !is_masked || !is_known) return 1002;
    if (opcode >= 8) return 0;
    if ((opcode == 0) != in_message_) return 1002;
    if (opcode == 2) return 1003;
    return message_.size() + length > limits::kWebSocketMessageBytesMax ? 1009 : 0;
  }

  bool take_data(const std::string& payload, bool is_whole, bool ends) {
    in_message_ = true;
    message_ += payload;
    Utf8Checker checker;
    if (!checker.feed(message_) || (ends && !checker.is_complete())) return fail(1007);
    if (!ends) return is_whole;
    in_message_ = false;
    answer_ += server_frame(1, std::exchange(message_, {}));
    return true;
  }

  bool take_control(unsigned opcode, const std::string& payload) {
    if (opcode == 9) answer_ += server_frame(10, payload);
    if (opcode != 8) return true;
    is_over_ = true;
    if (payload.empty()) answer_ += server_frame(8, "");
    if (payload.empty()) return false;
    if (payload.size() == 1) return fail(1002);
    const int code = static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
    const bool is_reserved = code < 1000 || (code >= 1004 && code <= 1006) ||
                             (code >= 1015 && code <= 2999) || code >= 5000;
    if (is_reserved) return fail(1002);
    Utf8Checker reason;
    if (!reason.feed(payload.substr(2)) || !reason.is_complete()) return fail(1007);
    answer_ += server_close(code);
    return false;
  }

  std::string_view rest_;
  std::string answer_;
  std::string message_;
  bool in_message_ = false;
  bool is_over_ = false;
};

}  // namespace

std::string plain_answer(std::string_view stream) {
  return PlainReading(stream).take_answer();
}

}  // namespace mana_sync::ws

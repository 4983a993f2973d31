// The only user of wslay: takes received bytes apart into frames, unmasked (RFC 6455 §5.2).
//
// Of wslay's two interfaces this is the lower one, since its messages check the reason of a close
// frame only where it comes in one piece, and need twice the memory.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct wslay_frame_context;

namespace mana_sync::ws {

enum class Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

struct FrameHead {
  bool is_final;
  bool is_masked;
  uint8_t reserved_bits;
  Opcode opcode;  // any of the 16 values
  uint64_t payload_bytes;
};

// A part of a frame, at most kFrameBufferBytes of its payload.
struct FramePiece {
  FrameHead head;
  bool begins;  // it is the frame's first
  bool ends;    // it is the frame's last
  std::string_view payload;
};

inline constexpr size_t kFrameBufferBytes = 4096;  // wslay's

// One thread.
class FrameReader {
 public:
  enum class Step {
    kNeedsMore,  // the input is used up
    kPiece,
    // A control frame that is fragmented or too long, or a length not in its shortest form. The
    // reader is of no use any more.
    kMalformed,
  };

  FrameReader();
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  // Takes bytes from the front of `input`, more of them than it needs for what it returns: call
  // until it needs more. `piece.payload` is valid until the next call.
  Step next(std::string_view& input, FramePiece& piece);

  // Nothing of a frame has been taken that did not come out.
  [[nodiscard]] bool is_between_frames() const { return !in_frame_ && buffered_bytes_ == 0; }

  // After kNeedsMore: the head of a frame of whose payload there is not a byte yet, once it is
  // known how long that will be. wslay tells of a frame only with its payload, and a bad head would
  // be waited on.
  [[nodiscard]] std::optional<FrameHead> announced() const;

 private:
  static ssize_t on_wslay_receive(uint8_t* out, size_t bytes_max, int flags, void* self);

  wslay_frame_context* context_ = nullptr;
  std::string_view input_;
  std::string last_bytes_;     // as many of the last taken as a head can have
  size_t buffered_bytes_ = 0;  // taken, and not come out
  bool in_frame_ = false;      // a frame has begun to come out and has not ended
  uint64_t payload_left_ = 0;  // of that frame
};

}  // namespace mana_sync::ws

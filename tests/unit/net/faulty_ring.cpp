#include "faulty_ring.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ring.h"

// Members of Ring as the linker knows them: `__real_` is Ring's own, `__wrap_` what is called.
#define MANA_WRAPPED(function, symbol, ...)                       \
  void real_##function(Ring*, __VA_ARGS__) asm("__real_" symbol); \
  void wrap_##function(Ring*, __VA_ARGS__) asm("__wrap_" symbol)

namespace mana_sync::net {

MANA_WRAPPED(reap, "_ZN9mana_sync3net4Ring4reapERSt6vectorINS0_10CompletionESaIS3_EE",
             std::vector<Completion>&);
MANA_WRAPPED(submit_send,
             "_ZN9mana_sync3net4Ring11submit_sendENS_6SlotIdEiSt17basic_string_viewIcSt11char_"
             "traitsIcEE",
             SlotId, int, std::string_view);
MANA_WRAPPED(submit_send_pieces,
             "_ZN9mana_sync3net4Ring18submit_send_piecesENS_6SlotIdEiSt4spanIK5iovecLm184467440737"
             "09551615EE",
             SlotId, int, std::span<const iovec>);

namespace {

class FaultMaker {
 public:
  void begin(const RingFaults& faults) {
    faults_ = faults;
    random_.seed(faults.seed);
    made_ = {};
  }
  [[nodiscard]] const std::array<size_t, kFaultCount>& made() const { return made_; }

  void send(Ring* ring, SlotId target, int fd, std::span<const iovec> pieces) {
    const size_t bytes = pieces.front().iov_len;
    const auto fault = draw({Fault::kShortSend, Fault::kInterruptedSend}, {Fault::kFailedSend});
    if (!fault || (fault == Fault::kShortSend && bytes < 2)) {
      return real_submit_send_pieces(ring, target, fd, pieces);
    }
    count(*fault);
    if (*fault != Fault::kShortSend) {
      invented_.push_back({.target = target,
                           .result = -error_of(*fault),
                           .kind = OpKind::kSend,
                           .more = false,
                           .has_buffer = false,
                           .buffer = 0});
      ring->submit_cancel(OpKind::kWake,
                          target);  // there is none: its failure ends the loop's wait
      return;
    }
    // A byte, or nearly all.
    const size_t sent = below(2) == 0 ? 1 + below(std::min<size_t>(bytes - 1, 100)) : bytes - 1;
    const iovec first{pieces.front().iov_base, sent};
    real_submit_send_pieces(ring, target, fd, {&first, 1});
  }

  void reap(Ring* ring, std::vector<Completion>& out) {
    real_reap(ring, fresh_);
    for (const Completion& completion : fresh_) take(ring, completion, out);
    fresh_.clear();
    out.insert(out.end(), invented_.begin(), invented_.end());
    invented_.clear();
  }

 private:
  // A multishot operation that is to end before its time: it was cancelled, and what the loop is
  // told of that is something else.
  struct Ending {
    Fault fault;
    std::vector<Completion> held;  // kLostMore: until it is known which one is the last
  };
  using Operation = std::pair<OpKind, std::pair<uint32_t, uint32_t>>;

  void take(Ring* ring, const Completion& completion, std::vector<Completion>& out) {
    const bool is_multishot =
        completion.kind == OpKind::kReceive || completion.kind == OpKind::kAccept;
    if (!is_multishot) return out.push_back(completion);
    const Operation operation{completion.kind,
                              {completion.target.slot, completion.target.generation}};
    if (const auto ending = endings_.find(operation); ending != endings_.end()) {
      (ending->second.held.empty() ? out : ending->second.held).push_back(completion);
      if (!completion.more) finish(endings_.extract(ending).mapped(), completion, out);
      return;
    }
    const auto fault = completion.more ? draw_ending(completion.kind) : std::nullopt;
    if (!fault) return out.push_back(completion);
    ring->submit_cancel(completion.kind, completion.target);
    Ending& ending = endings_[operation];
    ending.fault = *fault;
    (*fault == Fault::kLostMore ? ending.held : out).push_back(completion);
  }

  // `last` stands behind the others already.
  void finish(Ending ending, const Completion& last, std::vector<Completion>& out) {
    std::vector<Completion>& told = ending.held.empty() ? out : ending.held;
    if (last.result == -ECANCELED && !last.has_buffer) {
      count(ending.fault);
      if (ending.fault == Fault::kLostMore) {
        told.pop_back();
        told.back().more = false;
      } else {
        told.back().result = -error_of(ending.fault);
      }
    }
    out.insert(out.end(), ending.held.begin(), ending.held.end());
  }

  std::optional<Fault> draw_ending(OpKind kind) {
    if (kind == OpKind::kAccept) {
      return draw({Fault::kLostMore, Fault::kCanceled, Fault::kInterrupted, Fault::kNoDescriptors,
                   Fault::kAbortedConnection},
                  {});
    }
    return draw({Fault::kLostMore, Fault::kCanceled, Fault::kInterrupted, Fault::kNoBuffers},
                {Fault::kFailedReceive});
  }

  std::optional<Fault> draw(std::vector<Fault> faults, const std::vector<Fault>& fatal) {
    if (faults_.one_in == 0 || below(faults_.one_in) != 0) return std::nullopt;
    if (faults_.are_fatal) faults.insert(faults.end(), fatal.begin(), fatal.end());
    return faults[below(faults.size())];
  }

  int error_of(Fault fault) {
    const auto one_of = [this](std::initializer_list<int> errors) {
      return *std::next(errors.begin(), static_cast<ptrdiff_t>(below(errors.size())));
    };
    switch (fault) {
      case Fault::kInterruptedSend:
        return one_of({EINTR, EAGAIN});
      case Fault::kFailedSend:
        return one_of({EPIPE, ECONNRESET, ECANCELED});
      case Fault::kInterrupted:
        return EINTR;
      case Fault::kNoBuffers:
        return ENOBUFS;
      case Fault::kFailedReceive:
        return one_of({ECONNRESET, ETIMEDOUT});
      case Fault::kNoDescriptors:
        return one_of({EMFILE, ENFILE, ENOMEM});
      case Fault::kAbortedConnection:
        return ECONNABORTED;
      case Fault::kShortSend:
      case Fault::kLostMore:
      case Fault::kCanceled:
        break;
    }
    return ECANCELED;
  }

  size_t below(size_t bound) { return random_() % bound; }
  void count(Fault fault) { ++made_[static_cast<size_t>(fault)]; }

  RingFaults faults_;
  std::mt19937 random_;
  std::array<size_t, kFaultCount> made_{};
  std::map<Operation, Ending> endings_;
  std::vector<Completion> fresh_;
  std::vector<Completion> invented_;  // of sends that never left
};

thread_local FaultMaker maker;

}  // namespace

void set_ring_faults(const RingFaults& faults) {
  maker.begin(faults);
}

const std::array<size_t, kFaultCount>& ring_faults_made() {
  return maker.made();
}

void wrap_reap(Ring* ring, std::vector<Completion>& out) {
  maker.reap(ring, out);
}

void wrap_submit_send(Ring* ring, SlotId target, int fd, std::string_view bytes) {
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  maker.send(ring, target, fd, {&piece, 1});
}

void wrap_submit_send_pieces(Ring* ring, SlotId target, int fd, std::span<const iovec> pieces) {
  maker.send(ring, target, fd, pieces);
}

}  // namespace mana_sync::net

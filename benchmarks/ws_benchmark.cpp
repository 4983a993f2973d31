// WebSocket frames from bytes, and to bytes.
#include <benchmark/benchmark.h>

#include <string>

#include "allocation_counter.h"
#include "frame_writer.h"
#include "mana_sync/ws/frame_reader.h"

namespace mana_sync::ws {
namespace {

// A client's frame: masked (RFC 6455 §5.3).
std::string masked_frame(std::string payload) {
  constexpr std::string_view kMask = "\x12\x34\x56\x78";
  std::string head = frame_head(Opcode::kText, payload.size());
  head[1] = static_cast<char>(head[1] | '\x80');
  for (size_t i = 0; i < payload.size(); ++i) payload[i] ^= kMask[i % kMask.size()];
  return head.append(kMask) + payload;
}

void read_frame(benchmark::State& state) {
  const std::string frame = masked_frame(std::string(static_cast<size_t>(state.range(0)), 'x'));
  FrameReader reader;
  AllocationCounter allocations(state);
  for (auto _ : state) {
    allocations.count([&] {
      std::string_view input = frame;
      FramePiece piece{};
      while (reader.next(input, piece) == FrameReader::Step::kPiece) {
        benchmark::DoNotOptimize(piece.payload.data());
      }
    });
  }
  if (!reader.is_between_frames()) state.SkipWithError("the frame was not read to its end");
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_frame)->ArgName("bytes")->Arg(32)->Arg(400)->Arg(4'000)->Arg(64'000);

void write_frame(benchmark::State& state) {
  const std::string payload(static_cast<size_t>(state.range(0)), 'x');
  AllocationCounter allocations(state);
  for (auto _ : state) {
    allocations.count([&] { benchmark::DoNotOptimize(frame(Opcode::kText, payload)); });
  }
}
BENCHMARK(write_frame)->ArgName("bytes")->Arg(80);

}  // namespace
}  // namespace mana_sync::ws

BENCHMARK_MAIN();

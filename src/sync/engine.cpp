#include "mana_sync/sync/engine.h"

#include "pull_service.h"
#include "push_service.h"

namespace mana_sync::sync {

Engine::Engine(EngineOptions options, const Clock& clock, StorePort& store, Metrics& metrics)
    : stamps_(clock),
      cache_(options.cache_bytes_max, stamps_, metrics),
      hub_(metrics),
      pulls_(std::make_unique<PullService>(store, cache_, stamps_, metrics)),
      pushes_(std::make_unique<PushService>(options.merge, clock, store, cache_, stamps_, *pulls_,
                                            hub_, metrics)) {}

Engine::~Engine() = default;

void Engine::push(PushRequest request, AnswerCallback done) {
  pushes_->push(std::move(request), std::move(done));
}

void Engine::pull(PullRequest request, AnswerCallback done) {
  pulls_->pull(std::move(request), std::move(done));
}

void Engine::read_page(PullRequest request, ChangePageCallback done) {
  pulls_->read_page(std::move(request), std::move(done));
}

void Engine::run() {
  pushes_->run();
}

bool Engine::is_due() const {
  return pushes_->is_due();
}

void Engine::grant(int64_t floor_us, int64_t high_water_us) {
  const bool is_another = floor_us_ != floor_us;
  const bool is_first = !floor_us_;
  floor_us_ = floor_us;
  stamps_.grant(floor_us, high_water_us);
  if (!is_another) return;
  cache_.forget_all();
  if (!is_first) hub_.note_gap();
}

size_t Engine::waiting_pushes() const {
  return pushes_->waiting();
}

}  // namespace mana_sync::sync

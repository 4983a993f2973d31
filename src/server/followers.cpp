#include "followers.h"

#include <utility>

#include "follower.h"

namespace mana_sync::server {

struct Followers::Impl {
  Impl(net::Loop& loop, sync::Engine& engine, size_t output_bytes_max)
      : context(loop, engine, output_bytes_max) {}
  FollowerContext context;
};

Followers::Followers(net::Loop& loop, sync::Engine& engine, size_t output_bytes_max)
    : impl_(std::make_unique<Impl>(loop, engine, output_bytes_max)) {}

Followers::~Followers() = default;

void Followers::follow(sync::PullRequest from, std::shared_ptr<const auth::Identity> identity,
                       const http::Responder& responder) {
  FollowerContext& context = impl_->context;
  const SlotId id = context.followers.insert(
      std::make_unique<Follower>(context, std::move(from), std::move(identity)));
  context.open.set(static_cast<int64_t>(context.followers.size()));
  context.followers.find(id)->open(id, responder);
}

size_t Followers::size() const {
  return impl_->context.followers.size();
}

void Followers::send_all_away() {
  impl_->context.followers.for_each(
      [](SlotId, Follower& follower) { follower.end(FollowerContext::End::kSentAway); });
}

void Followers::on_keys(const auth::KeySet& keys) {
  impl_->context.followers.for_each([&](SlotId, Follower& follower) {
    if (!follower.identity().is_vouched_for_by(keys)) follower.end(FollowerContext::End::kExpired);
  });
}

}  // namespace mana_sync::server

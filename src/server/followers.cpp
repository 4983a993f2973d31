#include "followers.h"

#include <utility>

#include "follower.h"

namespace mana_sync::server {

struct Followers::Impl {
  Impl(net::Loop& loop, sync::Engine& engine) : context(loop, engine) {}
  FollowerContext context;
};

Followers::Followers(net::Loop& loop, sync::Engine& engine)
    : impl_(std::make_unique<Impl>(loop, engine)) {}

Followers::~Followers() = default;

void Followers::follow(sync::PullRequest from, const auth::Identity& identity,
                       const http::Responder& responder) {
  FollowerContext& context = impl_->context;
  const SlotId id =
      context.followers.insert(std::make_unique<Follower>(context, std::move(from), identity));
  context.open.set(static_cast<int64_t>(context.followers.size()));
  context.followers.find(id)->open(id, responder);
}

}  // namespace mana_sync::server

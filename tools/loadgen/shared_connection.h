// A connection over which several clients ask, each of whom gets its own answers.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "http_connection.h"

namespace mana_sync::loadgen {

class SharedConnection final : private HttpEvents {
 public:
  // `network` must outlive the connection.
  explicit SharedConnection(Network& network) : connection_(network, *this) {}

  // A whole request, whose answer `asker` gets; both must be there until then.
  void send(std::string request, HttpEvents& asker) {
    askers_.push_back(&asker);
    connection_.send(std::move(request));
  }

 private:
  // Answers come in the order of the requests, those included that will not come.
  void on_answer(int status, std::string_view body) override {
    HttpEvents* const asker = askers_.front();
    askers_.pop_front();
    asker->on_answer(status, body);
  }

  std::deque<HttpEvents*> askers_;
  HttpConnection connection_;
};

}  // namespace mana_sync::loadgen

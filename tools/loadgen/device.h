// A device of a user: pushes and pulls one request at a time, keeps its cursor, repeats a push
// whose answer it did not get, and notes what it was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "change_maker.h"
#include "driver.h"
#include "inbox.h"
#include "scenario.h"
#include "server_answer.h"
#include "shared_connection.h"

namespace mana_sync::loadgen {

class DeviceEvents {
 public:
  virtual ~DeviceEvents() = default;
  // The request has ended. `status` 0: without an answer; `reason` then says why.
  virtual void on_request_done(size_t place, Op op, int status, int64_t due_ns,
                               std::string_view reason) = 0;
  // The server answered what it must not.
  virtual void on_wrong(std::string_view what) = 0;
};

class Device final : private HttpEvents {
 public:
  struct Identity {
    size_t place;  // among all devices; what the events are told
    std::string token;
    std::string client_id;
    size_t number;           // in the ledger
    std::string_view since;  // where it begins
  };
  struct Means {
    RunContext& run;
    const PushShape& shape;
    std::string table;
    size_t pull_limit;  // 0: the server's
    DeliveryLedger& ledger;
    DeviceEvents& events;
    SharedConnection& connection;  // others may ask over it, too
  };

  // What `means` refers to must outlive the device.
  Device(const Means& means, Identity identity);

  // REQUIRES: no request is under way.
  void start(Op op, int64_t due_ns);
  // A push was not answered, and is to be repeated before anything else is asked.
  [[nodiscard]] bool has_unanswered_push() const { return push_.has_value(); }
  // The last answer was a page, and more follows.
  [[nodiscard]] bool has_more() const { return has_more_; }

  [[nodiscard]] const SharedRecords& shared() const { return inbox_.shared(); }
  [[nodiscard]] uint64_t conflicts() const { return conflicts_; }

 private:
  struct Push {
    std::string request;
    std::vector<uint64_t> numbers;
  };

  [[nodiscard]] const std::string& push_request();
  [[nodiscard]] std::string pull_request() const;
  void on_answer(int status, std::string_view body) override;
  void take(std::string_view body);
  void settle_push(int status);

  const Means means_;
  const Identity identity_;
  const std::string headers_;
  std::string since_;
  int64_t since_us_;
  bool has_more_ = false;
  Op op_ = Op::kHealth;  // of the request under way
  int64_t due_ns_ = 0;
  std::optional<Push> push_;  // not answered yet
  uint64_t conflicts_ = 0;
  Inbox inbox_;
  ChangeMaker changes_;
};

}  // namespace mana_sync::loadgen

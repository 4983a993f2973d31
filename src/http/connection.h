// One HTTP connection: reads a request, has it answered, and then reads the next.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "address_counts.h"
#include "bound_metrics.h"
#include "mana_sync/base/slot_map.h"
#include "mana_sync/http/message.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/net/stream_socket.h"
#include "parser.h"
#include "refused_counters.h"
#include "response_writer.h"

namespace mana_sync::http {

// What the connections of one server share. One thread.
struct ConnectionContext {
  net::Loop& loop;
  Handler& handler;
  const ServerOptions options;
  DateCache date;
  RefusedCounters refused;
  BoundMetrics bounds;
  // Once the end has begun: when those that still await a request are closed.
  std::optional<int64_t> requests_end_ns{};

  [[nodiscard]] bool is_ending() const { return requests_end_ns.has_value(); }
};

// Who holds the connections.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual Responder make_connection_responder(SlotId connection, uint64_t request_number) = 0;
  // The connection leaves HTTP: destroys it, and hands the socket over to `next`; `unread` was
  // received behind the request.
  virtual void on_connection_upgraded(SlotId connection, net::StreamSocket& socket,
                                      std::unique_ptr<UpgradedConnection> next,
                                      std::string unread) = 0;
  // There is no room for `bytes` more of bodies: refuses slow ones, but none of those whose bytes
  // are being consumed.
  virtual void shed_slow_bodies(size_t bytes) = 0;
  // The socket is gone; destroys the connection.
  virtual void on_connection_closed(SlotId connection) = 0;
};

class Connection final : public net::SocketEvents {
 public:
  // `refusal`: what its first request is answered, after which it closes; nullptr: it is served.
  // `context`, `owner` and `refusal` must outlive the connection.
  Connection(ConnectionContext& context, ConnectionOwner& owner, AddressCounts::Share address,
             const Refusal* refusal);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Lets go of its address, for who gets the socket.
  [[nodiscard]] AddressCounts::Share take_address() { return std::move(address_); }

  // Takes over the socket `fd`. Called once, first.
  void open(SlotId id, int fd);

  // See Responder.
  bool answer(uint64_t request_number, Response response);
  void begin_stream(uint64_t request_number, Response response, StreamEvents& events);
  bool upgrade(uint64_t request_number, Response response,
               std::unique_ptr<UpgradedConnection> next);
  [[nodiscard]] bool is_waiting(uint64_t request_number) const;

  // See StreamedResponse.
  void send_piece(GatheredText piece);
  void end_stream(uint64_t request_number);
  [[nodiscard]] size_t pending_bytes() const { return socket_->pending_bytes(); }
  [[nodiscard]] bool is_streaming(uint64_t request_number) const;

  // Since when a body has been coming of which some is held; nullopt: none is, or its bytes are
  // being consumed.
  [[nodiscard]] std::optional<int64_t> body_begun_ns() const;
  // Refuses it, for want of room. REQUIRES: it has begun.
  void drop_body();

  // The end has begun (ConnectionContext): ends a streamed answer. It closes after the next answer,
  // or when no request has begun in time.
  void begin_shutdown();
  // No request is under way, and none can come.
  [[nodiscard]] bool is_over() const {
    return state_ == State::kLingering || state_ == State::kClosing;
  }
  void abort();

  void on_receive(std::string_view bytes) override;
  void on_peer_finished() override;
  void on_sent(size_t pending_bytes) override;
  void on_closed() override;

 private:
  // A connection begins in kHead. Its transitions:
  //   kHead ─▶ kBody ─▶ kBusy        a request is read (without a body: kHead ─▶ kBusy)
  //   kBusy ─▶ kIdle ─▶ kHead        it is answered, and the next one begins
  //   kBusy ─▶ kStreaming ─▶ kIdle   its answer is streamed, and ended
  //   kBusy ─▶ kUpgrading            its answer is 101; ends with on_connection_upgraded()
  //   kHead ─▶ kIdle                 on_head answered a request without a body
  //   kHead, kBody, kBusy, kStreaming ─▶ kLingering   a refusal, or the end of an answer after
  //                                  which the connection closes
  //   any ─▶ kClosing                time is up, or the peer is done
  enum class State {
    kHead,       // the next head may come, or has begun
    kBody,       // on_head took the head
    kBusy,       // the handler has the request
    kStreaming,  // the handler sends the answer piece by piece
    kUpgrading,  // in the next tick somebody else gets the socket
    kIdle,       // answered; not a byte of the next head yet
    kLingering,  // the last answer is on its way
    kClosing,    // nothing more will happen but on_closed()
  };
  // Whether on_sent() must come when output was taken. Not for a whole answer that is short: all
  // that follows from it is done when it is queued. What is long is told of in any case.
  enum class News { kNone, kWanted };

  // Reading.
  [[nodiscard]] bool wants_input() const;
  [[nodiscard]] size_t waiting_bytes() const { return input_.size() - input_offset_; }
  size_t consume(std::string_view bytes);
  void take_due_step();
  void consume_waiting_input();
  void drop_waiting_input();
  void take_step(Parser::Event event, bool more_input);
  void on_head_complete(bool more_input);
  void dispatch();
  [[nodiscard]] bool is_preflight() const;
  // Counts what it holds of its input beside the body; whether that is more than before.
  bool count_input();
  [[nodiscard]] bool has_room_for_input();
  void refuse_input();
  [[nodiscard]] bool has_room_for_body() const;
  // False: it is too much.
  [[nodiscard]] bool count_body();
  void forget_body();
  void refuse_body();

  // Answering.
  void refuse(const Refusal& refusal);
  void send_answer(const Request* request, Response response);
  [[nodiscard]] bool closes_after(const Request* request, const Response& response) const;
  [[nodiscard]] std::string answer_head(const Request* request, const Response& response,
                                        AnswerFraming framing, bool close);
  void queue(std::string head, GatheredText body, News news);
  void count_request();
  void note_output();
  void forget_request();
  void finish_answer(bool close);
  void finish_stream();
  void hand_over();
  void begin_linger();
  void close_socket();
  // Cuts it off: it has met a bound, which counts it.
  void cut(Counter& bound);
  void settle();

  // Time.
  [[nodiscard]] bool awaits_request() const;
  [[nodiscard]] int64_t deadline_ns() const;
  void update_timer();
  void on_timer();
  void on_deadline();

  ConnectionContext& context_;
  ConnectionOwner& owner_;
  AddressCounts::Share address_;
  const Refusal* const refusal_;
  SlotId id_;
  net::StreamSocket* socket_ = nullptr;
  State state_ = State::kHead;

  Request request_;
  Parser parser_;
  uint64_t request_number_ = 0;
  bool is_preflight_ = false;
  bool is_counted_ = false;         // among the requests in flight
  size_t counted_body_bytes_ = 0;   // this connection's share of bodies_bytes
  size_t counted_input_bytes_ = 0;  // and of input_bytes

  // The streamed answer: whom to tell (nullptr: there is none, or its writer is done with it), and
  // how it was announced.
  StreamEvents* stream_ = nullptr;
  AnswerFraming stream_framing_ = AnswerFraming::kChunked;
  bool stream_closes_ = false;
  std::unique_ptr<UpgradedConnection> next_;  // kUpgrading: who gets the socket

  // Bytes that wait behind the request at hand, from input_offset_ on.
  std::string input_;
  size_t input_offset_ = 0;
  // True exactly while consume() runs, or take_due_step() is to run in a later tick.
  bool consuming_ = false;
  bool step_is_due_ = false;
  bool receive_paused_ = false;
  bool peer_finished_ = false;

  int64_t head_begun_ns_ = 0;  // kHead: since when the head could come
  int64_t body_begun_ns_ = 0;  // kBody: since when
  int64_t activity_ns_ = 0;    // last progress of the body, the answer, or the lingering peer
  int64_t head_done_ns_ = 0;   // where a request's duration starts
  int64_t linger_begun_ns_ = 0;
  size_t lingered_bytes_ = 0;
  // One timer, never moved for a later deadline: it fires, looks at deadline_ns(), and goes on.
  bool timer_armed_ = false;
  int64_t timer_due_ns_ = 0;
  net::TimerId timer_;
  net::TimerId step_timer_;
};

}  // namespace mana_sync::http

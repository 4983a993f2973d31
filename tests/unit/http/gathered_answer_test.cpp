// Answers in own and shared pieces: every byte in order, and no owner held longer than needed.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "http_fixture.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

using Owner = std::shared_ptr<const std::string>;

constexpr size_t kLargeBytes = 2 * limits::kSmallOutputBytes;  // of a piece that is not copied

// Bytes that tell their place and their piece.
Owner make_owner(size_t bytes, size_t seed) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i)
    text[i] = static_cast<char>('a' + (i + 7 * seed + i / 26) % 26);
  return std::make_shared<const std::string>(std::move(text));
}

// `[a,b,…]`, of shared pieces.
GatheredText list_of(const std::vector<Owner>& owners) {
  GatheredText text("[");
  for (const Owner& owner : owners) {
    if (&owner != &owners.front()) text.own() += ',';
    text.append({owner, *owner});
  }
  text.own() += ']';
  return text;
}

Response answer_of(GatheredText body) {
  Response response;
  response.body = std::move(body);
  return response;
}

class GatheredAnswer : public HttpTest {
 protected:
  GatheredAnswer() { start(default_options()); }

  static std::vector<Owner> owners_of(size_t count, size_t bytes) {
    std::vector<Owner> owners;
    for (size_t i = 0; i < count; ++i) owners.push_back(make_owner(bytes + i % 7, i));
    return owners;
  }
  static bool are_free(const std::vector<Owner>& owners) {
    return std::all_of(owners.begin(), owners.end(),
                       [](const Owner& owner) { return owner.use_count() == 1; });
  }
};

TEST_F(GatheredAnswer, ArrivesAsItsPiecesStandWhateverTheirSizes) {  // PROTOCOL 9.1
  Client& client = connect();
  for (const size_t bytes : {1UL, 100UL, 3000UL, 70'000UL}) {
    for (const size_t count : {1UL, 2UL, 50UL}) {
      std::vector<Owner> owners = owners_of(count, bytes);
      owners.push_back(make_owner(3, 1));
      owners.push_back(make_owner(kLargeBytes, 2));
      const std::string expected = list_of(owners).str();
      ASSERT_TRUE(ask(client, kGetLater).respond(answer_of(list_of(owners))));
      const Answer answer = next_answer(client);
      EXPECT_EQ(answer.headers.at("Content-Length"), std::to_string(expected.size()));
      EXPECT_TRUE(answer.body == expected) << count << " pieces of " << bytes;
      run_until([&] { return are_free(owners); });
    }
  }
}

TEST_F(GatheredAnswer, OfThousandsOfPiecesReachesASlowReader) {
  Client& client = connect(16 * 1024);
  client.set_reading(false);
  const std::vector<Owner> owners = owners_of(limits::kAnswerBytesMax / kLargeBytes, kLargeBytes);
  const Responder responder = ask(client, kGetLater);
  ASSERT_TRUE(responder.respond(answer_of(list_of(owners))));
  run_ticks();
  EXPECT_EQ(owners.back().use_count(), 2) << "shared, not copied, and held until it is sent";
  client.set_reading(true);
  EXPECT_TRUE(next_answer(client).body == list_of(owners).str());
  run_until([&] { return are_free(owners); });
}

TEST_F(GatheredAnswer, PipelinedOnesComeInOrderAndShareTheirPieces) {  // PROTOCOL 9.1
  Client& client = connect(16 * 1024);
  client.send(kGetLater + kGetLater + kGetLater);
  const std::vector<Owner> owners = owners_of(100, kLargeBytes);
  for (size_t i = 0; i < 3; ++i) {
    run_until([&] { return handler_.waiting.size() > i; });
    GatheredText body = list_of(owners);
    body.own() += std::to_string(i);
    handler_.waiting[i].respond(answer_of(std::move(body)));
  }
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(next_answer(client).body == list_of(owners).str() + std::to_string(i));
  }
  run_until([&] { return are_free(owners); });
}

TEST_F(GatheredAnswer, LetsGoOfItsPiecesWhenTheClientGoesAwayInTheMiddle) {
  Client& client = connect(16 * 1024);
  const std::vector<Owner> owners = owners_of(2'000, kLargeBytes);
  const Responder responder = ask(client, kGetLater);
  client.set_reading(false);
  ASSERT_TRUE(responder.respond(answer_of(list_of(owners))));
  run_ticks();
  ASSERT_FALSE(are_free(owners));
  client.close_with_reset();
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(are_free(owners));
}

TEST_F(GatheredAnswer, ToHeadHasItsLengthAndHoldsNothing) {  // PROTOCOL 9.1
  Client& client = connect();
  const std::vector<Owner> owners = owners_of(10, kLargeBytes);
  const Responder responder = ask(client, "HEAD /later HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(responder.respond(answer_of(list_of(owners))));
  EXPECT_TRUE(are_free(owners));
  const Answer answer = next_answer(client, true);
  EXPECT_EQ(answer.headers.at("Content-Length"), std::to_string(list_of(owners).size()));
  EXPECT_EQ(exchange(client, kGet).body, "") << "no byte of the body came behind the head";
}

}  // namespace
}  // namespace mana_sync::http

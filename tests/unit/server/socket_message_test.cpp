#include "socket_message.h"

#include <gtest/gtest.h>

namespace mana_sync::server {
namespace {

using Type = SocketMessage::Type;

TEST(SocketMessage, AuthHasATokenAndPerhapsAClient) {  // PROTOCOL 6.1
  SocketMessageReader reader;
  SocketMessage message = reader.read(R"({"type":"auth","token":"a.b.c","clientId":"tab-1"})");
  EXPECT_EQ(message.type, Type::kAuth);
  EXPECT_EQ(message.token, "a.b.c");
  EXPECT_EQ(message.client_id, "tab-1");
  message = reader.read(R"( {"token":"t","x":[{}],"t\u0079pe":"auth","clientId":null} )");
  EXPECT_EQ(message.type, Type::kAuth);
  EXPECT_EQ(message.token, "t");
  EXPECT_EQ(message.client_id, std::nullopt);
}

TEST(SocketMessage, ATokenThatIsNoStringIsNone) {  // PROTOCOL 6.3
  SocketMessageReader reader;
  for (const char* text :
       {R"({"type":"auth"})", R"({"type":"auth","token":null})", R"({"type":"auth","token":5})",
        R"({"type":"auth","token":["a"]})", R"({"type":"auth","token":""})"}) {
    const SocketMessage message = reader.read(text);
    EXPECT_EQ(message.type, Type::kAuth) << text;
    EXPECT_EQ(message.token, "") << text;
  }
}

TEST(SocketMessage, AClientIdIsAStringOfAtMost255Bytes) {  // PROTOCOL 2.10
  SocketMessageReader reader;
  const auto read = [&](const std::string& client_id) {
    return reader.read(R"({"type":"auth","token":"t","clientId":)" + client_id + "}");
  };
  const std::string longest(255, 'c');
  EXPECT_EQ(read('"' + longest + '"').client_id, longest);
  for (const std::string& client_id :
       {'"' + longest + "c\"", std::string("5"), std::string("{}")}) {
    const SocketMessage message = read(client_id);
    EXPECT_TRUE(message.has_bad_client_id) << client_id;
    EXPECT_EQ(message.client_id, std::nullopt);
  }
}

TEST(SocketMessage, WhatIsNeitherIsUnknown) {  // PROTOCOL 6.5
  SocketMessageReader reader;
  EXPECT_EQ(reader.read(R"({"type":"ping"})").type, Type::kPing);
  const std::string deep(2'000, '[');
  for (const std::string& text :
       {std::string(), std::string("ping"), std::string("[]"), std::string("5"), std::string("{"),
        std::string(R"({"type":"pong"})"), std::string(R"({"type":5})"), std::string(R"({})"),
        std::string(R"({"type":"ping"}x)"), std::string(R"({"type":"Ping"})"), deep,
        std::string("{\"type\":\"ping\",\"x\":\"\xff\"}")}) {
    EXPECT_EQ(reader.read(text).type, Type::kUnknown) << text;
  }
  EXPECT_EQ(reader.read(R"({"type":"ping","x":")" + std::string(65'000, 'x') + "\"}").type,
            Type::kPing);
}

}  // namespace
}  // namespace mana_sync::server

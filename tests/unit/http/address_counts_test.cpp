// What counts as one address.
#include "address_counts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <string>

namespace mana_sync::http {
namespace {

sockaddr_storage address_of(const std::string& text) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  const bool is_v6 = text.find(':') != std::string::npos;
  storage.ss_family = is_v6 ? AF_INET6 : AF_INET;
  void* const target = is_v6 ? static_cast<void*>(&v6.sin6_addr) : &v4.sin_addr;
  EXPECT_EQ(::inet_pton(storage.ss_family, text.c_str(), target), 1) << text;
  return storage;
}

struct Pair {
  const char* one;
  const char* other;
  bool is_same;
};

class TwoAddresses : public testing::TestWithParam<Pair> {};

TEST_P(TwoAddresses, CountAsOneOrAsTwo) {
  AddressCounts counts;
  const auto one = counts.count(address_of(GetParam().one));
  const auto other = counts.count(address_of(GetParam().other));
  EXPECT_EQ(other.connections(), GetParam().is_same ? 2u : 1u);
}

INSTANTIATE_TEST_SUITE_P(AddressCounts, TwoAddresses,
                         testing::Values(Pair{"192.0.2.1", "192.0.2.1", true},
                                         Pair{"192.0.2.1", "192.0.2.2", false},
                                         Pair{"192.0.2.1", "::ffff:192.0.2.1", true},
                                         Pair{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
                                         Pair{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
                                         Pair{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
                                         Pair{"32.1.13.184", "2001:db8::1", false}));

TEST(AddressCounts, AreFreedWithTheirLastConnection) {
  AddressCounts counts;
  const sockaddr_storage address = address_of("192.0.2.1");
  {
    auto first = counts.count(address);
    const auto moved = std::move(first);
    {
      const auto second = counts.count(address);
      EXPECT_EQ(moved.connections(), 2u);
    }
    EXPECT_EQ(moved.connections(), 1u);
    EXPECT_EQ(counts.size(), 1u);
  }
  EXPECT_EQ(counts.size(), 0u);
}

TEST(AddressCounts, WhatIsNoAddressCountsNothing) {
  AddressCounts counts;
  EXPECT_EQ(counts.count_peer(-1).connections(), 0u);
  EXPECT_EQ(counts.size(), 0u);
}

}  // namespace
}  // namespace mana_sync::http

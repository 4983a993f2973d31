// Requests that PROTOCOL 9.3 refuses, by name.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace mana_sync::http {

struct RefusedRequest {
  std::string name;
  std::string bytes;
  int status;
};

inline void PrintTo(const RefusedRequest& request, std::ostream* out) {
  *out << request.name;
}

inline std::string many_headers(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += "X-" + std::to_string(i) + ": y\r\n";
  return lines;
}

inline std::vector<RefusedRequest> refused_requests() {
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string kib(1024, 'x');
  std::string too_long;
  for (int i = 0; i < 16; ++i) too_long += "X: " + kib + "\r\n";
  return {
      {"LengthAndTransferEncoding",
       post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"TransferEncodingAndLength",
       post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
      {"TwoDifferentLengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
      {"LengthList", post + "Content-Length: 5, 5\r\n\r\nhello", 400},
      {"LengthWithPlus", post + "Content-Length: +5\r\n\r\nhello", 400},
      {"LengthWithMinus", post + "Content-Length: -5\r\n\r\nhello", 400},
      {"LengthEmpty", post + "Content-Length: \r\n\r\n", 400},
      {"LengthInHex", post + "Content-Length: 0x5\r\n\r\nhello", 400},
      {"LengthBeyondRange", post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"LengthWithSpaceInside", post + "Content-Length: 5 5\r\n\r\nhello", 400},
      {"UnknownTransferCoding", post + "Transfer-Encoding: gzip\r\n\r\n", 400},
      {"ChunkedBehindGzip", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
      {"ChunkedTwiceInAList", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
      {"ChunkedTwice",
       post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"ChunkedThenIdentity",
       post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400},
      {"ChunkedWithSuffix", post + "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", 400},
      {"ChunkedWithParameter", post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400},
      {"TransferEncodingEmpty", post + "Transfer-Encoding:\r\n\r\n", 400},
      {"TransferEncodingFolded", post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
      {"TransferEncodingAfterVerticalTab", post + "Transfer-Encoding: \vchunked\r\n\r\n", 400},
      {"TransferEncodingIn10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"BareCarriageReturnInValue", get + "X: a\rTransfer-Encoding: chunked\r\n\r\n", 400},
      {"BareCarriageReturnAfterColon", get + "X:\rTransfer-Encoding: chunked\r\n\r\n", 400},
      {"BareCarriageReturnInRequestLine", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CarriageReturnTwice", get + "X: a\r\r\n\r\n", 400},
      {"BareLineFeedAfterRequestLine", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"BareLineFeedAfterHeader", get + "X: a\nY: b\r\n\r\n", 400},
      {"BareLineFeedAtEnd", get + "\n", 400},
      {"BareLineFeedFirst", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"SpaceBeforeColon", get + "X : a\r\n\r\n", 400},
      {"TabBeforeColon", get + "X\t: a\r\n\r\n", 400},
      {"SpaceBeforeHostsColon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"FoldedWithSpace", get + "X: a\r\n b\r\n\r\n", 400},
      {"FoldedWithTab", get + "X: a\r\n\tb\r\n\r\n", 400},
      {"SpaceBeforeFirstHeader", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"EmptyHeaderName", get + ": a\r\n\r\n", 400},
      {"NoColon", get + "nothing\r\n\r\n", 400},
      {"NulInValue", get + "X: a" + std::string(1, '\0') + "b\r\n\r\n", 400},
      {"NulInName", get + "X" + std::string(1, '\0') + ": a\r\n\r\n", 400},
      {"ControlByteInValue", get + "X: a\x01\r\n\r\n", 400},
      {"DeleteInValue", get + "X: a\x7f\r\n\r\n", 400},
      {"HighByteInName", get + "X\xc3\xa4: a\r\n\r\n", 400},
      {"QuoteInName", get + "\"X\": a\r\n\r\n", 400},
      {"SpaceInName", get + "X Y: a\r\n\r\n", 400},
      {"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
      {"TwoHosts", get + "Host: a\r\n\r\n", 400},
      {"EmptyHost", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"HostWithSpace", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"HostWithComma", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
      {"HostWithUser", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"HostWithWordAsPort", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
      {"HostWithPortOver65535", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
      {"HostWithLongPort", "GET / HTTP/1.1\r\nHost: [::1]:18446744073709551696\r\n\r\n", 400},
      {"HostIsPortAlone", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
      {"HostWithOpenBracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
      {"EmptyHostIn10", "GET / HTTP/1.0\r\nHost:\r\n\r\n", 400},
      {"TargetWithFragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TargetWithoutSlash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TargetWithHighByte", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TargetOfAnotherScheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TargetWithEmptyAuthority", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TargetWithPortOver65535", "GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TargetWithUser", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"AsteriskForGet", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"Connect", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TwoSpacesBeforeTarget", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TwoSpacesBeforeVersion", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"TabInRequestLine", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"ConnectToAPath", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"MethodIsNoToken", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"MethodWithHighByte", "G\xc3\xa4T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"MethodWithNul", "G" + std::string(1, '\0') + "T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"MethodEmpty", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"MethodEndingInTab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"MethodAlone", "GET\r\nHost: a\r\n\r\n", 400},
      {"EndlessMethod", std::string(17 * 1024, 'x'), 431},
      {"AnotherProtocol", "GET / RTSP/1.0\r\nHost: a\r\n\r\n", 400},
      {"AnotherProtocolAndItsMethod", "SETUP / RTSP/1.0\r\nHost: a\r\n\r\n", 400},
      {"VersionWithoutDot", "GET / HTTP/11\r\nHost: a\r\n\r\n", 400},
      {"VersionWithLetter", "GET / HTTP/x.1\r\nHost: a\r\n\r\n", 400},
      {"TlsHello", std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400},
      {"Version09", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
      {"Version09WithoutName", "GET /\r\n\r\n", 505},
      {"Version12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
      {"Version20", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"Version30", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
      {"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"HeadOver16KiB", get + too_long + "\r\n", 431},
      {"TargetOver16KiB", "GET /" + std::string(16 * 1024, 'x') + " HTTP/1.1\r\n\r\n", 431},
      {"Over100Headers", get + many_headers(100) + "\r\n", 431},
      {"ContentEncoding", post + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 415},
      {"ContentEncodingOfChunks",
       post + "Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 415},
      {"ContentEncodingIdentity",
       post + "Content-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", 415},
      {"ContentEncodingEmpty", post + "Content-Encoding:\r\nContent-Length: 5\r\n\r\nhello", 415},
      {"ContentEncodingOfNoBody", get + "Content-Encoding: gzip\r\n\r\n", 415},
      {"ContentEncodingOfAnEmptyBody",
       post + "content-encoding: identity\r\nContent-Length: 0\r\n\r\n", 415},
      {"UnknownExpect", get + "Expect: the-best\r\n\r\n", 417},
      {"LengthOverMaximum", post + "Content-Length: 1048577\r\n\r\n", 413},
      {"ChunkOverMaximum", chunked + "100001\r\n", 413},
      {"ChunksOverMaximum", chunked + "5\r\nhello\r\nffffc\r\n", 413},
      {"ChunkSizeWithMinus", chunked + "-5\r\nhello\r\n0\r\n\r\n", 400},
      {"ChunkSizeInC", chunked + "0x5\r\nhello\r\n0\r\n\r\n", 400},
      {"ChunkSizeEmpty", chunked + "\r\nhello\r\n0\r\n\r\n", 400},
      {"ChunkSizeBeyondRange", chunked + "fffffffffffffffff\r\n", 413},
      {"ChunkSizeWithSpace", chunked + "5 \r\nhello\r\n0\r\n\r\n", 400},
      {"ChunkLineWithBareLineFeed", chunked + "5\nhello\r\n0\r\n\r\n", 400},
      {"ChunkLineWithBareCarriageReturn", chunked + "5\rXhello\r\n0\r\n\r\n", 400},
      {"ChunkExtensionWithBareLineFeed", chunked + "5;a\nhello\r\n0\r\n\r\n", 400},
      {"ChunkWithoutLineEnd", chunked + "5\r\nhelloXX0\r\n\r\n", 400},
      {"ChunkWithBareLineFeed", chunked + "5\r\nhello\n0\r\n\r\n", 400},
      {"TrailerWithBareLineFeed", chunked + "0\r\nX: a\n\n", 400},
      {"TrailerWithBareCarriageReturn", chunked + "0\r\nX: a\rb\r\n\r\n", 400},
      {"TrailerFolded", chunked + "0\r\nX: a\r\n b\r\n\r\n", 400},
      {"TrailerWithoutName", chunked + "0\r\n: a\r\n\r\n", 400},
      {"TrailerWithoutColon", chunked + "0\r\nnothing\r\n\r\n", 400},
      {"TrailerWithSpaceBeforeColon", chunked + "0\r\nX : a\r\n\r\n", 400},
      {"TrailersEndingInBareLineFeed", chunked + "0\r\n\n", 400},
      {"EndlessChunkExtension", chunked + "5;a=" + std::string(17 * 1024, 'x') + "\r\n", 413},
      {"EndlessZerosOfChunkSize", chunked + std::string(17, '0'), 400},
      {"EndlessTrailers", chunked + "0\r\nX: " + std::string(17 * 1024, 'x') + "\r\n", 413},
      {"Over100Trailers", chunked + "0\r\n" + many_headers(101) + "\r\n", 431},
  };
}

inline constexpr size_t kTestBodyBytesMax = 1024 * 1024;

}  // namespace mana_sync::http

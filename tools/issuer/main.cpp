// mana-sync-issuer: an issuer of tokens for development and tests. Keeps one Ed25519 key in a
// directory, publishes it as a JWKS, and signs tokens with it (RFC 7517, RFC 7519, RFC 8037).
#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sodium.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

// What went wrong, for people.
template <class T>
using Result = std::expected<T, std::string>;

std::string base64url(std::span<const uint8_t> bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string out(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), kVariant);
  out.pop_back();  // the terminating NUL
  return out;
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Replaces the file as a whole: a reader sees the old bytes or the new ones.
Result<void> write_file(const fs::path& path, std::string_view bytes, mode_t mode) {
  const std::string part = path.string() + ".part";
  ::unlink(part.c_str());
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  const bool written =
      fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (fd >= 0) ::close(fd);
  if (!written || std::rename(part.c_str(), path.c_str()) != 0) {
    return std::unexpected(fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  }
  return {};
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return std::unexpected(fmt::format("cannot read {}; run init first", path.string()));
  return bytes;
}

class Key {
 public:
  static Key random() {
    std::array<uint8_t, crypto_sign_SEEDBYTES> seed;
    randombytes_buf(seed.data(), seed.size());
    return Key(seed);
  }

  // What seed_text() wrote.
  static Result<Key> read(const fs::path& path) {
    const Result<std::string> text = read_file(path);
    if (!text) return std::unexpected(text.error());
    std::array<uint8_t, crypto_sign_SEEDBYTES> seed;
    size_t written = 0;
    if (sodium_base642bin(seed.data(), seed.size(), text->data(), text->size(), "\n", &written,
                          nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        written != seed.size()) {
      return std::unexpected(fmt::format("{} is not a key", path.string()));
    }
    return Key(seed);
  }

  [[nodiscard]] std::string seed_text() const {
    return base64url(std::span(secret_).first(crypto_sign_SEEDBYTES)) + "\n";
  }

  // The key's thumbprint (RFC 7638; RFC 8037 appendix A.3).
  [[nodiscard]] std::string kid() const {
    const std::string json =
        fmt::format(R"({{"crv":"Ed25519","kty":"OKP","x":"{}"}})", base64url(public_));
    std::array<uint8_t, crypto_hash_sha256_BYTES> hash;
    crypto_hash_sha256(hash.data(), bytes_of(json).data(), json.size());
    return base64url(hash);
  }

  [[nodiscard]] std::string jwk() const {
    return fmt::format(
        R"({{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"{}","x":"{}"}})", kid(),
        base64url(public_));
  }

  [[nodiscard]] std::string sign(std::string_view claims) const {
    const std::string header = fmt::format(R"({{"alg":"EdDSA","typ":"JWT","kid":"{}"}})", kid());
    const std::string text = base64url(bytes_of(header)) + "." + base64url(bytes_of(claims));
    std::array<uint8_t, crypto_sign_BYTES> signature;
    crypto_sign_detached(signature.data(), nullptr, bytes_of(text).data(), text.size(),
                         secret_.data());
    return text + "." + base64url(signature);
  }

 private:
  explicit Key(const std::array<uint8_t, crypto_sign_SEEDBYTES>& seed) {
    crypto_sign_seed_keypair(public_.data(), secret_.data(), seed.data());
  }

  std::array<uint8_t, crypto_sign_PUBLICKEYBYTES> public_;
  std::array<uint8_t, crypto_sign_SECRETKEYBYTES> secret_;
};

struct Options {
  fs::path directory;
  std::string subject;
  std::string issuer;
  std::string audience;
  int64_t ttl_s = 3600;
  int count = 0;
  bool keep = false;
};

// The JWKS of `key` and of the keys `others`, each one's JSON.
std::string jwks_of(const Key& key, const std::vector<std::string>& others = {}) {
  std::string out = R"({"keys":[)" + key.jwk();
  for (const std::string& other : others) out += "," + other;
  return out + "]}\n";
}

Result<void> init(const Options& options) {
  const fs::path key_path = options.directory / "key";
  const fs::path jwks_path = options.directory / "jwks.json";
  std::error_code error;
  fs::create_directories(options.directory, error);
  if (!fs::exists(key_path, error)) {
    if (auto written = write_file(key_path, Key::random().seed_text(), 0600); !written) {
      return written;
    }
    fs::remove(jwks_path, error);
  }
  if (fs::exists(jwks_path, error)) return {};
  const Result<Key> key = Key::read(key_path);
  if (!key) return std::unexpected(key.error());
  return write_file(jwks_path, jwks_of(*key), 0644);
}

Result<void> print_tokens(const Options& options) {
  const Result<Key> key = Key::read(options.directory / "key");
  if (!key) return std::unexpected(key.error());
  const auto now_s = static_cast<int64_t>(std::time(nullptr));
  std::string rest = fmt::format(R"(,"iat":{},"exp":{})", now_s, now_s + options.ttl_s);
  if (!options.issuer.empty()) rest += R"(,"iss":)" + json_string(options.issuer);
  if (!options.audience.empty()) rest += R"(,"aud":)" + json_string(options.audience);
  const auto print = [&](const std::string& subject) {
    const std::string claims = R"({"sub":)" + json_string(subject) + rest + "}";
    fmt::print("{}\n", key->sign(claims));
  };
  if (options.count == 0) print(options.subject);
  for (int i = 1; i <= options.count; ++i) print(fmt::format("{}-{}", options.subject, i));
  return {};
}

Result<void> rotate(const Options& options) {
  const fs::path jwks_path = options.directory / "jwks.json";
  std::vector<std::string> kept;
  if (options.keep) {
    const Result<std::string> jwks = read_file(jwks_path);
    if (!jwks) return std::unexpected(jwks.error());
    simdjson::dom::parser parser;
    simdjson::dom::array keys;
    if (parser.parse(*jwks)["keys"].get(keys) != simdjson::SUCCESS) {
      return std::unexpected(fmt::format("{} is not a JWKS", jwks_path.string()));
    }
    for (const simdjson::dom::element old : keys) kept.push_back(simdjson::minify(old));
  }
  const Key key = Key::random();
  // Published before it signs.
  if (auto written = write_file(jwks_path, jwks_of(key, kept), 0644); !written) return written;
  return write_file(options.directory / "key", key.seed_text(), 0600);
}

}  // namespace

int main(int argc, char** argv) {
  if (sodium_init() < 0) return 1;
  Options options;
  CLI::App app("Issues tokens for mana-sync, for development and tests.");
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("DIR", options.directory, "Where key and jwks.json are")->required();
    return command;
  };
  CLI::App* init_command = add("init", "Make DIR/key and DIR/jwks.json unless they are there");
  CLI::App* token_command = add("token", "Print a token");
  token_command->add_option("--sub", options.subject, "The user")->required();
  token_command->add_option("--ttl", options.ttl_s, "Seconds until it expires (default 3600)");
  token_command->add_option("--issuer", options.issuer, "The `iss` claim");
  token_command->add_option("--audience", options.audience, "The `aud` claim");
  token_command
      ->add_option("--count", options.count, "One token a line for each of USER-1 … USER-count")
      ->check(CLI::Range(1, 1'000'000));
  CLI::App* rotate_command = add("rotate", "Replace the key");
  rotate_command->add_flag("--keep", options.keep, "Leave the old public keys in jwks.json");
  CLI11_PARSE(app, argc, argv);

  const Result<void> done = *init_command     ? init(options)
                            : *token_command  ? print_tokens(options)
                            : *rotate_command ? rotate(options)
                                              : Result<void>();
  if (!done) fmt::print(stderr, "mana-sync-issuer: {}\n", done.error());
  return done ? 0 : 1;
}

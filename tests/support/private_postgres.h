// A PostgreSQL of the test's own: a durable cluster in a fresh directory under /tmp, started
// through tools/private-postgres and gone with this object.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct pg_conn;  // libpq's

namespace mana_sync::test {

// Blocking; every call that fails ends the test program with a line on stderr.
class PrivatePostgres {
 public:
  PrivatePostgres();
  ~PrivatePostgres();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  // Of the database `mana_sync`. It stays the same when the server is started again.
  [[nodiscard]] const std::string& url() const { return url_; }
  // An empty database on the same server; its URL.
  std::string create_database(const std::string& name);

  // Fast shutdown, and what a power cut leaves behind; then start() again.
  void stop();
  void kill();
  void start();

 private:
  std::string run(const char* verb);

  std::string directory_;
  std::string url_;
};

using Rows = std::vector<std::vector<std::string>>;

// A plain, blocking connection.
class Session {
 public:
  explicit Session(const std::string& url);
  // Runs one or more statements. The rows of the last, as text; null is "NULL".
  Rows exec(const std::string& sql);

 private:
  std::unique_ptr<pg_conn, void (*)(pg_conn*)> connection_;
};

// The same on a connection for this once.
Rows exec(const std::string& url, const std::string& sql);
// The first column of the first row.
std::string exec_value(const std::string& url, const std::string& sql);

}  // namespace mana_sync::test

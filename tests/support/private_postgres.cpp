#include "private_postgres.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace mana_sync::test {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  fmt::print(stderr, "private PostgreSQL: {}\n", what);
  std::abort();
}

}  // namespace

PrivatePostgres::PrivatePostgres() {
  std::string name = "/tmp/mana-sync-pg-XXXXXX";
  // The server runs as another user where the tests run as root.
  if (::mkdtemp(name.data()) == nullptr || ::chmod(name.c_str(), 0755) != 0) {
    give_up("no temporary directory");
  }
  directory_ = name;
  start();
}

PrivatePostgres::~PrivatePostgres() {
  run("remove");
}

std::string PrivatePostgres::create_database(const std::string& name) {
  exec(url_, fmt::format("CREATE DATABASE {}", name));
  return url_.substr(0, url_.rfind('/') + 1) + name;
}

void PrivatePostgres::stop() {
  run("stop");
}

void PrivatePostgres::kill() {
  run("kill");
}

void PrivatePostgres::start() {
  const std::string url = run("start");
  if (!url_.empty() && url_ != url) give_up("its port was taken while it was stopped");
  url_ = url;
}

std::string PrivatePostgres::run(const char* verb) {
  const std::string command = fmt::format("{} {} {}", PRIVATE_POSTGRES, verb, directory_);
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) give_up("popen failed");
  std::string output;
  std::array<char, 512> chunk;
  while (const size_t read = std::fread(chunk.data(), 1, chunk.size(), pipe)) {
    output.append(chunk.data(), read);
  }
  if (::pclose(pipe) != 0) give_up(command + " failed");
  while (output.ends_with('\n')) output.pop_back();
  return output;
}

Session::Session(const std::string& url) : connection_(PQconnectdb(url.c_str()), &PQfinish) {
  PQsetNoticeReceiver(
      connection_.get(), [](void*, const PGresult*) {}, nullptr);
}

Rows Session::exec(const std::string& sql) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), sql.c_str()),
                                                             &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    give_up(fmt::format("{}: {}", sql, PQerrorMessage(connection_.get())));
  }
  Rows rows(static_cast<size_t>(PQntuples(result.get())));
  for (size_t row = 0; row < rows.size(); ++row) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      const int at = static_cast<int>(row);
      const bool is_null = PQgetisnull(result.get(), at, column) != 0;
      rows[row].emplace_back(is_null ? "NULL" : PQgetvalue(result.get(), at, column));
    }
  }
  return rows;
}

Rows exec(const std::string& url, const std::string& sql) {
  return Session(url).exec(sql);
}

std::string exec_value(const std::string& url, const std::string& sql) {
  const Rows rows = exec(url, sql);
  if (rows.empty() || rows.front().empty()) give_up(sql + ": no row");
  return rows.front().front();
}

}  // namespace mana_sync::test

# Shared by the commands in tools/, which source it. Sets `root`, the checkout.
# shellcheck shell=bash disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say() { if [ -t 1 ]; then printf '\033[1m== %s\033[0m\n' "$*"; else echo "== $*"; fi; }
die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# What the server and its tools need to be built and run.
run_packages=(
  g++ meson ninja-build pkg-config python3 curl ca-certificates postgresql
  liburing-dev node-llhttp libpq-dev libsimdjson-dev libsodium-dev libmimalloc-dev libabsl-dev
  libfmt-dev libcli11-dev libcurl4-openssl-dev libxxhash-dev libwslay-dev libssl-dev systemtap-sdt-dev
)
# What the tests need beside.
test_packages=(libgtest-dev libgmock-dev nodejs chromium prometheus faketime systemd)
# What the fuzzers need: the first clang that knows all of C++20 that libstdc++ 12 asks for.
fuzz_packages=(clang-19 libclang-rt-19-dev llvm-19)
# A Node that does not come from Debian brings its npm along, and Debian's would conflict with it.
command -v npm >/dev/null || test_packages+=(npm)

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "packages are missing and there is no sudo: run this once as root"
  fi
}

# Debian's postgresql makes a cluster on port 5432 when it is installed. Nobody asked for one.
without_system_cluster() {
  local conf=/etc/postgresql-common/createcluster.d/mana-sync.conf status=0
  as_root mkdir -p "$(dirname "$conf")"
  echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
  "$@" || status=$?
  as_root rm -f "$conf"
  return "$status"
}

# without_services COMMAND...: Debian's packages start their services when they are installed, and
# at each boot. Of prometheus only promtool is wanted. A policy that is there already stays in force.
without_services() {
  local policy=/usr/sbin/policy-rc.d status=0 had_policy='' had_prometheus=''
  [ ! -e "$policy" ] || had_policy=1
  [ ! -e /etc/init.d/prometheus ] || had_prometheus=1
  if [ -z "$had_policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
  fi
  "$@" || status=$?
  [ -n "$had_policy" ] || as_root rm -f "$policy"
  if [ -z "$had_prometheus" ] && [ -e /etc/init.d/prometheus ]; then
    as_root update-rc.d prometheus disable
  fi
  return "$status"
}

# install_packages NAME...: those of them that are missing; asks nothing if none is.
install_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing ${missing[*]}"
  # A source of packages that cannot be reached need not be the one that these come from.
  as_root apt-get update -qq || echo "apt-get update failed; going on with what is known" >&2
  without_services without_system_cluster as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# install_node_packages DIR: what its package-lock.json names, unless just that is installed.
install_node_packages() {
  local stamp=$1/node_modules/.installed-lock lock
  lock=$(sha256sum <"$1/package-lock.json")
  [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ] || return 0
  say "Installing what $(basename "$1")/package.json names"
  (cd "$1" && npm ci --include=dev --ignore-scripts --no-audit --no-fund)
  echo "$lock" >"$stamp"
}

# configure_build DIR OPTION...: sets DIR up, anew where it was set up with other options.
configure_build() {
  local dir=$1 options="${*:2}"
  shift
  if [ ! -e "$dir/build.ninja" ]; then
    meson setup "$dir" "$root" "$@"
  elif [ "$(cat "$dir/.options" 2>/dev/null)" != "$options" ]; then
    meson setup --reconfigure "$dir" "$root" "$@"
  fi
  echo "$options" >"$dir/.options"
}

# build_loaded DIR LOG [TARGET…]: in the build directory DIR, which is set up as a release if it is not
# yet: the server, the issuer, the load generator, and these.
build_loaded() {
  [ -e "$1/build.ninja" ] || configure_build "$1" --buildtype=release -Dtests=false >&2
  ninja -C "$1" src/server/mana-sync tools/issuer/mana-sync-issuer tools/loadgen/mana-sync-loadgen \
    "${@:3}" >"$2" || { cat "$2" >&2; die "the server does not build"; }
}

# start_loaded BUILD WORK USERS: a new private PostgreSQL, an issuer, tokens of that many users in
# WORK/tokens, and the server, with the environment as it is beside. Whoever calls it has a trap that
# calls stop_loaded.
start_loaded() {
  local build=$1 work=$2 users=$3
  rm -rf "$work/issuer"
  "$root/tools/private-postgres" remove "$work/pg"
  DATABASE_URL=$("$root/tools/private-postgres" start "$work/pg")
  export DATABASE_URL PORT=0 JWKS_URL=file://$work/issuer/jwks.json
  "$build/tools/issuer/mana-sync-issuer" init "$work/issuer" >/dev/null
  "$build/tools/issuer/mana-sync-issuer" token "$work/issuer" --sub load --count "$users" \
    --ttl 86400 >"$work/tokens"
  start_server "$build/src/server/mana-sync" "$work/server.log"
}

# stop_loaded WORK: what start_loaded started, as far as it came.
stop_loaded() {
  stop_server
  "$root/tools/private-postgres" stop "$1/pg" || true
}

server_pid=

# start_server BINARY LOG: with the environment as it is; returns when /health says 200. Sets
# `server_pid` and `url`. Whoever calls it has a trap that calls stop_server.
start_server() {
  local port
  : >"$2"
  # Should we be killed outright, the kernel ends the server. Descriptor 9 is a caller's lock.
  setpriv --pdeathsig TERM "$1" 2>"$2" 9>&- &
  server_pid=$!
  for _ in $(seq 600); do
    kill -0 "$server_pid" 2>/dev/null || break
    port=$(sed -n 's/.*"event":"listening".*"port":\([0-9]*\).*/\1/p' "$2")
    url=http://127.0.0.1:$port
    if [ -n "$port" ] && curl -fs -o /dev/null "$url/health"; then return; fi
    sleep 0.1
  done
  cat "$2" >&2
  die "the server ended, or was not ready after a minute"
}

# Ends the server, if one runs; waits for its end, which is forced after 15 seconds.
stop_server() {
  [ -n "$server_pid" ] || return 0
  kill -TERM "$server_pid" 2>/dev/null || true
  for _ in $(seq 150); do
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$server_pid" 2>/dev/null || true
  wait "$server_pid" 2>/dev/null || true
  server_pid=
}

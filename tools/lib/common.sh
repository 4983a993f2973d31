# Shared by tools/run and tools/test, which source it. Sets `root`, the checkout.
# shellcheck shell=bash disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say() { if [ -t 1 ]; then printf '\033[1m== %s\033[0m\n' "$*"; else echo "== $*"; fi; }
die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# What the server and its tools need to be built and run.
run_packages=(
  g++ meson ninja-build pkg-config python3 curl ca-certificates postgresql
  liburing-dev node-llhttp libpq-dev libsimdjson-dev libsodium-dev libmimalloc-dev libabsl-dev
  libfmt-dev libcli11-dev libcurl4-openssl-dev libxxhash-dev
)
# What the tests need beside.
test_packages=(libgtest-dev libgmock-dev nodejs)

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
  without_system_cluster as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
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

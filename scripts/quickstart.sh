#!/usr/bin/env bash
# From a bare Debian 12 to a streamed answer with citations: installs what is missing, builds, gets the embedding
# model, ingests documents, starts the server and asks it a question. Quick the second time.
#
# usage: scripts/quickstart.sh [OPTIONS] [PATH...]
#   PATH...          documents to ingest (default: examples/docs)
#   --question TEXT  what to ask
#   --port N         port of the server on 127.0.0.1 (default: 8000)
#   --no-serve       ask without starting a server
#   --build-only     install and build, nothing else
#
# Everything it makes lies under build/ and data/ (RAGTIME_DATA_DIR names another place). Works without a network when
# packages and model are there already. The server stays in the background; the last lines say how to stop it.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/.."

port=8000
serve=yes
build_only=no
question=
paths=()
need_value() { [ $# -ge 2 ] || { echo "$1 needs a value (see --help)" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
  case "$1" in
    --port) need_value "$@"; port="$2"; shift 2 ;;
    --question) need_value "$@"; question="$2"; shift 2 ;;
    --no-serve) serve=no; shift ;;
    --build-only) build_only=yes; shift ;;
    -h|--help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "unknown option: $1 (see --help)" >&2; exit 2 ;;
    *) case "$1" in /*) paths+=("$1") ;; *) paths+=("$caller/$1") ;; esac; shift ;;
  esac
done
[[ "$port" =~ ^[0-9]+$ ]] && [ "$port" -le 65535 ] || { echo "--port needs a number up to 65535" >&2; exit 2; }
for path in "${paths[@]}"; do
  [ -e "$path" ] || { echo "$path: no such file or directory" >&2; exit 2; }
done
if [ ${#paths[@]} -eq 0 ]; then
  paths=(examples/docs)
  : "${question:=What does the constitution say about freedom of speech?}"
else
  : "${question:=What are these documents about?}"
fi

data=${RAGTIME_DATA_DIR:-data}
case "$data" in /*) ;; *) data=$PWD/$data ;; esac
ragtime=build/release/ragtime
run() { "$ragtime" "$@" --data-dir "$data"; }

started=$SECONDS
step() { printf '\n==> [%3d s] %s\n' "$((SECONDS - started))" "$*"; }

# One line per tenth of a build whose output is not a terminal.
thin_out() {
  if [ -t 1 ]; then cat; return; fi
  awk -F'[][/]' '/^\[[0-9]+\/[0-9]+\]/ { tenth = int($2 * 10 / $3); if (tenth > last) { last = tenth; print "  " $2 " of " $3; fflush() } next }
                 /^(ninja: |\[0\/)/ { next } { print; fflush() }'
}

step "System packages"
scripts/install_dependencies.sh

step "Build (some minutes the first time)"
mkdir -p build
cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
cmake --build --preset release --target ragtime 2>&1 | thin_out
"$ragtime" version | head -n 3
[ "$build_only" = no ] || { step "Built $ragtime"; exit 0; }

step "Embedding model"
model=all-MiniLM-L6-v2
if [ -e "$data/models/$model" ]; then
  echo "$data/models/$model is there"
elif scripts/fetch_model.sh; then
  run model add "build/models/$model"
else
  echo "no model could be fetched: search goes by words only"
fi

step "Ingest ${paths[*]}"
run ingest "${paths[@]}" || { code=$?; [ "$code" -eq 1 ] || exit "$code"; echo "some files failed; going on"; }

if [ "$serve" = no ]; then
  step "Question: $question"
  run ask "$question"
  exit 0
fi

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$data/server.json" 2>/dev/null || true; }
answers() { curl --silent --fail --max-time 5 --output /dev/null "$(field url)/readyz" 2>/dev/null; }

step "Server"
if [ -e "$data/server.json" ] && answers; then
  echo "already running at $(field url)"
  [[ "$(field url)" == *":$port" ]] || echo "(to move it to port $port: kill $(field pid), then run this again)"
else
  log=$data/log/server.log
  mkdir -p "$data/log"
  # A session of its own, so that Ctrl-C here does not reach it.
  setsid nohup "$ragtime" serve --listen "127.0.0.1:$port" --data-dir "$data" >>"$log" 2>&1 </dev/null &
  server=$!
  trap 'kill "$server" 2>/dev/null; exit 130' INT TERM
  until [ -e "$data/server.json" ] && answers; do
    kill -0 "$server" 2>/dev/null || { echo "the server did not start:" >&2; tail -n 1 "$log" >&2; exit 1; }
    sleep 0.1
  done
  trap - INT TERM
  echo "running at $(field url), log in $log"
fi
url=$(field url)
store=$(curl --silent "$url/v1/vector_stores" | sed -n 's/.*"id":"\(vs_[^"]*\)"[^{}]*"name":"default".*/\1/p' | head -n 1)

step "Question: $question"
run ask "$question"

step "Done. What to try next"
cat <<NEXT
  reference      $url/docs
  command line   $ragtime ask "your question"       $ragtime search "words"
  your files     $ragtime ingest ~/papers
  curl           curl -N $url/v1/responses -H 'Content-Type: application/json' -d '{
                   "model": "ragtime-extractive", "stream": true, "input": "$question",
                   "tools": [{"type": "file_search", "vector_store_ids": ["${store:-vs_…}"]}]}'
  Python         from openai import OpenAI
                 client = OpenAI(base_url="$url/v1", api_key="unused")
                 print(client.chat.completions.create(model="ragtime-extractive@default",
                       messages=[{"role": "user", "content": "$question"}]).choices[0].message.content)
  stop           kill $(field pid)
NEXT

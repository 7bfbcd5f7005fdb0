// The commands of `ragtime`, each in a file of its own (command_ingest.cpp, …). command_line.cpp parses their options.
//
// Every function returns the process's exit code (exit_code.h) and prints results to `out`, everything else to `err`.
// Thread safety: main thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/configuration.h"
#include "server/terminal.h"
#include "storage/records.h"

namespace ragtime::server {

// What every command gets.
struct Invocation {
  LoadedConfiguration configuration;
  Terminal& out;
  Terminal& err;
  bool json = false;
};

struct IngestOptions {
  std::vector<std::string> paths;
  std::string store = "default";
  std::vector<std::string> excludes;
  bool prune = false;
  bool quiet = false;
};

struct AskOptions {
  std::vector<std::string> words;  // The question; "-" reads it from standard input.
  std::string store = "default";
  std::string model;
};

struct SearchOptions {
  std::vector<std::string> words;
  std::string store = "default";
  int results = 0;  // 0: retrieval.results of the configuration.
};

struct EvalOptions {
  std::vector<std::string> folders;  // In BEIR's layout; see evaluation_set.h.
  int k = 10;
  int queries = 0;  // Of each set, chosen by the seed; 0: all.
  std::uint64_t seed = 1;
  std::string reranker;  // In place of the configured one; empty: that.
  bool tune = false;
  bool keep = false;        // Keep what was taken in, so that the next run need not.
  bool quiet = false;       // No progress.
  std::string json_file;    // Empty: none.
  std::string runs_folder;  // The same.
};

struct BenchOptions {
  std::vector<std::string> urls;    // For compare also files.
  std::vector<std::string> models;  // One for all, or one for each URL; none: "default".
  std::vector<std::string> names;
  std::vector<std::string> keys;
  std::vector<std::string> headers;  // "NAME: VALUE".
  std::string operation = "chat";
  std::string store;
  bool whole = false;  // No streams.
  bool no_usage = false;
  std::size_t concurrency = 8;
  bool concurrency_given = false;
  double rate = 0;
  bool constant = false;
  double duration = 10;  // Seconds, as the others.
  double warm_up = 1;
  double ramp = 0;
  double timeout = 120;
  std::size_t requests = 0;
  std::size_t rounds = 0;  // 0: one for one URL, three for several.
  std::string prompts;
  std::size_t prompt_tokens = 64;
  std::size_t shared_prefix = 0;
  std::size_t answer_tokens = 128;
  std::string extra;
  std::string slo;
  std::string reference;
  bool fresh_connections = false;
  std::uint64_t seed = 1;
  std::string json_file;
  std::string html_file;
  bool quiet = false;
  std::string command;  // As it was called, without keys.
};

struct BenchUpstreamOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::vector<std::string> models = {"scripted"};
  std::string script;
  std::string ttft = "0";  // Milliseconds, or exp:MEAN.
  std::string itl = "0";
  std::size_t tokens = 16;
  std::size_t slots = 256;
  std::size_t kv_blocks = 0;
  std::size_t queue_max = 0;
  double prefill = 0;
  double slowdown = 0;
  bool prefix_cache = false;
  bool instant = false;
  bool list = false;
  std::uint64_t seed = 1;
};

struct ModelOptions {
  std::string what;  // For add: a directory or a name of the hub; for remove: a name.
  std::string hub;   // Base address of the hub; empty: the public one.
};

struct KeyOptions {
  std::string name;
  std::string tenant;
  std::vector<std::string> scopes;
  storage::KeyLimits limits;
  std::string id;
};

int serve_command(Invocation& invocation);
int ingest_command(const IngestOptions& options, Invocation& invocation);
int ask_command(const AskOptions& options, Invocation& invocation);
int search_command(const SearchOptions& options, Invocation& invocation);
int eval_command(const EvalOptions& options, Invocation& invocation);
int bench_command(const BenchOptions& options, Invocation& invocation);
int bench_compare_command(const BenchOptions& options, Invocation& invocation);
int bench_upstream_command(const BenchUpstreamOptions& options, Invocation& invocation);
int model_list_command(Invocation& invocation);
int model_add_command(const ModelOptions& options, Invocation& invocation);
int model_remove_command(const ModelOptions& options, Invocation& invocation);
int key_create_command(const KeyOptions& options, Invocation& invocation);
int key_list_command(Invocation& invocation);
int key_revoke_command(const KeyOptions& options, Invocation& invocation);
int config_command(Invocation& invocation);
int doctor_command(Invocation& invocation);
int version_command(Invocation& invocation);

// "ragtime: MESSAGE" on `err`; returns `code`.
int fail(Invocation& invocation, const std::string& message, int code);

// Joins the words of a question; a single "-" stands for standard input.
std::string read_question(const std::vector<std::string>& words);

}  // namespace ragtime::server

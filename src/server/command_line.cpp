#include "server/command_line.h"

#include <csignal>
#include <cstring>
#include <exception>
#include <functional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "documents/parser.h"
#include "server/commands.h"
#include "server/exit_code.h"

namespace ragtime::server {
namespace {

constexpr const char* kFooter = R"(
Examples:
  ragtime ingest ~/papers ~/notes           read documents (TXT, Markdown, HTML, PDF, DOCX, source code)
  ragtime ask "What did we decide?"         answer from them, with citations
  ragtime search "backup retention"         the best passages
  ragtime serve                             OpenAI-compatible server on http://127.0.0.1:8000/v1
  ragtime COMMAND --help                    options of a command

Settings come from ./ragtime.toml (or --config FILE), environment variables, then flags; `ragtime config` shows them.
Exit codes: 0 done, 1 failed fully or in part, 2 wrong usage, configuration or environment, 130 interrupted.)";

using Command = std::function<int(Invocation&)>;

// Everything that options are parsed into; the parser keeps references to it.
struct Parsed {
  ConfigurationFlags flags;
  bool json = false;
  IngestOptions ingest;
  AskOptions ask;
  SearchOptions search;
  EvalOptions eval;
  BenchOptions bench;
  BenchUpstreamOptions bench_upstream;
  ModelOptions model;
  KeyOptions key;
  Command command;
};

CLI::App* add_command(CLI::App& parent, Parsed& parsed, const std::string& name, const std::string& description,
                      Command command) {
  CLI::App* out = parent.add_subcommand(name, description);
  out->callback([&parsed, command = std::move(command)] { parsed.command = command; });
  return out;
}

void add_json(CLI::App* command, Parsed& parsed) {
  command->add_flag("--json", parsed.json, "Print JSON for scripts");
}

void add_serve(CLI::App& app, Parsed& parsed) {
  CLI::App* serve = add_command(app, parsed, "serve", "Run the server until Ctrl-C or SIGTERM", serve_command);
  serve->add_option("--listen", parsed.flags.listen, "Address and port, for example 127.0.0.1:8000; port 0 takes any");
  serve->footer("\nAnswers OpenAI's API under /v1; reference under /docs. Without any key only this machine may call.");
}

void add_ingest(CLI::App& app, Parsed& parsed) {
  CLI::App* ingest =
      add_command(app, parsed, "ingest", "Read files and directories into a store",
                  [&parsed](Invocation& invocation) { return ingest_command(parsed.ingest, invocation); });
  ingest->add_option("PATH", parsed.ingest.paths, "Files, or directories to walk")->required();
  ingest->add_option("--store", parsed.ingest.store, "Name of the store (default: default)");
  ingest->add_option("--exclude", parsed.ingest.excludes, "Pattern as in .gitignore; may be repeated")
      ->allow_extra_args(false);
  ingest->add_flag("--prune", parsed.ingest.prune, "Remove documents of these directories whose file is gone");
  ingest->add_flag("-q,--quiet", parsed.ingest.quiet, "No progress");
  add_json(ingest, parsed);
  ingest->footer(
      "\nUnchanged files cost nothing, changed ones replace their former version. Hidden files, and what\n"
      ".gitignore and .ragtimeignore name, are passed over. Exit code 1 when any file failed.\n\n"
      "Examples:\n  ragtime ingest docs/ --exclude 'drafts/'\n  ragtime ingest report.pdf --store finance");
}

void add_questions(CLI::App& app, Parsed& parsed) {
  CLI::App* ask = add_command(app, parsed, "ask", "Answer a question from a store, with citations",
                              [&parsed](Invocation& invocation) { return ask_command(parsed.ask, invocation); });
  ask->add_option("QUESTION", parsed.ask.words, "The question; - reads it from standard input")->required();
  ask->add_option("--store", parsed.ask.store, "Name of the store (default: default)");
  ask->add_option("--model", parsed.ask.model, "Chat model of the configuration, or ragtime-extractive");
  add_json(ask, parsed);

  CLI::App* search =
      add_command(app, parsed, "search", "Find the best passages for a query",
                  [&parsed](Invocation& invocation) { return search_command(parsed.search, invocation); });
  search->add_option("QUERY", parsed.search.words, "The query; - reads it from standard input")->required();
  search->add_option("--store", parsed.search.store, "Name of the store (default: default)");
  search->add_option("-n,--limit", parsed.search.results, "How many passages")->check(CLI::Range(1, 50));
  add_json(search, parsed);
}

void add_models(CLI::App& app, Parsed& parsed) {
  CLI::App* model = app.add_subcommand("model", "Embedding models: list, add, remove");
  model->require_subcommand(1);
  add_json(add_command(*model, parsed, "list", "Models of the data directory", model_list_command), parsed);
  CLI::App* add =
      add_command(*model, parsed, "add", "Add a model from a directory or from the Hugging Face hub",
                  [&parsed](Invocation& invocation) { return model_add_command(parsed.model, invocation); });
  add->add_option("MODEL", parsed.model.what, "A directory with config.json and model.safetensors, or OWNER/NAME")
      ->required();
  add->add_option("--hub", parsed.model.hub, "Address of the hub (also HF_ENDPOINT)");
  add_json(add, parsed);
  add->footer(
      "\nExamples:\n  ragtime model add sentence-transformers/all-MiniLM-L6-v2\n"
      "  ragtime model add ~/models/bge-small-en-v1.5");
  CLI::App* remove =
      add_command(*model, parsed, "remove", "Remove a model from the data directory",
                  [&parsed](Invocation& invocation) { return model_remove_command(parsed.model, invocation); });
  remove->add_option("NAME", parsed.model.what, "Its name in `ragtime model list`")->required();
}

void add_keys(CLI::App& app, Parsed& parsed) {
  CLI::App* key = app.add_subcommand("key", "API keys: create, list, revoke");
  key->require_subcommand(1);
  CLI::App* create =
      add_command(*key, parsed, "create", "Make a key and print it, this once",
                  [&parsed](Invocation& invocation) { return key_create_command(parsed.key, invocation); });
  create->add_option("--name", parsed.key.name, "Whose it is")->required();
  create->add_option("--scope", parsed.key.scopes, "What it may do: read, write, admin; separated by commas\n(default: read,write)")
      ->delimiter(',')
      ->check(CLI::IsMember({"read", "write", "admin"}));
  create->add_option("--tenant", parsed.key.tenant, "Whose stores and files it sees (default: default)");
  storage::KeyLimits& limits = parsed.key.limits;
  const auto count = CLI::Range(std::int64_t{0}, std::int64_t{1} << 40);
  create->add_option("--requests-per-minute", limits.requests_per_minute, "At most; 0: no limit\n(default for all limits: as configured in [limits.per_key])")
      ->check(count);
  create->add_option("--tokens-per-minute", limits.tokens_per_minute, "Of prompts and answers, at most")->check(count);
  create->add_option("--streams", limits.streams, "Streamed answers at a time")->check(count);
  create->add_option("--concurrent-requests", limits.concurrent_requests, "Requests at a time")->check(count);
  create->add_option("--priority", limits.priority, "Who is served first when the server is full: low, normal, high\n(default: normal)")
      ->check(CLI::IsMember({"low", "normal", "high"}));
  add_json(create, parsed);
  create->footer(
      "\nAs soon as one key exists, every route but /healthz and /readyz asks for one.\n\n"
      "Example:\n  ragtime key create --name alice --scope read,write --tenant team-a");
  add_json(add_command(*key, parsed, "list", "All keys, without their secret", key_list_command), parsed);
  CLI::App* revoke = add_command(*key, parsed, "revoke", "Make a key useless", [&parsed](Invocation& invocation) {
    return key_revoke_command(parsed.key, invocation);
  });
  revoke->add_option("ID", parsed.key.id, "key_… of `ragtime key list`")->required();
}

void add_eval(CLI::App& app, Parsed& parsed) {
  CLI::App* eval = add_command(app, parsed, "eval", "Measure how well search answers questions with known answers",
                               [&parsed](Invocation& invocation) { return eval_command(parsed.eval, invocation); });
  eval->add_option("FOLDER", parsed.eval.folders, "Folders with corpus.jsonl, queries.jsonl and qrels.tsv")->required();
  eval->add_option("--k", parsed.eval.k, "How many results count (default: 10)")->check(CLI::Range(1, 1000));
  eval->add_option("--queries", parsed.eval.queries, "Only so many questions of each set, chosen by --seed")
      ->check(CLI::Range(1, 1'000'000'000));
  eval->add_option("--seed", parsed.eval.seed, "Of every choice by chance (default: 1)");
  eval->add_option("--reranker", parsed.eval.reranker, "Second stage in place of retrieval.reranker")
      ->check(CLI::IsMember({"none", "lexical_overlap", "late_interaction", "cross_encoder"}));
  eval->add_flag("--tune", parsed.eval.tune, "Look for better settings of the fusion and of BM25, by cross-validation");
  eval->add_flag("--keep", parsed.eval.keep, "Keep the documents under the data directory's eval/ for the next run");
  eval->add_option("--json", parsed.eval.json_file, "Write all figures into this file");
  eval->add_option("--runs", parsed.eval.runs_folder, "Write what each arm found into this folder, as trec_eval reads it");
  eval->add_flag("-q,--quiet", parsed.eval.quiet, "No progress");
  eval->footer(
      "\nDocuments are taken in with the configured model and chunking, in a place of their own: your stores stay as\n"
      "they are. Each set is asked by words alone, by meaning alone, and by both. docs/eval.md says more.\n\n"
      "Examples:\n  ragtime eval my-questions/\n  ragtime eval nfcorpus/ --queries 100 --json figures.json\n"
      "  ragtime eval my-questions/ --tune");
}

void add_bench_upstream(CLI::App& bench, Parsed& parsed) {
  auto& options = parsed.bench_upstream;
  CLI::App* upstream = add_command(bench, parsed, "upstream", "A model server that answers without a model, and fails on demand",
                                   [&options](Invocation& invocation) { return bench_upstream_command(options, invocation); });
  upstream->add_option("--address", options.address, "Address to listen on (default: 127.0.0.1)");
  upstream->add_option("--port", options.port, "Port to listen on (default: 0, any free one)");
  upstream->add_option("--model", options.models, "What /v1/models says; may be repeated")->allow_extra_args(false);
  upstream->add_option("--script", options.script, "Behaviour of every request; else the request's model names it");
  upstream->add_option("--ttft", options.ttft, "Milliseconds to the first token, or exp:MEAN (default: 0)");
  upstream->add_option("--itl", options.itl, "Milliseconds between tokens, or exp:MEAN (default: 0)");
  upstream->add_option("--tokens", options.tokens, "Tokens of an answer (default: 16)")->check(CLI::Range(1, 1'000'000));
  upstream->add_option("--slots", options.slots, "Requests that run at once (default: 256)")
      ->check(CLI::Range(1, 1'000'000));
  upstream->add_option("--kv-blocks", options.kv_blocks, "Size of the KV cache in blocks of 16 tokens (default: no limit)");
  upstream->add_option("--queue", options.queue_max, "Requests that may wait; more get 503 (default: no limit)");
  upstream->add_option("--prefill", options.prefill, "Prompt tokens read per millisecond (default: at once)")
      ->check(CLI::NonNegativeNumber);
  upstream->add_option("--slowdown", options.slowdown, "Share by which each running request slows the others' tokens")
      ->check(CLI::NonNegativeNumber);
  upstream->add_flag("--prefix-cache", options.prefix_cache, "Prompts that begin alike save prefill");
  upstream->add_flag("--instant", options.instant, "As little work as possible: replies made once, nothing recorded");
  upstream->add_option("--seed", options.seed, "Of delays by chance (default: 1)");
  upstream->add_flag("--list", options.list, "Print the scripts and end");
  upstream->footer(
      "\nPrints one line of JSON with its address, then serves until Ctrl-C. A script is named by the request's model,\n"
      "by its header x-scripted, or by --script: \"cut@after=3\". GET /__log tells what was asked and who left early.\n\n"
      "Examples:\n  ragtime bench upstream --port 9001 --ttft exp:80 --itl 20 --tokens 128\n"
      "  ragtime bench upstream --script flap@up_ms=3000,down_ms=1000");
}

void add_load_options(CLI::App* bench, BenchOptions& options) {
  bench->add_option("--model", options.models, "The model to ask for; once for all URLs, or once for each")
      ->allow_extra_args(false);
  bench->add_option("--name", options.names, "What reports call a URL; once for each")->allow_extra_args(false);
  bench->add_option("--api-key", options.keys, "Bearer token (also OPENAI_API_KEY)")->allow_extra_args(false);
  bench->add_option("--header", options.headers, "Further field, \"NAME: VALUE\"; may be repeated")->allow_extra_args(false);
  bench->add_option("--operation", options.operation, "chat, completions, embeddings, rerank or search (default: chat)");
  bench->add_option("--store", options.store, "Id of the vector store that --operation search asks");
  bench->add_flag("--whole", options.whole, "Whole answers in place of streams");
  bench->add_option("-c,--concurrency", options.concurrency, "Closed loop: requests at any time (default: 8)")
      ->each([&options](const std::string&) { options.concurrency_given = true; })
      ->check(CLI::Range(1, 100'000));
  bench->add_option("--rate", options.rate, "Open loop: requests per second, whatever happens to earlier ones")
      ->check(CLI::PositiveNumber);
  bench->add_flag("--constant", options.constant, "Even gaps in the open loop (default: a Poisson process)");
  bench->add_option("--duration", options.duration, "Seconds of each round (default: 10)")->check(CLI::PositiveNumber);
  bench->add_option("--requests", options.requests, "Requests of each round, in place of --duration");
  bench->add_option("--rounds", options.rounds, "Rounds, the URLs in turn (default: 1; 3 for several URLs)")
      ->check(CLI::Range(1, 1000));
  bench->add_option("--warm-up", options.warm_up, "Seconds that are not counted (default: 1)")->check(CLI::NonNegativeNumber);
  bench->add_option("--ramp", options.ramp, "Seconds over which the closed loop starts (default: 0)")
      ->check(CLI::NonNegativeNumber);
  bench->add_option("--timeout", options.timeout, "Seconds that a request may take (default: 120)")
      ->check(CLI::PositiveNumber);
  bench->add_option("--prompts", options.prompts, "File of prompts: lines of text, or of JSON with \"prompt\" or \"messages\"");
  bench->add_option("--prompt-tokens", options.prompt_tokens, "Size of synthetic prompts (default: 64)")
      ->check(CLI::Range(1, 1'000'000));
  bench->add_option("--shared-prefix", options.shared_prefix, "Tokens at which synthetic prompts begin alike (default: 0)");
  bench->add_option("--answer-tokens", options.answer_tokens, "max_tokens of a request; 0 sends none (default: 128)");
  bench->add_option("--extra", options.extra, "JSON object with further members of every request");
  bench->add_flag("--no-usage", options.no_usage, "Do not ask streams for their token counts");
  bench->add_option("--slo", options.slo, "Limits in ms that count as good: ttft=1000,tpot=50,e2e=20000");
  bench->add_option("--reference", options.reference, "File with the text that every answer must be");
  bench->add_flag("--fresh-connections", options.fresh_connections, "A new connection for every request");
  bench->add_option("--seed", options.seed, "Of prompts and arrivals (default: 1)");
  bench->add_option("--json", options.json_file, "Write all figures into this file");
  bench->add_option("--html", options.html_file, "Write a page with tables and charts into this file");
  bench->add_flag("-q,--quiet", options.quiet, "No progress");
}

void add_bench(CLI::App& app, Parsed& parsed) {
  auto& options = parsed.bench;
  CLI::App* bench = app.add_subcommand("bench", "Put load on model servers, and compare them");
  bench->callback([&parsed, bench] {
    if (!bench->get_subcommands().empty()) return;
    parsed.command = [&parsed](Invocation& invocation) { return bench_command(parsed.bench, invocation); };
  });
  bench->add_option("URL", options.urls, "Base URLs of OpenAI-compatible servers");
  add_load_options(bench, options);
  bench->footer(
      "\nOne URL is measured, several are compared, in rounds that take turns. Streams that end without finish_reason and\n"
      "error events count as failures. docs/bench.md defines every figure.\n\n"
      "Examples:\n  ragtime bench http://127.0.0.1:8000/v1 --model qwen -c 16 --duration 30\n"
      "  ragtime bench http://gpu1:8000/v1 --rate 20 --slo ttft=1000,tpot=50 --html report.html\n"
      "  ragtime bench http://a:8000/v1 http://b:9000/v1 --name vLLM --name Transformers --json both.json");
  CLI::App* compare = add_command(*bench, parsed, "compare", "Two reports or two servers beside each other",
                                  [&options](Invocation& invocation) { return bench_compare_command(options, invocation); });
  compare->add_option("A_B", options.urls, "Two files of --json, or two URLs")->required()->expected(2);
  add_load_options(compare, options);
  compare->footer("\nExamples:\n  ragtime bench compare before.json after.json\n"
                  "  ragtime bench compare http://transformers:8000/v1 http://vllm:8000/v1 --model qwen --rounds 5");
  add_bench_upstream(*bench, parsed);
}

void add_all(CLI::App& app, Parsed& parsed) {
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kFooter);
  app.set_version_flag("-V,--version", std::string("ragtime ") + RAGTIME_VERSION);
  app.add_option("--config", parsed.flags.file, "Configuration file instead of ./ragtime.toml");
  app.add_option("--data-dir", parsed.flags.data_dir, "Where everything is kept (default: data)");
  app.add_option("--log-level", parsed.flags.log_level, "debug, info, warning or error");
  add_serve(app, parsed);
  add_ingest(app, parsed);
  add_questions(app, parsed);
  add_eval(app, parsed);
  add_bench(app, parsed);
  add_models(app, parsed);
  add_keys(app, parsed);
  add_json(add_command(app, parsed, "config", "Print the effective configuration, secrets masked", config_command),
           parsed);
  add_json(add_command(app, parsed, "doctor", "Check that everything is there and sound", doctor_command), parsed);
  add_json(add_command(app, parsed, "version", "What this program was built from", version_command), parsed);
}

// The command line as text, for reports; what follows --api-key or could hold one is left out.
std::string command_text(int argc, char** argv) {
  std::string out = "ragtime";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool secret = i > 1 && (std::strcmp(argv[i - 1], "--api-key") == 0 || std::strcmp(argv[i - 1], "--header") == 0);
    const bool plain = word.find_first_of(" '\"\\$*?;&|<>(){}") == std::string::npos && !word.empty();
    out += " " + (secret ? "…" : plain ? word.starts_with("--api-key=") ? "--api-key=…" : word : "'" + word + "'");
  }
  return out;
}

int run(const Parsed& parsed) {
  const Environment environment = process_environment();
  Terminal out(stdout, environment);
  Terminal err(stderr, environment);
  auto configuration = load_configuration(parsed.flags, environment);
  Invocation invocation{{}, out, err, parsed.json};
  if (configuration.has_error()) return fail(invocation, configuration.error().message, kExitUsage);
  invocation.configuration = std::move(*configuration);
  return parsed.command(invocation);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  // A peer that closes its end must not end the process.
  std::signal(SIGPIPE, SIG_IGN);
  if (argc >= 2 && std::strcmp(argv[1], "parse-worker") == 0) return documents::run_parse_worker();
  try {
    Parsed parsed;
    CLI::App app("Ragtime: answers from your documents, with citations that were checked.", "ragtime");
    add_all(app, parsed);
    parsed.bench.command = command_text(argc, argv);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? kExitDone : kExitUsage;
    }
    return run(parsed);
  } catch (const std::exception& error) {
    fmt::print(stderr, "ragtime: unexpected failure: {}\n", error.what());
    return kExitFailed;
  }
}

}  // namespace ragtime::server

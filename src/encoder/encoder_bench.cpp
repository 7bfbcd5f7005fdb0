// Speed of the encoder on token sequences of given lengths or on texts, as JSON lines or a table.
//
// usage: encoder_bench --model DIR [--precision auto|f32|bf16|int8] [--threads N] [--lengths 16,64,256,512]
//                      [--mode single|bulk|shared] [--texts FILE] [--rerank] [--batch-tokens N] [--seconds S]
//                      [--clients N] [--rate QPS] [--json] [--profile]
//
// single: one sequence at a time on one thread, as a query. bulk: many at once on all threads, as ingest.
// Without --mode both. --profile adds where the time went, in percent, with the tokenizer's share, and the speed per
// second of processor time, which says more where other programs run.
// From text, through what the server uses, tokenizer included:
// --texts: calls that embed all lines of FILE. --rerank: calls that score 50 pairs of 160 tokens with a cross-encoder.
// --mode shared: short queries of --clients clients beside documents in bulk, at --rate queries per second of all
// clients and, as "closed", with every client asking again as soon as it has its answer.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <time.h>

#include "encoder/bert_encoder.h"
#include "encoder/mapped_file.h"
#include "encoder/service_bench.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string model;
  Precision precision = Precision::automatic;
  std::size_t threads = 1;
  std::vector<std::size_t> lengths = {16, 64, 256, 512};
  std::vector<std::string> modes = {"single", "bulk"};
  std::size_t batch_tokens = EncoderConfig{}.batch_tokens_max;
  double seconds = 1;
  std::string texts;  // A file, or empty.
  SharedLoad load;
  bool rerank = false;
  bool json = false;
  bool profile = false;

  ServiceBench service() const { return {model, precision, threads, seconds}; }
};

struct Measurement {
  std::size_t texts = 0;
  double seconds = 0;
  double cpu_seconds = 0;            // Of all threads.
  std::vector<double> milliseconds;  // Per forward pass.
  EncodeProfile profile;
};

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<TokenSequence> random_sequences(std::size_t count, std::size_t length, std::size_t vocabulary) {
  std::mt19937 random(1);
  std::vector<TokenSequence> sequences(count, TokenSequence(length));
  for (auto& sequence : sequences) {
    for (TokenId& token : sequence) token = static_cast<TokenId>(random() % vocabulary);
  }
  return sequences;
}

// Forward passes of `per_pass` sequences until the time is over; at least five.
void run_passes(const BertEncoder& encoder, const std::vector<TokenSequence>& sequences, std::size_t per_pass,
                Clock::time_point end, bool profile, Measurement& out) {
  const std::span<const TokenSequence> all(sequences);
  std::size_t next = 0;
  const double cpu_before = thread_cpu_seconds();
  while (Clock::now() < end || out.milliseconds.size() < 5) {
    if (next + per_pass > all.size()) next = 0;
    const auto start = Clock::now();
    encoder.encode(all.subspan(next, per_pass), {}, profile ? &out.profile : nullptr);
    out.milliseconds.push_back(seconds_since(start) * 1e3);
    out.texts += per_pass;
    next += per_pass;
  }
  out.cpu_seconds = thread_cpu_seconds() - cpu_before;
}

Measurement measure(const BertEncoder& encoder, const BertConfig& config, const Options& options, std::size_t length,
                    bool bulk) {
  const std::size_t per_pass = bulk ? std::max<std::size_t>(1, options.batch_tokens / length) : 1;
  const auto sequences = random_sequences(std::max<std::size_t>(per_pass, 32) * 2, length, config.vocabulary);
  const std::size_t threads = bulk ? options.threads : 1;
  encoder.encode(std::span(sequences).first(per_pass));
  std::vector<Measurement> parts(threads);
  std::vector<std::thread> workers;
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  for (Measurement& part : parts) {
    workers.emplace_back([&] { run_passes(encoder, sequences, per_pass, end, options.profile, part); });
  }
  for (std::thread& worker : workers) worker.join();
  Measurement total;
  total.seconds = seconds_since(start);
  for (const Measurement& part : parts) {
    total.texts += part.texts;
    total.cpu_seconds += part.cpu_seconds;
    total.milliseconds.insert(total.milliseconds.end(), part.milliseconds.begin(), part.milliseconds.end());
    total.profile.linear += part.profile.linear;
    total.profile.attention += part.profile.attention;
    total.profile.element_wise += part.profile.element_wise;
  }
  std::sort(total.milliseconds.begin(), total.milliseconds.end());
  return total;
}

void print(const Options& options, std::string_view precision, std::size_t length, const std::string& mode,
           const Measurement& result) {
  const double rate = static_cast<double>(result.texts * length) / result.seconds;
  const char* format =
      options.json
          ? "{\"engine\":\"ragtime\",\"precision\":\"%s\",\"threads\":%zu,\"length\":%zu,\"mode\":\"%s\",\"texts\":%zu,"
            "\"tokens_per_s\":%.0f,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n"
          : "%-5s threads %zu length %4zu %-6s texts %6zu %9.0f tokens/s p50 %8.3f ms p99 %8.3f ms\n";
  std::printf(format, std::string(precision).c_str(), options.threads, length, mode.c_str(), result.texts, rate,
              quantile(result.milliseconds, 0.5), quantile(result.milliseconds, 0.99));
  std::fflush(stdout);
}

// Seconds per token of the tokenizer on English words.
double tokenizer_seconds(const WordPiece& tokenizer) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The retrieval of relevant passages precedes generation. ";
  std::size_t tokens = 0;
  const auto start = Clock::now();
  while (seconds_since(start) < 0.1) tokens += tokenizer.encode(text, 100'000).size();
  return seconds_since(start) / static_cast<double>(tokens);
}

void print_profile(const Measurement& result, std::size_t tokens, double tokenizer) {
  const double text = tokenizer * static_cast<double>(tokens);
  const EncodeProfile& profile = result.profile;
  const double percent = 100 / (profile.linear + profile.attention + profile.element_wise + text);
  std::printf(
      "  linear %.1f %%, attention %.1f %%, element-wise %.1f %%, tokenizer %.1f %%; %.0f tokens per CPU second\n",
      profile.linear * percent, profile.attention * percent, profile.element_wise * percent, text * percent,
      static_cast<double>(tokens) / result.cpu_seconds);
}

void print(const Options& options, const char* shape, const ServiceFigures& figures) {
  const auto tokens = static_cast<double>(figures.tokens * figures.milliseconds.size());
  const char* format =
      options.json
          ? "{\"engine\":\"ragtime\",\"precision\":\"%s\",\"threads\":%zu,\"mode\":\"%s\",\"texts\":%zu,\"tokens\":%zu,"
            "\"tokens_per_s\":%.0f,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n"
          : "%-5s threads %zu %s of %zu texts, %zu tokens: %.0f tokens/s, a call p50 %.3f ms p99 %.3f ms\n";
  std::printf(format, std::string(precision_name(figures.precision)).c_str(), options.threads, shape, figures.texts,
              figures.tokens, tokens / figures.seconds, quantile(figures.milliseconds, 0.5),
              quantile(figures.milliseconds, 0.99));
}

void print(const Options& options, const char* pace, const SharedFigures& figures, const SharedFigures::Pace& at) {
  const char* format =
      options.json
          ? "{\"engine\":\"ragtime\",\"precision\":\"%s\",\"threads\":%zu,\"mode\":\"shared\",\"pace\":\"%s\","
            "\"clients\":%zu,"
            "\"idle\":{\"queries_per_s\":%.1f,\"p50_ms\":%.4f,\"p99_ms\":%.4f},"
            "\"busy\":{\"queries_per_s\":%.1f,\"p50_ms\":%.4f,\"p99_ms\":%.4f},"
            "\"p99_ratio\":%.2f,\"alone\":{\"tokens_per_s\":%.0f,\"cores\":%.2f},"
            "\"shared\":{\"tokens_per_s\":%.0f,\"cores\":%.2f},\"kept\":%.3f}\n"
          : "%-5s threads %zu %-6s clients %zu; idle %.0f queries/s p50 %.2f ms p99 %.2f ms; "
            "busy %.0f queries/s p50 %.2f ms p99 %.2f ms, ratio %.2f; documents alone %.0f tokens/s on %.2f cores, "
            "shared %.0f on %.2f, kept %.3f\n";
  const DocumentFigures& alone = figures.alone;
  const DocumentFigures& shared = at.documents;
  std::printf(format, std::string(precision_name(figures.precision)).c_str(), options.threads, pace,
              options.load.clients, at.idle.per_s, at.idle.p50_ms, at.idle.p99_ms, at.busy.per_s, at.busy.p50_ms,
              at.busy.p99_ms, at.busy.p99_ms / at.idle.p99_ms, alone.tokens_per_s, alone.cores, shared.tokens_per_s,
              shared.cores, shared.tokens_per_s / alone.tokens_per_s);
}

Result<void> run_lengths(const Options& options) {
  RAGTIME_TRY(const auto config, load_model_config(options.model));
  const auto path = config.transformer_directory / "model.safetensors";
  RAGTIME_TRY(const auto file, MappedFile::open(path));
  RAGTIME_TRY(const auto weights, Safetensors::parse(file.bytes(), path.string()));
  RAGTIME_TRY(const auto encoder, BertEncoder::load(weights, config.bert, options.precision));
  const auto tokenizer = WordPiece::load(config.transformer_directory);
  const double per_token = tokenizer.has_error() ? 0 : tokenizer_seconds(*tokenizer);
  for (std::size_t length : options.lengths) {
    for (const std::string& mode : options.modes) {
      const auto result = measure(encoder, config.bert, options, length, mode == "bulk");
      print(options, precision_name(encoder.precision()), length, mode, result);
      if (options.profile) print_profile(result, result.texts * length, per_token);
    }
  }
  return {};
}

Result<void> run_service(const Options& options) {
  if (options.rerank) {
    RAGTIME_TRY(const auto figures, measure_rerank(options.service()));
    print(options, "rerank", figures);
  } else if (!options.texts.empty()) {
    RAGTIME_TRY(const auto figures, measure_texts(options.service(), options.texts));
    print(options, "bulk", figures);
  } else {
    RAGTIME_TRY(const auto figures, measure_shared(options.service(), options.load));
    print(options, "paced", figures, figures.paced);
    print(options, "closed", figures, figures.closed_loop);
  }
  return {};
}

int run(const Options& options) {
  const bool service = options.rerank || !options.texts.empty() || options.modes.front() == "shared";
  const auto done = service ? run_service(options) : run_lengths(options);
  if (!done.has_error()) return 0;
  std::fprintf(stderr, "encoder_bench: %s\n", done.error().message.c_str());
  return 1;
}

std::vector<std::size_t> parse_lengths(const std::string& value) {
  std::vector<std::size_t> lengths;
  std::istringstream list(value);
  for (std::string each; std::getline(list, each, ',');) {
    lengths.push_back(std::strtoul(each.c_str(), nullptr, 10));
  }
  return lengths;
}

bool parse_flag(std::string_view name, Options& options) {
  if (name == "--json") options.json = true;
  if (name == "--profile") options.profile = true;
  if (name == "--rerank") options.rerank = true;
  return name == "--json" || name == "--profile" || name == "--rerank";
}

// False when there is no such option or value.
bool parse_value(std::string_view name, const std::string& value, Options& options) {
  const auto number = [&] { return std::strtoul(value.c_str(), nullptr, 10); };
  if (name == "--model") {
    options.model = value;
  } else if (name == "--threads") {
    options.threads = number();
  } else if (name == "--mode") {
    options.modes = {value};
    return value == "single" || value == "bulk" || value == "shared";
  } else if (name == "--texts") {
    options.texts = value;
  } else if (name == "--batch-tokens") {
    options.batch_tokens = number();
  } else if (name == "--seconds") {
    options.seconds = std::strtod(value.c_str(), nullptr);
  } else if (name == "--clients") {
    options.load.clients = number();
  } else if (name == "--rate") {
    options.load.queries_per_s = std::strtod(value.c_str(), nullptr);
  } else if (name == "--lengths") {
    options.lengths = parse_lengths(value);
  } else if (name == "--precision") {
    const auto precision = parse_precision(value);
    options.precision = precision.value_or(Precision::automatic);
    return precision.has_value();
  } else {
    return false;
  }
  return true;
}

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (parse_flag(name, options)) continue;
    if (++i == argc || !parse_value(name, argv[i], options)) return std::nullopt;
  }
  const bool lengths_good = !options.lengths.empty() &&
                            std::all_of(options.lengths.begin(), options.lengths.end(), [](auto l) { return l > 0; });
  const bool load_good = options.load.clients > 0 && options.load.queries_per_s > 0;
  return options.model.empty() || options.threads == 0 || !lengths_good || !load_good ? std::nullopt
                                                                                      : std::optional(options);
}

}  // namespace
}  // namespace ragtime::encoder

int main(int argc, char** argv) {
  const auto options = ragtime::encoder::parse(argc, argv);
  if (!options) {
    std::fprintf(stderr,
                 "usage: encoder_bench --model DIR [--precision auto|f32|bf16|int8] [--threads N]\n"
                 "  [--lengths 16,64] [--mode single|bulk|shared] [--texts FILE] [--rerank] [--batch-tokens N]\n"
                 "  [--seconds S] [--clients N] [--rate QPS] [--json] [--profile]\n");
    return 2;
  }
  return ragtime::encoder::run(*options);
}

// Speed of the encoder on token sequences of given lengths, as JSON lines or a table.
//
// usage: encoder_bench --model DIR [--precision auto|f32|bf16|int8] [--threads N] [--lengths 16,64,256,512]
//                      [--mode single|bulk] [--batch-tokens N] [--seconds S] [--json] [--profile]
//
// single: one sequence at a time on one thread, as a query. bulk: many at once on all threads, as ingest.
// Without --mode both. --profile adds where the time went, in percent, with the tokenizer's share, and the speed per
// second of processor time, which says more where other programs run.
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
#include <vector>

#include <time.h>

#include "encoder/bert_encoder.h"
#include "encoder/mapped_file.h"
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
  bool json = false;
  bool profile = false;
};

struct Measurement {
  std::size_t texts = 0;
  double seconds = 0;
  double cpu_seconds = 0;            // Of all threads.
  std::vector<double> milliseconds;  // Per forward pass.
  EncodeProfile profile;

  double quantile(double q) {
    std::sort(milliseconds.begin(), milliseconds.end());
    return milliseconds[static_cast<std::size_t>(q * static_cast<double>(milliseconds.size() - 1))];
  }
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
  return total;
}

void print(const Options& options, std::string_view precision, std::size_t length, const std::string& mode,
           Measurement& result) {
  const double rate = static_cast<double>(result.texts * length) / result.seconds;
  const char* format =
      options.json
          ? "{\"engine\":\"ragtime\",\"precision\":\"%s\",\"threads\":%zu,\"length\":%zu,\"mode\":\"%s\",\"texts\":%zu,"
            "\"tokens_per_s\":%.0f,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n"
          : "%-5s threads %zu length %4zu %-6s texts %6zu %9.0f tokens/s p50 %8.3f ms p99 %8.3f ms\n";
  std::printf(format, std::string(precision).c_str(), options.threads, length, mode.c_str(), result.texts, rate,
              result.quantile(0.5), result.quantile(0.99));
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

int run(const Options& options) {
  const auto fail = [](const Error& error) {
    std::fprintf(stderr, "encoder_bench: %s\n", error.message.c_str());
    return 1;
  };
  const auto config = load_model_config(options.model);
  if (config.has_error()) return fail(config.error());
  const auto path = config->transformer_directory / "model.safetensors";
  const auto file = MappedFile::open(path);
  if (file.has_error()) return fail(file.error());
  const auto weights = Safetensors::parse(file->bytes(), path.string());
  if (weights.has_error()) return fail(weights.error());
  const auto encoder = BertEncoder::load(*weights, config->bert, options.precision);
  if (encoder.has_error()) return fail(encoder.error());
  const auto tokenizer = WordPiece::load(config->transformer_directory);
  const double per_token = tokenizer.has_error() ? 0 : tokenizer_seconds(*tokenizer);
  for (std::size_t length : options.lengths) {
    for (const std::string& mode : options.modes) {
      auto result = measure(*encoder, config->bert, options, length, mode == "bulk");
      print(options, precision_name(encoder->precision()), length, mode, result);
      if (options.profile) print_profile(result, result.texts * length, per_token);
    }
  }
  return 0;
}

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--json" || name == "--profile") {
      (name == "--json" ? options.json : options.profile) = true;
      continue;
    }
    if (++i == argc) return std::nullopt;
    const std::string value = argv[i];
    if (name == "--model")
      options.model = value;
    else if (name == "--threads")
      options.threads = std::strtoul(value.c_str(), nullptr, 10);
    else if (name == "--mode")
      options.modes = {value};
    else if (name == "--batch-tokens")
      options.batch_tokens = std::strtoul(value.c_str(), nullptr, 10);
    else if (name == "--seconds")
      options.seconds = std::strtod(value.c_str(), nullptr);
    else if (name == "--lengths") {
      options.lengths.clear();
      std::istringstream list(value);
      for (std::string each; std::getline(list, each, ',');) {
        options.lengths.push_back(std::strtoul(each.c_str(), nullptr, 10));
      }
    } else if (name == "--precision") {
      const auto precision = parse_precision(value);
      if (!precision) return std::nullopt;
      options.precision = *precision;
    } else {
      return std::nullopt;
    }
  }
  const bool lengths_good = std::all_of(options.lengths.begin(), options.lengths.end(), [](auto l) { return l > 0; });
  return options.model.empty() || options.threads == 0 || !lengths_good ? std::nullopt : std::optional(options);
}

}  // namespace
}  // namespace ragtime::encoder

int main(int argc, char** argv) {
  const auto options = ragtime::encoder::parse(argc, argv);
  if (!options) {
    std::fprintf(stderr,
                 "usage: encoder_bench --model DIR [--precision auto|f32|bf16|int8] [--threads N]\n"
                 "  [--lengths 16,64] [--mode single|bulk] [--batch-tokens N] [--seconds S] [--json] "
                 "[--profile]\n");
    return 2;
  }
  return ragtime::encoder::run(*options);
}

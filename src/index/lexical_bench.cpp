// Speed of the lexical index on texts that are already terms, as JSON lines; bench/lexical_search.py drives it.
//
// usage: lexical_bench --documents FILE --queries NAME=FILE... [--k1 X] [--b X] [--batch N]
//
// Files hold one document or query a line, terms separated by spaces. Indexes all documents in batches, merging when
// the index says so and at the end, and prints {"documents","seconds","cpu_seconds","bytes"}. Then answers lines of
// standard input: "measure NAME" runs every query of the file once, on one thread, and prints
// {"seconds","p50_us","p99_us"}; "top NAME N" prints the numbers of the first ten documents for each of the first N
// queries.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <time.h>

#include "index/lexical_index.h"

namespace ragtime::index {
namespace {

using Clock = std::chrono::steady_clock;
using Texts = std::vector<std::vector<std::string>>;

struct Options {
  std::string documents;
  std::map<std::string, std::string> queries;
  LexicalOptions index{.k1 = 1.2f, .b = 0.75f};
  std::size_t batch = 250'000;
};

// Of this thread, which says more where other programs run.
double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<std::string> split(const std::string& line) {
  std::istringstream words(line);
  std::vector<std::string> terms;
  for (std::string term; words >> term;) terms.push_back(std::move(term));
  return terms;
}

Texts read_texts(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  Texts texts;
  for (std::string line; std::getline(file, line);) texts.push_back(split(line));
  return texts;
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
    const std::string& value = arguments[i + 1];
    if (arguments[i] == "--documents") options.documents = value;
    if (arguments[i] == "--queries")
      options.queries[value.substr(0, value.find('='))] = value.substr(value.find('=') + 1);
    if (arguments[i] == "--k1") options.index.k1 = std::stof(value);
    if (arguments[i] == "--b") options.index.b = std::stof(value);
    if (arguments[i] == "--batch") options.batch = std::stoul(value);
  }
  return options;
}

LexicalIndex build(const Options& options) {
  std::ifstream file(options.documents);
  if (!file) throw std::runtime_error("cannot read " + options.documents);
  LexicalIndex index(options.index);
  double seconds = 0;
  double cpu = 0;
  std::size_t count = 0;
  for (bool is_done = false; !is_done;) {
    std::vector<LexicalIndex::Addition> batch;
    std::string line;
    while (batch.size() < options.batch && std::getline(file, line)) {
      batch.push_back({static_cast<ChunkId>(count++), {}, split(line)});
    }
    is_done = batch.size() < options.batch;
    const auto begin = Clock::now();
    const double cpu_begin = cpu_seconds();
    index.apply({}, batch);
    if (is_done || index.merge_due()) index.adopt(index.merge(*index.view()));
    seconds += seconds_since(begin);
    cpu += cpu_seconds() - cpu_begin;
  }
  std::printf("{\"documents\":%zu,\"seconds\":%.4f,\"cpu_seconds\":%.4f,\"bytes\":%zu}\n", count, seconds, cpu,
              index.view()->report().bytes);
  return index;
}

std::vector<LexicalQuery> queries_of(const Texts& texts) {
  std::vector<LexicalQuery> queries(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) queries[i].terms = texts[i];
  return queries;
}

void measure(const LexicalView& view, const std::vector<LexicalQuery>& queries) {
  std::vector<double> microseconds;
  const auto begin = Clock::now();
  for (const LexicalQuery& query : queries) {
    const auto start = Clock::now();
    if (view.search(query).size() > query.k) std::abort();
    microseconds.push_back(1e6 * seconds_since(start));
  }
  const double seconds = seconds_since(begin);
  std::sort(microseconds.begin(), microseconds.end());
  const auto quantile = [&](double q) {
    return microseconds[static_cast<std::size_t>(q * static_cast<double>(microseconds.size() - 1))];
  };
  std::printf("{\"seconds\":%.6f,\"p50_us\":%.2f,\"p99_us\":%.2f}\n", seconds, quantile(0.5), quantile(0.99));
}

void print_top(const LexicalView& view, const std::vector<LexicalQuery>& queries, std::size_t count) {
  std::string out = "[";
  for (std::size_t i = 0; i < std::min(count, queries.size()); ++i) {
    out += i == 0 ? "[" : ",[";
    const auto hits = view.search(queries[i]);
    for (std::size_t h = 0; h < hits.size(); ++h) out += (h == 0 ? "" : ",") + std::to_string(hits[h].id);
    out += "]";
  }
  std::printf("%s]\n", out.c_str());
}

int run(const Options& options) {
  const LexicalIndex index = build(options);
  const auto view = index.view();
  std::map<std::string, std::vector<LexicalQuery>> sets;
  for (const auto& [name, path] : options.queries) sets[name] = queries_of(read_texts(path));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line); std::fflush(stdout)) {
    std::istringstream words(line);
    std::string command, name;
    std::size_t count = 0;
    words >> command >> name >> count;
    if (command == "measure") measure(*view, sets.at(name));
    if (command == "top") print_top(*view, sets.at(name), count);
  }
  return 0;
}

}  // namespace
}  // namespace ragtime::index

int main(int count, char** values) {
  try {
    return ragtime::index::run(ragtime::index::parse({values + 1, values + count}));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lexical_bench: %s\n", error.what());
    return 1;
  }
}

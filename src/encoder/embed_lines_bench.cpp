// Embeds lines of text, for benchmarks of vector search.
//
// usage: embed_lines MODEL_DIRECTORY THREADS [PRECISION] <lines >vectors.f32
// Writes normalised vectors as little-endian floats, one row for each line, as they are computed.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/thread_pool.h"
#include "encoder/text_encoder.h"

namespace ragtime::encoder {
namespace {

constexpr std::size_t kTextsAtOnce = 512;

bool embed(Embedder& embedder, std::vector<std::string> texts) {
  RequestContext context{"embed_lines", "bench", Deadline::never()};
  const auto embeddings = async::sync_wait(embedder.embed(std::move(texts), EmbedPurpose::document, context));
  if (!embeddings) {
    std::fprintf(stderr, "%s\n", embeddings.error().message.c_str());
    return false;
  }
  return std::fwrite(embeddings->values.data(), sizeof(float), embeddings->values.size(), stdout) ==
         embeddings->values.size();
}

int run(const char* directory, std::size_t threads, Precision precision) {
  async::ThreadPool pool({.name = "embed", .threads = threads});
  const auto embedder = open_embedder(directory, "bench", pool, {.precision = precision});
  if (!embedder) {
    std::fprintf(stderr, "%s\n", embedder.error().message.c_str());
    return 1;
  }
  std::vector<std::string> texts;
  for (std::string line; std::getline(std::cin, line);) {
    texts.push_back(std::move(line));
    if (texts.size() == kTextsAtOnce && !embed(**embedder, std::exchange(texts, {}))) return 1;
  }
  return texts.empty() || embed(**embedder, std::move(texts)) ? 0 : 1;
}

}  // namespace
}  // namespace ragtime::encoder

int main(int argc, char** argv) {
  const auto precision = ragtime::encoder::parse_precision(argc == 4 ? argv[3] : "auto");
  if (argc < 3 || argc > 4 || !precision) {
    std::fprintf(stderr, "usage: embed_lines MODEL_DIRECTORY THREADS [PRECISION] <lines >vectors.f32\n");
    return 2;
  }
  return ragtime::encoder::run(argv[1], std::strtoul(argv[2], nullptr, 10), *precision);
}

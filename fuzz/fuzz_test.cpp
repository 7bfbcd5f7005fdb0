// Runs the fuzzers' entry points over mutated inputs, the same ones every time.
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "http/request_cases.h"
#include "http/websocket_cases.h"
#include "index/snapshot.h"
#include "targets.h"

namespace ragtime::fuzz {
namespace {

using Target = int (*)(const std::uint8_t*, std::size_t);

constexpr std::uint32_t kSeed = 20240229;

std::string read(const char* name) {
  std::ifstream file(std::filesystem::path(RAGTIME_SOURCE_DIR) / "tests/data/tokenizer" / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void mutate(std::string& bytes, std::mt19937& random) {
  for (unsigned count = 1 + random() % 6; count > 0 && !bytes.empty(); --count) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, 1 + random() % 8);
        break;
      case 2:
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 16));
        break;
      default:
        bytes.resize(at);
        break;
    }
  }
}

void run(Target target, const std::vector<std::string>& seeds, int rounds) {
  testing::Test::RecordProperty("seed", static_cast<int>(kSeed));
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (int i = 0; i < rounds; ++i) {
    std::string bytes = seeds[random() % seeds.size()];
    mutate(bytes, random);
    EXPECT_EQ(target(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()), 0);
  }
}

TEST(Fuzz, Safetensors) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  run(safetensors, {std::string("\x38\0\0\0\0\0\0\0", 8) + header + std::string(8, '\1')}, 50000);
}

TEST(Fuzz, TokenizerJson) {
  const std::string frame =
      R"({"added_tokens":[{"id":0,"content":"<s>","lstrip":true}],"normalizer":{"type":"Sequence","normalizers":[)"
      R"({"type":"NFKC"},{"type":"Strip","strip_left":true,"strip_right":true},{"type":"Replace","pattern":)"
      R"({"Regex":" {2,}"},"content":"_"}]},"post_processor":{"type":"RobertaProcessing","cls":["<s>",0],"sep":["</s>",2]},)";
  run(tokenizer_json,
      {frame + R"("pre_tokenizer":{"type":"Metaspace","replacement":"_"},"model":{"type":"Unigram","unk_id":0,)"
               R"("vocab":[["<unk>",0],["_",-2],["a",-3]]}})",
       frame + R"("pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},)"
               R"("merges":["a b"]}})"},
      50000);
}

TEST(Fuzz, Vocabulary) {
  const std::string model = read("xlm_roberta/sentencepiece.bpe.model");
  run(vocabulary, {model.substr(0, 400), model.substr(model.size() - 20'000), model.substr(0, 4000)}, 20000);
}

TEST(Fuzz, Tokenisation) {
  std::vector<std::string> seeds;
  for (const char tokenizer : {'\0', '\1', '\2'}) {
    seeds.push_back(std::string(1, tokenizer) +
                    "it's a caf\xC3\xA9, \xE4\xBD\xA0\xE5\xA5\xBD <mask> 12\xCC\x81  \xF0\x9F\x91\x8D\n");
  }
  run(tokenisation, seeds, 20000);
}

// Two columns of five and three bytes.
std::string small_snapshot() {
  const auto file = std::filesystem::temp_directory_path() / ("ragtime-fuzz-" + std::to_string(::getpid()));
  auto writer = index::SnapshotWriter::create(file).value();
  const std::array<std::uint8_t, 5> values{1, 2, 3, 4, 5};
  writer->column("a", std::span<const std::uint8_t>(values));
  writer->column("b", std::span<const std::uint8_t>(values).first(3));
  writer->finish().value();
  std::ifstream stream(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  std::filesystem::remove(file);
  return bytes;
}

TEST(Fuzz, Snapshot) {
  const std::string whole = small_snapshot();
  EXPECT_EQ(snapshot(reinterpret_cast<const std::uint8_t*>(whole.data()), whole.size()), 0);
  run(snapshot, {whole, whole.substr(0, 24) + whole.substr(8192)}, 20000);
}

// Random changes, up to three of a segment; mutate() changes them further.
std::vector<std::string> random_changes(std::size_t count, bool with_kind) {
  std::mt19937 random(kSeed);
  std::vector<std::string> changes(count);
  for (std::string& bytes : changes) {
    bytes.resize((with_kind ? 1 : 0) + 6 * (1 + random() % 3));
    for (char& byte : bytes) byte = static_cast<char>(random());
  }
  return changes;
}

TEST(Fuzz, VectorSegment) {
  for (char kind = 0; kind < 16; ++kind) {
    EXPECT_EQ(vector_segment(reinterpret_cast<const std::uint8_t*>(&kind), 1), 0);
  }
  run(vector_segment, random_changes(2000, true), 6000);
}

TEST(Fuzz, LexicalIndex) {
  EXPECT_EQ(lexical_index(nullptr, 0), 0);
  run(lexical_index, random_changes(2000, false), 4000);
}

TEST(Fuzz, HttpRequest) {
  std::vector<std::string> seeds;
  for (auto& each : http::request_cases()) {
    if (each.bytes.size() < 2000) seeds.push_back(each.bytes + "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  run(http_request, seeds, 60'000);
}

TEST(Fuzz, HttpResponse) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
  run(http_response,
      {head + "Content-Length: 12\r\n\r\ndata: hello\n",
       head + "Transfer-Encoding: chunked\r\n\r\n7\r\ndata: a\r\n2;x\r\n\n\n\r\n0\r\nX: y\r\n\r\n",
       "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200\r\n\r\nto the end", "HTTP/1.1 304 Not Modified\r\n\r\n",
       "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
      60'000);
}

TEST(Fuzz, WebSocket) {
  std::vector<std::string> seeds;
  for (auto& each : http::websocket_cases()) {
    if (each.bytes.size() < 3000) seeds.push_back(each.bytes);
  }
  run(websocket, seeds, 60'000);
}

}  // namespace
}  // namespace ragtime::fuzz

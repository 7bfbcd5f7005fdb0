#include "engine/chunk_text.h"

#include <algorithm>
#include <limits>

#include "base/hash.h"
#include "text/analyzer.h"
#include "text/chunker.h"

namespace ragtime::engine {
namespace {

// Raise it when the same terms are put into fields in another way.
constexpr int kTermLayout = 1;

// The path of headings often begins with the title.
std::string context_of(std::string_view title, const text::Chunk& chunk) {
  const bool repeated = title.empty() || chunk.heading_path.starts_with(title);
  if (repeated) return chunk.heading_path;
  if (chunk.heading_path.empty()) return std::string(title);
  return std::string(title) + " › " + chunk.heading_path;
}

// Estimated tokens of the chunk that go into one text; some room is left because the estimate may be short.
std::size_t budget_for(std::string_view context, std::size_t tokens_max) {
  if (tokens_max == 0) return std::numeric_limits<std::size_t>::max();
  const std::size_t room = tokens_max * 4 / 5;
  const auto used = static_cast<std::size_t>(text::count_tokens(context));
  return std::max(room - std::min(room, used), tokens_max / 4);
}

std::size_t tokens_of(std::string_view text) {
  return static_cast<std::size_t>(text::count_tokens(text));
}

std::vector<std::string_view> parts_of(std::string_view text, std::size_t budget) {
  const std::size_t total = tokens_of(text);
  if (total <= budget) return {text};
  const std::size_t parts = (total + budget - 1) / budget;
  std::vector<std::string_view> cut;
  std::size_t begin = 0;
  std::size_t tokens = 0;
  for (const auto& sentence : text::split_sentences(text)) {
    const std::size_t more = tokens_of(text.substr(sentence.begin, sentence.end - sentence.begin));
    // Equal shares, so that a short rest does not count as much as a full part.
    if (tokens > 0 && (tokens + more / 2) * parts > total) {
      cut.push_back(text.substr(begin, sentence.begin - begin));
      begin = sentence.begin;
      tokens = 0;
    }
    tokens += more;
  }
  cut.push_back(text.substr(begin));
  return cut;
}

std::string_view stem(std::string_view filename) {
  const auto dot = filename.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? filename : filename.substr(0, dot);
}

std::string heading_text(std::string_view title, std::string_view filename, const text::Chunk& chunk) {
  std::string text = context_of(title, chunk);
  if (stem(filename) != title) text += "\n" + std::string(stem(filename));
  return text;
}

}  // namespace

std::vector<std::string> embedding_texts(std::string_view title, const text::Chunk& chunk, std::size_t tokens_max) {
  std::string context = context_of(title, chunk);
  if (!context.empty()) context += "\n";
  std::vector<std::string> texts;
  for (const auto part : parts_of(chunk.text, budget_for(context, tokens_max))) {
    texts.push_back(context + std::string(part));
  }
  return texts;
}

std::vector<std::string> lexical_terms(std::string_view title, std::string_view filename, const text::Chunk& chunk) {
  return text::analyze(heading_text(title, filename, chunk) + "\n" + chunk.text);
}

LexicalFields lexical_fields(std::string_view title, std::string_view filename, const text::Chunk& chunk) {
  LexicalFields fields;
  fields.heading = text::index_terms(heading_text(title, filename, chunk));
  fields.body = text::index_terms(chunk.text);
  return fields;
}

std::string analysis_fingerprint() {
  text::Chunk chunk;
  chunk.heading_path = "Installation › Étape nº 2";
  chunk.text =
      "Running the ef_construction and ERR-4012 cases, users' flies weren't “quoted” ﬁne at 3.14 km/h: x86-64 "
      "(v2.0.1)! "
      "我们在北京大学学习自然语言处理，臺灣的電腦。ＡＢＣ１２３ ｶﾀｶﾅ ひらがな 한국어 Straße naïve Москва हिन्दी العربية "
      "😀 "
      "https://example.com/a?b=c name@example.org HTTPServer camelCase 2024-05-06";
  const auto fields = lexical_fields("A Title of Ideas", "read_me-1.txt", chunk);
  std::string joined = std::to_string(kTermLayout);
  for (const auto& term : fields.heading) joined += '\n' + term;
  for (const auto& term : fields.body) joined += '\n' + term;
  return sha256_hex(joined).substr(0, 16);
}

}  // namespace ragtime::engine

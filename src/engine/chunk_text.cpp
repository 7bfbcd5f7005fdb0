#include "engine/chunk_text.h"

#include "text/analyzer.h"

namespace ragtime::engine {
namespace {

// The path of headings often begins with the title.
std::string context_of(std::string_view title, const text::Chunk& chunk) {
  const bool repeated = title.empty() || chunk.heading_path.starts_with(title);
  if (repeated) return chunk.heading_path;
  if (chunk.heading_path.empty()) return std::string(title);
  return std::string(title) + " › " + chunk.heading_path;
}

std::string_view stem(std::string_view filename) {
  const auto dot = filename.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? filename : filename.substr(0, dot);
}

}  // namespace

std::string embedding_text(std::string_view title, const text::Chunk& chunk) {
  const std::string context = context_of(title, chunk);
  return context.empty() ? chunk.text : context + "\n" + chunk.text;
}

std::vector<std::string> lexical_terms(std::string_view title, std::string_view filename, const text::Chunk& chunk) {
  std::string context = context_of(title, chunk);
  if (stem(filename) != title) context += "\n" + std::string(stem(filename));
  return text::analyze(context + "\n" + chunk.text);
}

}  // namespace ragtime::engine

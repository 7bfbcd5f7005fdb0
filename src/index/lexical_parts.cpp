#include "index/lexical_parts.h"

#include <algorithm>
#include <vector>

#include "index/lexical_builder.h"

namespace ragtime::index {
namespace {

constexpr TermId kUnmapped = ~TermId{0};

struct Source {
  ChunkId id = 0;
  std::uint32_t part = 0;
  Ordinal chunk = 0;
};

std::vector<Source> living_by_id(std::span<const LexicalPart> parts) {
  const auto by_id = [](const Source& a, const Source& b) { return a.id < b.id; };
  std::vector<Source> sources;
  for (std::uint32_t p = 0; p < parts.size(); ++p) {
    const auto ids = parts[p].segment->ids();
    const auto before = static_cast<std::ptrdiff_t>(sources.size());
    for (Ordinal chunk = 0; chunk < ids.size(); ++chunk) {
      if (!parts[p].is_removed(chunk)) sources.push_back({ids[chunk], p, chunk});
    }
    std::inplace_merge(sources.begin(), sources.begin() + before, sources.end(), by_id);
  }
  return sources;
}

// The builder's numbers of a part's terms, asked for when they are needed.
class TermMap {
 public:
  TermMap(const LexicalSegment& segment, LexicalBuilder& builder)
      : segment_(segment), builder_(builder), numbers_(segment.terms().size(), kUnmapped) {}

  void translate(std::vector<TermId>& terms) {
    for (TermId& term : terms) {
      if (numbers_[term] == kUnmapped) numbers_[term] = builder_.term(segment_.terms().term(term));
      term = numbers_[term];
    }
  }

 private:
  const LexicalSegment& segment_;
  LexicalBuilder& builder_;
  std::vector<TermId> numbers_;
};

}  // namespace

std::shared_ptr<const LexicalSegment> segment_of(std::span<const LexicalIndex::Addition> added,
                                                 const LexicalOptions& options, std::uint64_t sequence) {
  std::vector<const LexicalIndex::Addition*> by_id;
  for (const LexicalIndex::Addition& addition : added) by_id.push_back(&addition);
  std::sort(by_id.begin(), by_id.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
  LexicalBuilder builder(options);
  std::vector<TermId> heading;
  std::vector<TermId> body;
  for (const LexicalIndex::Addition* addition : by_id) {
    heading.clear();
    body.clear();
    for (const std::string& term : addition->heading) heading.push_back(builder.term(term));
    for (const std::string& term : addition->body) body.push_back(builder.term(term));
    builder.add(addition->id, heading, body, sequence);
  }
  return std::move(builder).finish(sequence, true);
}

std::shared_ptr<const LexicalSegment> merge_parts(std::span<const LexicalPart> parts, const LexicalOptions& options,
                                                  std::uint64_t sequence, bool keep_sequences) {
  LexicalBuilder builder(options);
  std::vector<TermMap> maps;
  for (const LexicalPart& part : parts) maps.emplace_back(*part.segment, builder);
  ForwardList forward;
  for (const Source& source : living_by_id(parts)) {
    const LexicalSegment& segment = *parts[source.part].segment;
    segment.read_forward(source.chunk, forward);
    maps[source.part].translate(forward.terms);
    const auto terms = std::span<const TermId>(forward.terms);
    builder.add(source.id, terms.first(forward.headings), terms.subspan(forward.headings),
                segment.sequence_of(source.chunk));
  }
  return std::move(builder).finish(sequence, keep_sequences);
}

}  // namespace ragtime::index

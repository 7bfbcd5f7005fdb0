#include "encoder/sequence_template.h"

#include <algorithm>
#include <utility>

namespace ragtime::encoder {
namespace {

using Element = SequenceTemplate::Element;
using Part = SequenceTemplate::Part;

std::size_t room(const std::vector<Element>& elements, std::size_t tokens_max) {
  const auto special = static_cast<std::size_t>(
      std::count_if(elements.begin(), elements.end(), [](const Element& e) { return e.part == Part::special; }));
  return tokens_max - std::min(special, tokens_max);
}

// The lengths that "longest_first" leaves of two texts.
std::pair<std::size_t, std::size_t> cut_longest_first(std::size_t first, std::size_t second, std::size_t room) {
  if (first + second <= room) return {first, second};
  auto [shorter, longer] = std::minmax(first, second);
  std::size_t keep_short = shorter;
  std::size_t keep_long = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (keep_short + keep_long > room) {
    keep_short = room / 2;
    keep_long = keep_short + room % 2;
  }
  return first > second ? std::pair(keep_long, keep_short) : std::pair(keep_short, keep_long);
}

}  // namespace

SequenceTemplate SequenceTemplate::bert(TokenId first, TokenId last) {
  const Element cls{Part::special, first, 0};
  const Element sep{Part::special, last, 0};
  return {{cls, {Part::first, 0, 0}, sep},
          {cls, {Part::first, 0, 0}, sep, {Part::second, 0, 1}, {Part::special, last, 1}}};
}

SequenceTemplate SequenceTemplate::roberta(TokenId first, TokenId last) {
  const Element cls{Part::special, first, 0};
  const Element sep{Part::special, last, 0};
  return {{cls, {Part::first, 0, 0}, sep}, {cls, {Part::first, 0, 0}, sep, sep, {Part::second, 0, 0}, sep}};
}

std::size_t SequenceTemplate::text_tokens(std::size_t tokens_max) const {
  return room(single_, tokens_max);
}

std::size_t SequenceTemplate::pair_tokens(std::size_t tokens_max) const {
  return room(pair_, tokens_max);
}

TokenSequence SequenceTemplate::assemble(TokenSequence text, std::size_t tokens_max) const {
  text.resize(std::min(text.size(), text_tokens(tokens_max)));
  TokenSequence out;
  out.reserve(text.size() + single_.size());
  for (const Element& element : single_) {
    if (element.part == Part::special) {
      out.push_back(element.id);
    } else {
      out.insert(out.end(), text.begin(), text.end());
    }
  }
  out.resize(std::min(out.size(), tokens_max));
  return out;
}

TokenPair SequenceTemplate::assemble(TokenSequence first, TokenSequence second, std::size_t tokens_max) const {
  const auto [keep_first, keep_second] = cut_longest_first(first.size(), second.size(), pair_tokens(tokens_max));
  first.resize(keep_first);
  second.resize(keep_second);
  TokenPair out;
  for (const Element& element : pair_) {
    if (element.part == Part::special) {
      out.ids.push_back(element.id);
    } else {
      const TokenSequence& text = element.part == Part::first ? first : second;
      out.ids.insert(out.ids.end(), text.begin(), text.end());
    }
    out.types.resize(out.ids.size(), element.type);
  }
  out.ids.resize(std::min(out.ids.size(), tokens_max));
  out.types.resize(out.ids.size());
  return out;
}

TokenId SequenceTemplate::id_max() const {
  TokenId id = -1;
  for (const auto* elements : {&single_, &pair_}) {
    for (const Element& element : *elements) {
      if (element.part == Part::special) id = std::max(id, element.id);
    }
  }
  return id;
}

}  // namespace ragtime::encoder

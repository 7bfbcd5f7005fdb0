#include "text/outline.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "text/utf8.h"

namespace ragtime::text {
namespace {

constexpr std::size_t kHeadingBytesMax = 200;

// One line without Markdown's # marks.
// "**Bold** and [a link](url)" as a reader sees it: "Bold and a link".
std::string without_markup(std::string_view markdown) {
  std::string plain;
  for (std::size_t i = 0; i < markdown.size(); ++i) {
    const std::string_view rest = markdown.substr(i);
    if (rest.starts_with("**") || rest.starts_with("__")) {
      ++i;
    } else if (const std::size_t target = rest.find("]("); rest.front() == '[' && target != std::string_view::npos) {
      const std::size_t close = rest.find(')', target);
      if (close == std::string_view::npos) return plain.append(rest);
      plain.append(without_markup(rest.substr(1, target - 1)));
      i += close;
    } else if (rest.front() != '`') {
      plain.push_back(rest.front());
    }
  }
  return plain;
}

std::string heading_text(std::string_view raw) {
  constexpr std::string_view kBlanks = " \t\n\r";
  const std::size_t begin = raw.find_first_not_of(" \t\n\r#");
  if (begin == std::string_view::npos) return {};
  std::string line;
  for (const char c : without_markup(raw.substr(begin))) {
    const bool is_blank = kBlanks.find(c) != std::string_view::npos;
    if (is_blank && !line.empty() && line.back() == ' ') continue;
    line += is_blank ? ' ' : c;
  }
  while (line.ends_with(' ')) line.pop_back();
  // A closing run of # stands after a space; the one of "C#" belongs to the name.
  const std::size_t last = line.find_last_not_of('#');
  if (last != std::string::npos && line[last] == ' ') line.resize(last);
  while (line.ends_with(' ')) line.pop_back();
  return std::string(truncate_utf8(line, kHeadingBytesMax));
}

// Headings above the new one, which its level decides, and itself.
void enter_heading(std::vector<std::pair<int, std::string>>& open, int level, std::string heading) {
  while (!open.empty() && open.back().first >= level) open.pop_back();
  open.emplace_back(level, std::move(heading));
}

// The highest level that occurs twice: a single title above everything divides nothing.
int top_level(const std::vector<Section>& sections) {
  std::array<int, 8> counts{};
  for (const Section& section : sections) ++counts[static_cast<std::size_t>(std::clamp(section.level, 0, 7))];
  for (int level = 1; level < 8; ++level) {
    if (counts[static_cast<std::size_t>(level)] > 1) return level;
  }
  return 0;
}

class Grouping {
 public:
  Grouping(const std::vector<Section>& sections, const std::vector<int>& tokens, int size)
      : sections_(sections), tokens_(tokens), size_(size), top_(top_level(sections)) {}

  std::vector<std::size_t> run() {
    for (std::size_t next = 0; next < sections_.size(); ++next) {
      if (firsts_.empty() || !joins(next)) begin_group(next);
      totals_.back() += tokens_[next];
    }
    if (firsts_.size() > 1 && is_tiny(totals_.back()) && may_join_backward()) join_backward();
    return firsts_;
  }

 private:
  bool is_tiny(int tokens) const { return tokens < std::max(1, size_ / 8); }
  bool is_small(int tokens) const { return tokens < std::max(1, size_ / 4); }

  // Whether the section leaves the parent, or begins a new main part.
  bool is_foreign(std::size_t next) const {
    const int level = sections_[next].level;
    const int first = sections_[firsts_.back()].level;
    return first > 0 && (level < first || level <= top_);
  }

  bool joins(std::size_t next) {
    const int total = totals_.back();
    const bool fits = total + tokens_[next] <= size_;
    if (!is_foreign(next)) return is_tiny(total) || (is_small(total) && fits);
    if (is_tiny(total) && may_join_backward()) {
      join_backward();
      return false;
    }
    return fits && (is_tiny(total) || (is_tiny(tokens_[next]) && is_small(total)));
  }

  // The last group goes to the one before when that is its parent or its sibling.
  bool may_join_backward() const {
    if (firsts_.size() < 2) return false;
    const std::size_t last = firsts_.back();
    const int before = sections_[firsts_[firsts_.size() - 2]].level;
    const int total = totals_.back() + totals_[totals_.size() - 2];
    return sections_[last].level >= std::max(before, 1) && (sections_[last].level > top_ || total <= size_ / 2);
  }

  void join_backward() {
    totals_[totals_.size() - 2] += totals_.back();
    totals_.pop_back();
    firsts_.pop_back();
  }

  void begin_group(std::size_t first) {
    firsts_.push_back(first);
    totals_.push_back(0);
  }

  const std::vector<Section>& sections_;
  const std::vector<int>& tokens_;
  int size_;
  int top_;
  std::vector<std::size_t> firsts_;
  std::vector<int> totals_;
};

}  // namespace

std::vector<Section> make_sections(std::string_view text, const std::vector<Block>& blocks) {
  std::vector<Section> sections;
  std::vector<std::pair<int, std::string>> open;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    const bool is_heading = block.kind == BlockKind::heading;
    if (is_heading) {
      enter_heading(open, std::max(1, block.heading_level),
                    heading_text(text.substr(block.begin, block.end - block.begin)));
    }
    if (is_heading || sections.empty()) {
      Section section{.block_begin = i, .block_end = i, .level = open.empty() ? 0 : open.back().first, .headings = {}};
      for (const auto& [level, heading] : open) section.headings.push_back(heading);
      sections.push_back(std::move(section));
    }
    sections.back().block_end = i + 1;
  }
  return sections;
}

std::vector<std::size_t> group_sections(const std::vector<Section>& sections, const std::vector<int>& tokens,
                                        int size) {
  return Grouping(sections, tokens, size).run();
}

std::string heading_path(const std::vector<Section>& sections, std::size_t begin, std::size_t end,
                         std::size_t fallback) {
  const std::vector<std::string>& first = sections[begin].headings;
  std::size_t common = first.size();
  for (std::size_t i = begin + 1; i < end; ++i) {
    const std::vector<std::string>& other = sections[i].headings;
    const auto differing = std::mismatch(first.begin(), first.end(), other.begin(), other.end()).first;
    common = std::min(common, static_cast<std::size_t>(differing - first.begin()));
  }
  const std::vector<std::string>& source = common > 0 ? first : sections[fallback].headings;
  const std::size_t depth = common > 0 ? common : source.size();
  std::string path;
  for (std::size_t i = 0; i < depth; ++i) path += (i == 0 ? "" : " › ") + source[i];
  return path;
}

}  // namespace ragtime::text

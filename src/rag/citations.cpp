#include "rag/citations.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "rag/passage.h"
#include "rag/question.h"
#include "text/analyzer.h"
#include "text/utf8.h"

namespace ragtime::rag {
namespace {

constexpr std::string_view kWideOpen = "【";
constexpr std::string_view kWideClose = "】";
// Longer is no marker.
constexpr std::size_t kMarkerBytesMax = 64;
constexpr std::size_t kSpacesMax = 64;
constexpr std::size_t kNumbersMax = 32;

bool is_space(char c) {
  return c == ' ' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// What follows a marker and wants a space before it.
bool begins_word(char c) {
  return is_word(c) || c == '`' || c == '(' || c == '"' || c == '*';
}

// Bytes of a code point at the end whose other bytes are missing.
std::size_t unfinished_bytes(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) return 0;
    if (byte < 0xC0) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    return back < length ? back : 0;
  }
  return 0;
}

enum class Match { no, yes, incomplete };

struct Marker {
  Match match = Match::no;
  std::size_t length = 0;
  std::vector<std::size_t> numbers;
};

// Reads "[1, 3-5]" at the beginning of a text that may not be complete yet.
class MarkerReader {
 public:
  explicit MarkerReader(std::string_view text) : text_(text) {}

  Marker read() {
    Marker marker;
    marker.match = match(marker.numbers);
    marker.length = at_;
    return marker;
  }

 private:
  Match match(std::vector<std::size_t>& numbers) {
    std::string_view close = "]";
    if (text_.starts_with('[')) {
      at_ = 1;
    } else if (text_.starts_with(kWideOpen)) {
      at_ = kWideOpen.size();
      close = kWideClose;
    } else {
      return kWideOpen.starts_with(text_) ? Match::incomplete : Match::no;
    }
    return match_list(close, numbers);
  }

  Match match_list(std::string_view close, std::vector<std::size_t>& numbers) {
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '^') ++at_;
    bool range = false;
    while (true) {
      skip_spaces();
      if (at_ >= kMarkerBytesMax) return Match::no;
      if (at_ == text_.size()) return Match::incomplete;
      if (!read_number(numbers, range)) return Match::no;
      skip_spaces();
      if (at_ == text_.size()) return Match::incomplete;
      const std::string_view rest = text_.substr(at_);
      if (rest.starts_with(close)) return at_ += close.size(), Match::yes;
      if (close.starts_with(rest)) return Match::incomplete;
      const std::size_t separator = separator_length(rest, range);
      if (separator == 0) return begins_separator(rest) ? Match::incomplete : Match::no;
      at_ += separator;
    }
  }

  void skip_spaces() {
    while (at_ < std::min(text_.size(), kMarkerBytesMax) && is_space(text_[at_])) ++at_;
  }

  bool read_number(std::vector<std::size_t>& numbers, bool range) {
    std::size_t number = 0;
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_]))
      number = number * 10 + static_cast<std::size_t>(text_[at_++] - '0');
    if (at_ == begin || at_ - begin > 4) return false;
    if (range && !numbers.empty()) {
      for (std::size_t n = numbers.back() + 1; n < number && numbers.size() < kNumbersMax; ++n) numbers.push_back(n);
    }
    if (numbers.size() < kNumbersMax) numbers.push_back(number);
    return true;
  }

  static constexpr auto kSeparators = std::to_array<std::string_view>({",", ";", "，", "、", "；"});
  static constexpr auto kRanges = std::to_array<std::string_view>({"-", "–"});

  static std::size_t separator_length(std::string_view rest, bool& range) {
    for (const std::string_view sign : kRanges) {
      if (rest.starts_with(sign)) return range = true, sign.size();
    }
    for (const std::string_view sign : kSeparators) {
      if (rest.starts_with(sign)) return range = false, sign.size();
    }
    return 0;
  }

  static bool begins_separator(std::string_view rest) {
    const auto begins = [&](std::string_view sign) { return sign.starts_with(rest); };
    return std::any_of(kSeparators.begin(), kSeparators.end(), begins) ||
           std::any_of(kRanges.begin(), kRanges.end(), begins);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Without the number of a list item.
std::vector<std::string> numbers_in(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view rest = text.substr(digits);
  if (rest.starts_with(". ") || rest.starts_with(") ")) text = rest;
  std::vector<std::string> numbers;
  for (std::string& term : text::analyze(text)) {
    if (is_digit(term.front()) &&
        std::all_of(term.begin(), term.end(), [](char c) { return is_digit(c) || c == '.'; })) {
      numbers.push_back(std::move(term));
    }
  }
  return numbers;
}

std::unordered_set<std::string> terms_of(std::string_view text) {
  const auto terms = text::analyze(text);
  return {terms.begin(), terms.end()};
}

bool holds_numbers(std::string_view claim, const std::unordered_set<std::string>& chunk_terms) {
  const auto numbers = numbers_in(claim);
  return std::all_of(numbers.begin(), numbers.end(),
                     [&](const std::string& number) { return chunk_terms.contains(number); });
}

}  // namespace

CitationStream::CitationStream(std::vector<const engine::SearchHit*> sources) : sources_(std::move(sources)) {}

std::vector<CitationEvent> CitationStream::feed(std::string_view delta) {
  received_ += delta;
  advance(false);
  return std::exchange(events_, {});
}

std::vector<CitationEvent> CitationStream::finish() {
  advance(true);
  return std::exchange(events_, {});
}

void CitationStream::advance(bool final) {
  while (!pending().empty() && step(final)) {
  }
  received_.erase(0, taken_);
  taken_ = 0;
}

bool CitationStream::step(bool final) {
  if (pending().front() == '`') return step_backticks(final);
  if (code_ticks_ > 0) {
    // Inline code ends with its paragraph, whatever the model forgot.
    if (code_ticks_ < 3 && pending().starts_with("\n\n")) code_ticks_ = 0;
    if (code_ticks_ > 0 && code_ticks_ < 3 && pending() == "\n" && !final) return false;
    return step_plain(final);
  }
  return step_marker(final);
}

bool CitationStream::step_backticks(bool final) {
  const std::size_t run = std::min(pending().find_first_not_of('`'), pending().size());
  if (run == pending().size() && !final) return false;
  if (code_ticks_ == 0) {
    code_ticks_ = run;
  } else if (code_ticks_ == run) {
    code_ticks_ = 0;
  }
  take(run);
  return true;
}

// At white space with a marker behind it, at a marker, or at plain text.
bool CitationStream::step_marker(bool final) {
  const std::size_t spaces = std::min(pending().find_first_not_of(" \t"), pending().size());
  if (spaces > kSpacesMax) return take(spaces - kSpacesMax), true;
  const std::string_view rest = pending().substr(spaces);
  if (rest.empty()) {
    if (!final) return false;
    return take(pending().size()), true;
  }
  const Marker marker = MarkerReader(rest).read();
  if (marker.match == Match::incomplete && !final) return false;
  if (marker.match != Match::yes) {
    if (spaces == 0) return step_plain(final);
    return take(spaces), true;
  }
  if (marker.length == rest.size() && !final) return false;
  const char before = spaces == 0 && !text_.empty() && !after_marker_ ? text_.back() : ' ';
  const bool is_link = rest.substr(marker.length).starts_with('(');
  const bool is_element = is_word(before) && marker.numbers == std::vector<std::size_t>{0};
  if (is_link || is_element) return take(spaces + marker.length), true;
  taken_ += spaces + marker.length;
  if (!after_marker_) cited_here_.clear();
  space_before_marker_ = (after_marker_ && space_before_marker_) || spaces > 0;
  after_marker_ = true;
  for (const std::size_t number : marker.numbers) cite_number(number);
  return true;
}

// Plain bytes up to the next one that could begin something else, in whole code points.
bool CitationStream::step_plain(bool final) {
  constexpr std::string_view kSpecial = " \t[`\n\xE3";
  std::size_t end = std::min(pending().find_first_of(kSpecial, 1), pending().size());
  if (end == pending().size() && !final) end -= unfinished_bytes(pending());
  take(end);
  return end > 0;
}

void CitationStream::take(std::size_t bytes) {
  emit(pending().substr(0, bytes));
  taken_ += bytes;
}

void CitationStream::emit(std::string_view text) {
  std::string shown;
  if (after_marker_) {
    const bool line_begins = text_.empty() || text_.back() == '\n';
    while (line_begins && !text.empty() && is_space(text.front())) text.remove_prefix(1);
    if (text.empty()) return;
    if (space_before_marker_ && !line_begins && begins_word(text.front())) shown = " ";
    after_marker_ = false;
  }
  shown += text;
  text_ += shown;
  code_points_ += text::count_code_points(shown);
  if (!events_.empty() && !events_.back().citation) {
    events_.back().text += shown;
  } else {
    events_.push_back({std::move(shown), std::nullopt});
  }
}

void CitationStream::cite_number(std::size_t number) {
  const bool known = number >= 1 && number <= sources_.size();
  if (!known || std::find(cited_here_.begin(), cited_here_.end(), number) != cited_here_.end()) return;
  cited_here_.push_back(number);
  Citation citation = cite_support(cited_sentence(), *sources_[number - 1]);
  citation.index = code_points_;
  events_.push_back({{}, std::move(citation)});
}

// The sentence that ends where the text ends now.
std::string_view CitationStream::cited_sentence() const {
  constexpr std::size_t kReachBytes = 800;
  std::size_t begin = text_.size() > kReachBytes ? text_.size() - kReachBytes : 0;
  while (begin > 0 && (static_cast<unsigned char>(text_[begin]) & 0xC0) == 0x80) --begin;
  const std::string_view tail = std::string_view(text_).substr(begin);
  const auto spans = text::split_sentences(tail);
  return spans.empty() ? std::string_view{} : tail.substr(spans.back().begin, spans.back().end - spans.back().begin);
}

Citation cite_support(std::string_view claim, const engine::SearchHit& hit) {
  constexpr double kSupportMin = 0.5;
  const auto claimed = content_terms(claim);
  Piece best{PieceKind::sentence, 0, hit.chunk.text.size()};
  double best_share = -1;
  for (const Piece& piece : split_passage(hit.chunk)) {
    const auto terms = terms_of(piece.of(hit.chunk.text));
    std::size_t common = 0;
    for (const std::string& term : claimed) common += terms.contains(term);
    const double share = claimed.empty() ? 0 : static_cast<double>(common) / static_cast<double>(claimed.size());
    if (share <= best_share) continue;
    best_share = share;
    best = piece;
  }
  Citation citation = cite(hit, best.begin, best.end);
  citation.verified = best_share >= kSupportMin && holds_numbers(claim, terms_of(hit.chunk.text));
  return citation;
}

}  // namespace ragtime::rag

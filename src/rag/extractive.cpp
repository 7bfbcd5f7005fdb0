#include "rag/extractive.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "rag/answer_signals.h"
#include "rag/passage.h"
#include "rag/question.h"
#include "text/analyzer.h"

namespace ragtime::rag {
namespace {

using Terms = std::unordered_set<std::string>;

// How much a term counts that stands not in the sentence itself but beside it.
constexpr double kHeadingCredit = 0.5;
constexpr double kTableHeaderCredit = 0.6;
constexpr double kNearCredit = 0.4;
constexpr double kFilenameCredit = 0.3;
constexpr double kChunkCredit = 0.2;
// Lines before a line of code that belong to it: a function's head, a comment.
constexpr std::size_t kCodeReach = 12;
// Below this share of the question's weight a sentence is no answer.
constexpr double kEvidenceMin = 0.25;
// Without a common word, hits this similar still answer.
constexpr float kDenseEvidenceMin = 0.5f;

Terms to_set(std::string_view text) {
  Terms set;
  for (std::string& term : text::analyze(text)) set.insert(std::move(term));
  return set;
}

struct Candidate {
  std::size_t hit = 0;
  Piece piece;
  Terms terms;
  TermMask own = 0;
  TermMask table_header = 0;
  TermMask heading = 0;
  TermMask near = 0;
  double score = 0;
};

struct HitMasks {
  TermMask heading_path = 0;
  TermMask filename = 0;
  TermMask chunk = 0;
};

class Extractor {
 public:
  Extractor(std::string_view question, const std::vector<engine::SearchHit>& hits)
      : question_(read_question(question)), hits_(hits) {}

  std::vector<ExtractedSentence> run(std::size_t sentences_max) {
    for (std::size_t i = 0; i < hits_.size(); ++i) collect(i);
    weigh_terms();
    for (Candidate& candidate : candidates_) candidate.score = score(candidate);
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    return select(sentences_max);
  }

 private:
  void collect(std::size_t hit_index) {
    const engine::SearchHit& hit = hits_[hit_index];
    const std::size_t first = candidates_.size();
    HitMasks masks{question_.match(to_set(hit.chunk.heading_path)), question_.match(to_set(hit.filename)), 0};
    for (const Piece& piece : split_passage(hit.chunk)) {
      Terms terms = to_set(piece.of(hit.chunk.text));
      const TermMask own = question_.match(terms);
      masks.chunk |= own;
      candidates_.push_back({hit_index, piece, std::move(terms), own});
    }
    masks_.push_back(masks);
    for (std::size_t i = first; i < candidates_.size(); ++i) look_around(first, i);
  }

  void look_around(std::size_t first, std::size_t index) {
    Candidate& candidate = candidates_[index];
    std::size_t reach = candidate.piece.kind == PieceKind::code ? kCodeReach : 1;
    for (std::size_t i = index; i-- > first;) {
      const Candidate& before = candidates_[i];
      if (before.piece.kind == PieceKind::heading) {
        candidate.heading |= before.own;
        break;
      }
      if (before.piece.kind == PieceKind::table_header && before.piece.block == candidate.piece.block) {
        candidate.table_header |= before.own;
      }
      if (reach > 0) candidate.near |= before.own;
      // The paragraph that introduces a block of code is near to each of its lines.
      if (candidate.piece.kind == PieceKind::code && before.piece.block != candidate.piece.block) break;
      reach -= reach > 0;
    }
    if (candidate.piece.kind == PieceKind::sentence && index + 1 < candidates_.size() &&
        candidates_[index + 1].piece.block == candidate.piece.block) {
      candidate.near |= candidates_[index + 1].own;
    }
  }

  // Rare among the candidates is telling; what no candidate has still counts for whether there is an answer at all.
  void weigh_terms() {
    constexpr double kAbsentWeight = 0.6;
    const double total = static_cast<double>(candidates_.size());
    for (std::size_t i = 0; i < question_.terms.size(); ++i) {
      const TermMask bit = TermMask{1} << i;
      std::size_t count = 0;
      bool known = false;
      for (const Candidate& candidate : candidates_) count += (candidate.own & bit) != 0;
      for (const HitMasks& masks : masks_) known = known || ((masks.heading_path | masks.filename) & bit) != 0;
      const double rarity =
          std::log(1 + (total - static_cast<double>(count) + 0.5) / (static_cast<double>(count) + 0.5));
      const double weight = question_.terms[i].weight * std::max(rarity, 0.1);
      weights_.push_back(weight);
      if (count > 0 || known) {
        present_weight_ += weight;
      } else {
        absent_weight_ += kAbsentWeight * question_.terms[i].weight * std::log(1 + total);
      }
    }
  }

  double weight_of(TermMask mask) const {
    double sum = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) sum += (mask >> i & 1) != 0 ? weights_[i] : 0;
    return sum;
  }

  double evidence(const Candidate& candidate) const {
    const HitMasks& masks = masks_[candidate.hit];
    double sum = 0;
    TermMask counted = 0;
    const auto credit = [&](TermMask mask, double share) {
      sum += share * weight_of(mask & ~counted);
      counted |= mask;
    };
    credit(candidate.own, 1);
    credit(candidate.table_header, kTableHeaderCredit);
    credit(candidate.heading | masks.heading_path, kHeadingCredit);
    credit(candidate.near, kNearCredit);
    credit(masks.filename, kFilenameCredit);
    credit(masks.chunk, kChunkCredit);
    return sum;
  }

  double score(const Candidate& candidate) const {
    if (candidate.piece.kind == PieceKind::heading || candidate.piece.kind == PieceKind::table_header) return 0;
    const double found = evidence(candidate);
    if (candidate.own == 0) return 0;
    if (found < kEvidenceMin * (present_weight_ + absent_weight_)) return 0;
    const std::string_view text = text_of(candidate);
    const auto positions = locate_terms(question_, weights_, text);
    return found / present_weight_ * answer_kind_factor(question_, positions, text) * form_factor(candidate, text) *
           rank_factor(candidate.hit);
  }

  // Questions in the text do not answer; nor do pieces that say nothing beyond the question, or walls of words.
  double form_factor(const Candidate& candidate, std::string_view text) const {
    constexpr std::size_t kWordyTerms = 60;
    constexpr std::size_t kTerseTerms = 3;
    double factor = 1;
    if (text.ends_with('?') || text.ends_with("？")) factor *= 0.4;
    if (candidate.piece.kind == PieceKind::code && is_comment(text)) factor *= 0.8;
    const std::size_t count = candidate.terms.size();
    if (count > kWordyTerms) factor *= std::sqrt(static_cast<double>(kWordyTerms) / static_cast<double>(count));
    if (count < kTerseTerms && candidate.piece.kind == PieceKind::sentence) factor *= 0.7;
    if (text.ends_with(':') || text.ends_with("：")) factor *= 0.7;
    return factor;
  }

  static bool is_comment(std::string_view line) {
    return line.starts_with('#') || line.starts_with("//") || line.starts_with("\"\"\"") || line.starts_with("/*");
  }

  double rank_factor(std::size_t hit) const {
    constexpr double kRankShare = 0.2;
    const float best = hits_.front().score;
    const double relative = best > 0 ? std::clamp(hits_[hit].score / best, 0.0f, 1.0f) : 1;
    return 1 - kRankShare + kRankShare * relative;
  }

  std::string_view text_of(const Candidate& candidate) const {
    return candidate.piece.of(hits_[candidate.hit].chunk.text);
  }

  std::vector<ExtractedSentence> select(std::size_t sentences_max) {
    std::vector<ExtractedSentence> selected;
    std::vector<const Candidate*> taken;
    for (const Candidate& candidate : candidates_) {
      if (selected.size() == sentences_max || candidate.score <= 0) break;
      if (!taken.empty() && candidate.score < share_wanted() * taken.front()->score) break;
      ExtractedSentence sentence = make_sentence(candidate);
      if (repeats(candidate, taken) || overlaps(sentence.citation, selected)) continue;
      if (!taken.empty() && strays(candidate, *taken.front())) continue;
      selected.push_back(std::move(sentence));
      taken.push_back(&candidate);
    }
    if (selected.empty() && sentences_max > 0) add_similar(selected);
    return selected;
  }

  // A question for one fact wants one; others may be told more.
  double share_wanted() const {
    switch (question_.kind) {
      case AnswerKind::any:
      case AnswerKind::definition:
        return 0.6;
      default:
        return 0.75;
    }
  }

  // A number for something else than what the first sentence gives it for.
  bool strays(const Candidate& candidate, const Candidate& first) const {
    constexpr double kCommonMin = 0.7;
    if (question_.kind != AnswerKind::number && question_.kind != AnswerKind::duration) return false;
    return weight_of(candidate.own & first.own) < kCommonMin * weight_of(first.own);
  }

  // The vectors found a passage that says it in other words: its first sentence.
  void add_similar(std::vector<ExtractedSentence>& selected) {
    const Candidate* best = nullptr;
    for (const Candidate& candidate : candidates_) {
      const bool first = best == nullptr || candidate.hit < best->hit ||
                         (candidate.hit == best->hit && candidate.piece.begin < best->piece.begin);
      const bool answers =
          candidate.piece.kind != PieceKind::heading && hits_[candidate.hit].dense_score >= kDenseEvidenceMin;
      if (answers && first) best = &candidate;
    }
    if (best != nullptr) selected.push_back(make_sentence(*best));
  }

  // A short piece that continues "…:" is quoted together with what it continues.
  Piece widened(const Candidate& candidate) const {
    constexpr std::size_t kFragmentTerms = 3;
    Piece piece = candidate.piece;
    if (piece.kind != PieceKind::sentence || candidate.terms.size() > kFragmentTerms) return piece;
    for (const Candidate& other : candidates_) {
      if (other.hit != candidate.hit || other.piece.kind != PieceKind::sentence || other.piece.end > piece.begin)
        continue;
      const std::string_view before = text_of(other);
      const bool opens = before.ends_with(':') || before.ends_with("：");
      if (opens && piece.begin - other.piece.end <= 6) return {piece.kind, other.piece.begin, piece.end, piece.block};
    }
    return piece;
  }

  ExtractedSentence make_sentence(const Candidate& candidate) const {
    const Piece piece = widened(candidate);
    ExtractedSentence sentence;
    sentence.citation = cite(hits_[candidate.hit], piece.begin, piece.end);
    sentence.citation.verified = true;
    sentence.score = candidate.score;
    sentence.text = shown(sentence.citation.quote, piece.kind);
    return sentence;
  }

  // The quote as running text: line breaks and indentation of prose mean nothing to the reader.
  static std::string shown(const std::string& quote, PieceKind kind) {
    std::string text;
    for (const char c : quote) {
      const bool space = c == ' ' || c == '\n' || c == '\t';
      if (space && (text.empty() || text.back() == ' ')) continue;
      text.push_back(space ? ' ' : c);
    }
    if (kind == PieceKind::code && text.find('`') == std::string::npos) return "`" + text + "`";
    return text;
  }

  static bool overlaps(const Citation& citation, const std::vector<ExtractedSentence>& selected) {
    return std::any_of(selected.begin(), selected.end(), [&](const ExtractedSentence& other) {
      return other.citation.file_id == citation.file_id && citation.begin < other.citation.end &&
             other.citation.begin < citation.end;
    });
  }

  // Nearly the same words as a sentence already taken, for example from a copy of the document.
  static bool repeats(const Candidate& candidate, const std::vector<const Candidate*>& taken) {
    constexpr double kSame = 0.75;
    return std::any_of(taken.begin(), taken.end(), [&](const Candidate* other) {
      std::size_t common = 0;
      for (const std::string& term : candidate.terms) common += other->terms.contains(term);
      const std::size_t all = candidate.terms.size() + other->terms.size() - common;
      return static_cast<double>(common) >= kSame * static_cast<double>(all);
    });
  }

  const Question question_;
  const std::vector<engine::SearchHit>& hits_;
  std::vector<Candidate> candidates_;
  std::vector<HitMasks> masks_;  // One per hit.
  std::vector<double> weights_;  // One per term of the question.
  double present_weight_ = 0;
  double absent_weight_ = 0;
};

}  // namespace

std::vector<ExtractedSentence> extract_sentences(std::string_view question, const std::vector<engine::SearchHit>& hits,
                                                 std::size_t sentences_max) {
  if (hits.empty()) return {};
  return Extractor(question, hits).run(sentences_max);
}

std::string no_answer_text(std::string_view question) {
  return is_chinese(question) ? "文档中没有这个问题的答案。"
                              : "The documents do not contain an answer to this question.";
}

}  // namespace ragtime::rag

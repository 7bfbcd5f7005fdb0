#include "rag/answer_memory.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "rag/prompt.h"
#include "rag/question.h"
#include "text/analyzer.h"
#include "text/utf8.h"

namespace ragtime::rag {
namespace {

constexpr std::size_t kCandidatesMax = 4;
constexpr std::size_t kEntryOverheadBytes = 512;

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

// Which of the words are in the text, as bits.
template <std::size_t N>
std::uint64_t words_in(std::string_view text, const std::array<std::string_view, N>& words) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < N; ++i) {
    if (text.find(words[i]) != std::string_view::npos) bits |= std::uint64_t{1} << i;
  }
  return bits;
}

// Between spaces, so that "now" has no "no" in it; Chinese as it is.
constexpr auto kAsking = std::to_array<std::string_view>(
    {" who ", " whom ", " whose ", " what ", " which ", " when ", " where ", " why ", " how ", " can ", " should ",
     "谁", "什么", "哪", "何时", "几", "多少", "多久", "多长", "为什么", "为何", "如何", "怎", "能否", "可以", "是否", "吗"});
constexpr auto kNegating = std::to_array<std::string_view>(
    {" not ", " no ", " never ", " without ", " none ", " cannot ", "n't ", " except ", " neither ", " nor ", "不", "没",
     "无", "非", "未", "别", "除了", "禁"});

// Words between single spaces, without punctuation.
std::string spaced_words(std::string_view text) {
  std::string out = " ";
  std::string plain = lowered(text);
  for (const std::string_view sign : {"？", "。", "，", "！", "、", "：", "；", "“", "”"}) {
    for (std::size_t at = plain.find(sign); at != std::string::npos; at = plain.find(sign, at)) {
      plain.replace(at, sign.size(), " ");
    }
  }
  for (const char c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    const bool keep = byte >= 0x80 || std::isalnum(byte) != 0 || c == '\'' || c == '_';
    if (keep) out.push_back(c);
    if (!keep && out.back() != ' ') out.push_back(' ');
  }
  if (out.back() != ' ') out.push_back(' ');
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "2.1 7 ", whatever sign ends the sentence.
std::string numbers_of(std::string_view text) {
  std::string numbers;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool inside = i > 0 && is_digit(text[i - 1]);
    const bool goes_on = i + 1 < text.size() && is_digit(text[i + 1]);
    if (is_digit(text[i]) || (inside && goes_on && (text[i] == '.' || text[i] == ','))) {
      numbers.push_back(text[i]);
    } else if (inside) {
      numbers.push_back(' ');
    }
  }
  if (!text.empty() && is_digit(text.back())) numbers.push_back(' ');
  return numbers;
}

bool is_single_question(const AnswerRequest& request) {
  return request.messages.size() == 1 && request.messages.front().role == "user" && request.sampling.extra_json.empty();
}

// Everything but the question; hashed, so that no separator can be forged.
std::string scope_of(const AnswerRequest& request, std::string_view model, const RequestContext& context) {
  std::string scope = sha256_hex(context.tenant()) + sha256_hex(model) + sha256_hex(request.instructions);
  if (!request.search) return scope;
  std::vector<std::string> stores = request.search->store_ids;
  std::sort(stores.begin(), stores.end());
  for (const std::string& store : stores) scope += sha256_hex(store);
  return scope;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0;
  double square_a = 0;
  double square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    square_a += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    square_b += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return square_a > 0 && square_b > 0 ? product / std::sqrt(square_a * square_b) : 0;
}

}  // namespace

std::string question_gate(std::string_view question) {
  const std::string words = spaced_words(question);
  std::string gate = fmt::format("{:x}|{:x}|{}|", words_in(words, kAsking), words_in(words, kNegating),
                                 numbers_of(question));
  const auto content = content_terms(question);
  for (const std::string& term : text::analyze(question)) {
    if (content.contains(term)) gate += term + ' ';
  }
  return gate;
}

AnswerMemory::AnswerMemory(AnswerMemoryConfig config, const engine::Engine& engine, encoder::Embedder* embedder, Now now)
    : config_(config), engine_(engine), embedder_(embedder), now_(std::move(now)) {}

std::optional<std::vector<AnswerMemory::DocumentVersion>> AnswerMemory::versions_of(const Answer& answer) const {
  std::vector<DocumentVersion> documents;
  for (const engine::SearchHit& hit : answer.search.hits) {
    const auto version = engine_.document_version(hit.store_id, hit.file_id);
    if (!version || *version > hit.chunk_id) return std::nullopt;  // It changed while the answer was made.
    documents.push_back({hit.store_id, hit.file_id, *version});
  }
  return documents;
}

bool AnswerMemory::is_current(const Entry& entry) const {
  if (entry.until <= now_()) return false;
  return std::all_of(entry.documents.begin(), entry.documents.end(), [&](const DocumentVersion& document) {
    return engine_.document_version(document.store_id, document.file_id) == document.version;
  });
}

void AnswerMemory::remember(const AnswerRequest& request, std::string_view model, const Answer& answer,
                            const RequestContext& context) {
  const bool whole = answer.finish_reason == llm::FinishReason::stop && answer.degraded.empty() && !answer.text.empty();
  if (config_.entries_max == 0 || !whole || !is_single_question(request)) return;
  if (request.search && request.search->filter) return;
  auto documents = versions_of(answer);
  if (!documents) return;
  Entry entry;
  entry.question = std::string(last_question(request.messages));
  entry.key = scope_of(request, model, context) + question_gate(entry.question);
  entry.plain = spaced_words(entry.question);
  entry.answer.model = answer.model;
  entry.answer.text = answer.text;
  entry.answer.citations = answer.citations;
  entry.answer.usage = answer.usage;
  entry.documents = std::move(*documents);
  entry.until = now_() + config_.ttl;
  entry.bytes = kEntryOverheadBytes + entry.key.size() + 2 * entry.question.size() + answer.text.size();
  for (const Citation& citation : answer.citations) entry.bytes += sizeof(Citation) + citation.quote.size();
  if (entry.bytes > config_.bytes_max) return;
  const std::lock_guard lock(mutex_);
  const auto [first, last] = by_key_.equal_range(entry.key);
  for (auto each = first; each != last; ++each) {
    if (each->second->plain != entry.plain) continue;
    erase(each->second);
    break;
  }
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  by_key_.emplace(entries_.front().key, entries_.begin());
  while (entries_.size() > config_.entries_max || bytes_ > config_.bytes_max) erase(std::prev(entries_.end()));
}

// Call with mutex_ held.
void AnswerMemory::erase(Entries::iterator entry) {
  const auto [first, last] = by_key_.equal_range(entry->key);
  const auto found = std::find_if(first, last, [&](const auto& each) { return each.second == entry; });
  if (found != last) by_key_.erase(found);
  bytes_ -= entry->bytes;
  entries_.erase(entry);
}

// Current ones, newest first; what is not current any more is forgotten.
std::vector<AnswerMemory::Entry> AnswerMemory::candidates(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::vector<Entries::iterator> found;
  const auto [first, last] = by_key_.equal_range(key);
  for (auto each = first; each != last; ++each) found.push_back(each->second);
  std::vector<Entry> current;
  for (const Entries::iterator& entry : found) {
    if (!is_current(*entry)) {
      erase(entry);
    } else if (current.size() < kCandidatesMax) {
      current.push_back(*entry);
    }
  }
  return current;
}

Task<double> AnswerMemory::similarity(std::string a, std::string b, RequestContext& context) const {
  if (embedder_ == nullptr || (is_chinese(a) && !embedder_->info().covers_cjk)) co_return 0;
  std::vector<std::string> texts{std::move(a), std::move(b)};
  auto vectors = co_await embedder_->embed(std::move(texts), encoder::EmbedPurpose::query, context);
  if (vectors.has_error() || vectors->size() != 2) co_return 0;
  co_return cosine(vectors->row(0), vectors->row(1));
}

Task<std::optional<Answer>> AnswerMemory::recall(const AnswerRequest& request, std::string_view model,
                                                 RequestContext& context) {
  if (config_.entries_max == 0 || !is_single_question(request)) co_return std::nullopt;
  if (request.search && request.search->filter) co_return std::nullopt;
  const std::string question(last_question(request.messages));
  const std::string plain = spaced_words(question);
  std::vector<Entry> found = candidates(scope_of(request, model, context) + question_gate(question));
  for (Entry& entry : found) {
    if (entry.plain == plain) co_return std::move(entry.answer);
  }
  for (Entry& entry : found) {
    const double alike = co_await similarity(question, entry.question, context);
    if (alike >= config_.similarity) co_return std::move(entry.answer);
  }
  co_return std::nullopt;
}

std::size_t AnswerMemory::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace ragtime::rag

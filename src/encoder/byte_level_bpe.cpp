#include "encoder/byte_level_bpe.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "encoder/byte_level_words.h"
#include "encoder/unicode_text.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

bool is_printable_byte(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

// GPT-2's alphabet: printable bytes are their own character, the others follow from U+0100 on.
std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) alphabet[byte] = is_printable_byte(byte) ? byte : next++;
  return alphabet;
}

std::string to_alphabet(std::string_view bytes) {
  static const auto kAlphabet = make_alphabet();
  std::string token;
  for (const char byte : bytes) append_utf8(kAlphabet[static_cast<unsigned char>(byte)], token);
  return token;
}

// The bytes that a token stands for, as far as they are in the alphabet.
std::string to_bytes(const std::string& token) {
  static const auto kAlphabet = make_alphabet();
  std::string bytes;
  for (std::size_t i = 0; i < token.size();) {
    const auto found = std::find(kAlphabet.begin(), kAlphabet.end(), text::next_code_point(token, i));
    if (found != kAlphabet.end()) bytes += static_cast<char>(found - kAlphabet.begin());
  }
  return bytes;
}

std::uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

TokenId largest_id(const ByteLevelBpeConfig& config) {
  TokenId id = -1;
  for (const auto& entry : config.vocabulary) id = std::max(id, entry.second);
  return id;
}

}  // namespace

// A word's tokens as a linked list, and the merges that are due.
struct ByteLevelBpe::Scratch {
  static constexpr std::size_t kEnd = static_cast<std::size_t>(-1);
  struct Symbol {
    TokenId id;
    std::size_t previous;
    std::size_t next;
    bool removed = false;
  };
  struct Due {
    Merge merge;
    std::size_t position;
    // The heap's top is the earliest merge, of these the leftmost.
    bool operator<(const Due& other) const {
      return std::pair(merge.rank, position) > std::pair(other.merge.rank, other.position);
    }
  };

  void add(TokenId id) {
    if (!symbols.empty()) symbols.back().next = symbols.size();
    symbols.push_back({id, symbols.empty() ? kEnd : symbols.size() - 1, kEnd});
  }

  std::vector<Symbol> symbols;
  std::vector<Due> heap;
};

ByteLevelBpe::ByteLevelBpe(ByteLevelBpeConfig config, TokenId model_id_max)
    : PipelineTokenizer(std::move(config.pipeline), model_id_max),
      fuse_unknown_(config.fuse_unknown),
      ignore_merges_(config.ignore_merges),
      prefix_space_(config.prefix_space),
      split_words_(config.split_words) {}

Result<ByteLevelBpe> ByteLevelBpe::create(ByteLevelBpeConfig config) {
  ByteLevelBpeConfig rest = std::move(config);
  ByteLevelBpe tokenizer(rest, largest_id(rest));
  RAGTIME_TRY_DONE(tokenizer.index(rest));
  return tokenizer;
}

Result<void> ByteLevelBpe::index(const ByteLevelBpeConfig& config) {
  for (const auto& [token, id] : config.vocabulary) {
    if (has_cjk(to_bytes(token))) ++cjk_entries_;
    vocabulary_.insert_or_assign(token, id);
  }
  for (unsigned byte = 0; byte < byte_tokens_.size(); ++byte) {
    const char as_char = static_cast<char>(byte);
    const auto found = vocabulary_.find(to_alphabet({&as_char, 1}));
    byte_tokens_[byte] = found == vocabulary_.end() ? kNone : found->second;
  }
  if (!config.unknown.empty()) {
    RAGTIME_TRY(unknown_, find(config.unknown, "unk_token"));
  }
  return index_merges(config.merges);
}

Result<void> ByteLevelBpe::index_merges(const std::vector<std::pair<std::string, std::string>>& merges) {
  merges_.reserve(merges.size());
  std::uint32_t rank = 0;
  for (const auto& [left, right] : merges) {
    RAGTIME_TRY(const TokenId left_id, find(left, "merges"));
    RAGTIME_TRY(const TokenId right_id, find(right, "merges"));
    RAGTIME_TRY(const TokenId merged, find(left + right, "merges"));
    merges_.insert_or_assign(pair_key(left_id, right_id), Merge{rank++, merged});
  }
  return {};
}

Result<TokenId> ByteLevelBpe::find(const std::string& token, std::string_view where) const {
  const auto found = vocabulary_.find(token);
  if (found != vocabulary_.end()) return found->second;
  return make_error(ErrorCode::corrupt,
                    "\"" + std::string(where) + "\" names " + token + ", which is not in the vocabulary");
}

const ByteLevelBpe::Merge* ByteLevelBpe::find_merge(TokenId left, TokenId right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void ByteLevelBpe::encode_stretch(Stretch stretch, std::size_t count_max, TokenSequence& out) const {
  std::string storage;
  std::string_view text = stretch.text;
  if (prefix_space_ && text.front() != ' ') text = storage.append(" ").append(text);
  Scratch scratch;
  for (std::size_t begin = 0; begin < text.size() && out.size() < count_max;) {
    const std::size_t end = split_words_ ? byte_level_word_end(text, begin) : text.size();
    encode_word(text.substr(begin, end - begin), scratch, out);
    begin = end;
  }
}

void ByteLevelBpe::encode_word(std::string_view word, Scratch& scratch, TokenSequence& out) const {
  if (ignore_merges_) {
    if (const auto whole = vocabulary_.find(to_alphabet(word)); whole != vocabulary_.end()) {
      return out.push_back(whole->second);
    }
  }
  start(word, scratch);
  merge(scratch);
  for (const auto& symbol : scratch.symbols) {
    if (!symbol.removed) out.push_back(symbol.id);
  }
}

// One symbol for every byte that is a token.
void ByteLevelBpe::start(std::string_view word, Scratch& scratch) const {
  scratch.symbols.clear();
  scratch.heap.clear();
  bool after_unknown = false;
  for (const char byte : word) {
    const TokenId id = byte_tokens_[static_cast<unsigned char>(byte)];
    if (id != kNone) {
      scratch.add(id);
    } else if (unknown_ != kNone && !(fuse_unknown_ && after_unknown)) {
      scratch.add(unknown_);
    }
    after_unknown = id == kNone;
  }
  for (std::size_t i = 0; i < scratch.symbols.size(); ++i) offer(i, scratch);
}

// Notes the merge of a symbol with the one behind it, if there is one.
void ByteLevelBpe::offer(std::size_t position, Scratch& scratch) const {
  const auto& symbol = scratch.symbols[position];
  if (symbol.next == Scratch::kEnd) return;
  const Merge* merge = find_merge(symbol.id, scratch.symbols[symbol.next].id);
  if (merge == nullptr) return;
  scratch.heap.push_back({*merge, position});
  std::push_heap(scratch.heap.begin(), scratch.heap.end());
}

void ByteLevelBpe::merge(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end());
    const auto due = scratch.heap.back();
    scratch.heap.pop_back();
    auto& left = symbols[due.position];
    if (left.removed || left.next == Scratch::kEnd) continue;
    auto& right = symbols[left.next];
    const Merge* current = find_merge(left.id, right.id);
    if (current == nullptr || current->id != due.merge.id) continue;  // Merged differently meanwhile.
    left.id = due.merge.id;
    right.removed = true;
    left.next = right.next;
    if (left.next != Scratch::kEnd) symbols[left.next].previous = due.position;
    if (left.previous != Scratch::kEnd) offer(left.previous, scratch);
    offer(due.position, scratch);
  }
}

}  // namespace ragtime::encoder

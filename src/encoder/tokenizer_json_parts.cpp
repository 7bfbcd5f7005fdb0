// tokenizer.json: normalizers and post-processors.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "encoder/charsmap.h"
#include "encoder/tokenizer_json.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;
using Element = SequenceTemplate::Element;
using Part = SequenceTemplate::Part;

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

Result<NormalizerStep> parse_charsmap(const JsonFile& part) {
  RAGTIME_TRY(const auto text, part.text_or("precompiled_charsmap", ""));
  const auto blob = decode_base64(text);
  if (!blob) return part.wrong("precompiled_charsmap", "is not base64");
  auto map = Charsmap::parse(*blob);
  if (map.has_error()) return part.wrong("precompiled_charsmap", "is damaged: " + map.error().message);
  return apply_charsmap(std::move(*map));
}

struct RunPattern {
  char32_t character = 0;  // 0 for white space.
  std::size_t count_min = 1;
};

// The patterns that published normalizers use: one character or \s, then +, {n,} or nothing.
std::optional<RunPattern> parse_run_pattern(std::string_view pattern) {
  RunPattern run;
  std::size_t position = 0;
  if (pattern.starts_with("\\s")) {
    position = 2;
  } else if (!pattern.empty()) {
    run.character = text::next_code_point(pattern, position);
    if (run.character < 0x80 &&
        std::string_view(".^$*+?()[]{}|\\").find(static_cast<char>(run.character)) != std::string_view::npos) {
      return std::nullopt;
    }
  }
  const std::string_view rest = pattern.substr(position);
  if (rest == "+") return run;
  if (rest.size() != 4 || rest[0] != '{' || rest[1] < '1' || rest[1] > '9' || rest.substr(2) != ",}") {
    return std::nullopt;
  }
  run.count_min = static_cast<std::size_t>(rest[1] - '0');
  return run;
}

Result<NormalizerStep> parse_replace(const JsonFile& part) {
  RAGTIME_TRY(const auto content, part.text_or("content", ""));
  RAGTIME_TRY(const auto pattern, part.object_or_empty("pattern"));
  RAGTIME_TRY(auto text, pattern.text_or("String", ""));
  if (!text.empty()) return replace_text(std::move(text), content);
  RAGTIME_TRY(const auto expression, pattern.text_or("Regex", ""));
  const auto run = parse_run_pattern(expression);
  if (!run) return unsupported(part, "normalizer", "Replace with the pattern '" + expression + "'");
  return replace_runs(run->character, run->count_min, content);
}

Result<NormalizerStep> parse_normalizer_step(const JsonFile& part) {
  RAGTIME_TRY(const auto type, part.text_or("type", ""));
  if (type == "Precompiled") return parse_charsmap(part);
  if (type == "Replace") return parse_replace(part);
  if (type == "NFC") return apply_form(UnicodeForm::nfc);
  if (type == "NFD") return apply_form(UnicodeForm::nfd);
  if (type == "NFKC") return apply_form(UnicodeForm::nfkc);
  if (type == "NFKD") return apply_form(UnicodeForm::nfkd);
  if (type == "Lowercase") return to_lower();
  if (type == "StripAccents") return strip_accents();
  if (type == "Strip") {
    RAGTIME_TRY(const bool left, part.flag_or("strip_left", true));
    RAGTIME_TRY(const bool right, part.flag_or("strip_right", true));
    return strip_space(left, right);
  }
  if (type == "Prepend") {
    RAGTIME_TRY(auto prefix, part.text_or("prepend", ""));
    return prepend(std::move(prefix));
  }
  return unsupported(part, "normalizer", "type " + type);
}

// ["</s>", 2], as the processors of BERT and RoBERTa name their special tokens.
Result<TokenId> parse_named_token(const JsonFile& part, std::string_view key) {
  const json::value* value = part.find(key);
  const json::array* pair = value == nullptr ? nullptr : value->if_array();
  boost::system::error_code failure;
  if (pair != nullptr && pair->size() == 2) {
    const auto id = pair->back().to_number<TokenId>(failure);
    if (!failure && id >= 0 && id <= kTokenIdMax) return id;
  }
  return part.wrong(key, "must be a token with its id");
}

using TokenIds = std::map<std::string, std::vector<TokenId>, std::less<>>;

Result<std::vector<TokenId>> parse_ids(const JsonFile& part, const json::value& value) {
  std::vector<TokenId> ids;
  const json::value* list = value.is_object() ? value.get_object().if_contains("ids") : nullptr;
  if (list == nullptr || !list->is_array()) return part.wrong("special_tokens", "has an entry without ids");
  for (const json::value& item : list->get_array()) {
    boost::system::error_code failure;
    const auto id = item.to_number<TokenId>(failure);
    if (failure || id < 0 || id > kTokenIdMax) return part.wrong("special_tokens", "has a bad id");
    ids.push_back(id);
  }
  return ids;
}

Result<TokenIds> parse_special_tokens(const JsonFile& part) {
  TokenIds out;
  RAGTIME_TRY(const auto tokens, part.object_or_empty("special_tokens"));
  for (const auto& entry : tokens.object()) {
    RAGTIME_TRY(auto ids, parse_ids(part, entry.value()));
    out.emplace(std::string(entry.key().data(), entry.key().size()), std::move(ids));
  }
  return out;
}

Result<void> append_element(const JsonFile& part, const json::value& value, const TokenIds& tokens,
                            std::vector<Element>& out) {
  if (!value.is_object()) return part.wrong("post_processor", "has a template element that is not an object");
  const auto element = JsonFile::part(part.path(), value.get_object());
  RAGTIME_TRY(const auto sequence, element.object_or_empty("Sequence"));
  RAGTIME_TRY(const auto special, element.object_or_empty("SpecialToken"));
  const bool is_sequence = element.contains("Sequence");
  const JsonFile& body = is_sequence ? sequence : special;
  RAGTIME_TRY(const auto id, body.text_or("id", ""));
  RAGTIME_TRY(const double type, body.number_or("type_id", 0));
  if (!(type >= 0 && type <= 1)) return part.wrong("type_id", "must be 0 or 1");
  Element next{Part::special, 0, static_cast<std::int32_t>(type)};
  if (is_sequence) {
    if (id != "A" && id != "B") return part.wrong("post_processor", "names a sequence other than A and B");
    next.part = id == "A" ? Part::first : Part::second;
    out.push_back(next);
    return {};
  }
  const auto found = tokens.find(id);
  if (found == tokens.end()) return part.wrong("special_tokens", "lacks the token \"" + id + "\" of the template");
  for (const TokenId token : found->second) {
    next.id = token;
    out.push_back(next);
  }
  return {};
}

Result<std::vector<Element>> parse_template(const JsonFile& part, std::string_view key, const TokenIds& tokens) {
  const json::value* elements = part.find(key);
  if (elements == nullptr || !elements->is_array()) return part.wrong(key, "must be an array");
  std::vector<Element> out;
  for (const json::value& value : elements->get_array()) {
    RAGTIME_TRY_DONE(append_element(part, value, tokens, out));
  }
  // One place per text, or a short text could grow without bounds.
  std::array<int, 3> places{};
  for (const Element& element : out) ++places[static_cast<std::size_t>(element.part)];
  const int seconds = key == "pair" ? 1 : 0;
  if (places[static_cast<std::size_t>(Part::first)] != 1 || places[static_cast<std::size_t>(Part::second)] != seconds) {
    return part.wrong(key, "must have one place for each text");
  }
  return out;
}

Result<SequenceTemplate> parse_processor(const JsonFile& part, const std::string& type) {
  if (type == "TemplateProcessing") {
    RAGTIME_TRY(const auto tokens, parse_special_tokens(part));
    RAGTIME_TRY(auto single, parse_template(part, "single", tokens));
    RAGTIME_TRY(auto pair, parse_template(part, "pair", tokens));
    return SequenceTemplate(std::move(single), std::move(pair));
  }
  if (type != "BertProcessing" && type != "RobertaProcessing") return unsupported(part, "post_processor", type);
  RAGTIME_TRY(const TokenId first, parse_named_token(part, "cls"));
  RAGTIME_TRY(const TokenId last, parse_named_token(part, "sep"));
  return type == "BertProcessing" ? SequenceTemplate::bert(first, last) : SequenceTemplate::roberta(first, last);
}

}  // namespace

Result<TextNormalizer> parse_text_normalizer(const JsonFile& file) {
  TextNormalizer normalizer;
  RAGTIME_TRY(const auto steps, parse_steps(file, "normalizer", "normalizers"));
  for (const JsonFile& part : steps) {
    RAGTIME_TRY(auto step, parse_normalizer_step(part));
    normalizer.add(std::move(step));
  }
  return normalizer;
}

Result<SequenceTemplate> parse_post_processor(const JsonFile& file) {
  RAGTIME_TRY(const auto steps, parse_steps(file, "post_processor", "processors"));
  std::optional<SequenceTemplate> out;
  for (const JsonFile& part : steps) {
    RAGTIME_TRY(const auto type, part.text_or("type", ""));
    if (type == "ByteLevel") continue;  // Changes offsets only.
    if (out) return unsupported(file, "post_processor", "more than one template");
    RAGTIME_TRY(out, parse_processor(part, type));
  }
  return out.value_or(SequenceTemplate());
}

}  // namespace ragtime::encoder

#include "llm/remote_embedder.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include <boost/json.hpp>

#include "text/chunker.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;

static_assert(std::endian::native == std::endian::little, "base64 embeddings are little-endian float32");

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return bytes;
}

std::optional<std::vector<float>> floats_of_base64(std::string_view text) {
  const auto bytes = decode_base64(text);
  if (!bytes || bytes->size() % sizeof(float) != 0) return std::nullopt;
  std::vector<float> vector(bytes->size() / sizeof(float));
  std::memcpy(vector.data(), bytes->data(), bytes->size());
  return vector;
}

std::optional<std::vector<float>> floats_of_array(const json::array& values) {
  std::vector<float> vector;
  vector.reserve(values.size());
  for (const json::value& value : values) {
    if (!value.is_number()) return std::nullopt;
    vector.push_back(static_cast<float>(value.to_number<double>()));
  }
  return vector;
}

// Nothing unless every value is a finite number.
std::optional<std::vector<float>> read_vector(const json::value* value) {
  std::optional<std::vector<float>> vector;
  if (value != nullptr && value->is_string()) vector = floats_of_base64(value->get_string());
  if (value != nullptr && value->is_array()) vector = floats_of_array(value->get_array());
  if (!vector || vector->empty()) return std::nullopt;
  for (const float number : *vector) {
    if (!std::isfinite(number)) return std::nullopt;
  }
  return vector;
}

constexpr std::int64_t kTokensMax = 1'000'000'000;  // Of one answer; more is a mistake of the server.

std::size_t total_tokens(const json::object& answer) {
  const json::value* usage = answer.if_contains("usage");
  if (usage == nullptr || !usage->is_object()) return 0;
  const json::value* tokens = usage->get_object().if_contains("prompt_tokens");
  if (tokens == nullptr || !tokens->is_int64() || tokens->get_int64() < 0) return 0;
  return static_cast<std::size_t>(std::min<std::int64_t>(tokens->get_int64(), kTokensMax));
}

struct Batch {
  std::vector<std::string> texts;
  std::vector<std::size_t> tokens;  // Estimated.
};

// The server counts a batch as a whole: its total is shared out by our estimates.
void share_out(std::size_t total, std::vector<std::size_t>& tokens) {
  const std::size_t estimated = std::accumulate(tokens.begin(), tokens.end(), std::size_t{0});
  if (total == 0 || estimated == 0) return;
  std::size_t seen = 0;
  std::size_t given = 0;
  for (auto& count : tokens) {
    seen += count;
    count = total * seen / estimated - given;
    given += count;
  }
}

class RemoteEmbedder final : public encoder::Embedder {
 public:
  RemoteEmbedder(RemoteEmbedderConfig config, RemoteCallParts parts)
      : config_(std::move(config)), parts_(parts), dimensions_(config_.dimensions) {
    info_.model = config_.call.name;
    info_.dimensions = config_.dimensions;
    info_.tokens_max = config_.tokens_max;
    info_.covers_cjk = true;
  }

  const encoder::EmbedderInfo& info() const override { return info_; }

  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose,
                                          RequestContext& context) override {
    encoder::Embeddings out;
    out.dimensions = dimensions_;
    std::size_t next = 0;
    while (next < texts.size()) {
      Batch batch = take_batch(texts, next);
      RemoteRequest request{"embeddings", [this, &batch](const std::string& model) { return body(model, batch); },
                            std::accumulate(batch.tokens.begin(), batch.tokens.end(), std::size_t{0})};
      const auto read = [&, this](const json::value& answer) { return append(answer, batch, out); };
      RAGTIME_CO_TRY_DONE(co_await post_json(parts_, config_.call, std::move(request), read, context));
    }
    co_return out;
  }

 private:
  Batch take_batch(std::vector<std::string>& texts, std::size_t& next) const {
    Batch batch;
    std::size_t tokens = 0;
    while (next < texts.size() && batch.texts.size() < config_.batch_texts_max) {
      const auto count = static_cast<std::size_t>(text::count_tokens(texts[next]));
      if (!batch.texts.empty() && tokens + count > config_.batch_tokens_max) break;
      tokens += count;
      batch.tokens.push_back(count);
      batch.texts.push_back(std::move(texts[next++]));
    }
    return batch;
  }

  static std::string body(const std::string& model, const Batch& batch) {
    json::object out{{"model", model}, {"encoding_format", "float"}};
    out["input"] = json::array(batch.texts.begin(), batch.texts.end());
    return json::serialize(out);
  }

  Result<void> append(const json::value& answer, Batch& batch, encoder::Embeddings& out) {
    const json::object* object = answer.if_object();
    const json::value* data = object == nullptr ? nullptr : object->if_contains("data");
    if (data == nullptr || !data->is_array()) return bad_answer(config_.call, "sent no embeddings");
    RAGTIME_TRY(const auto rows, ordered(data->get_array(), batch.texts.size()));
    for (const auto& row : rows) {
      if (row.size() != rows.front().size()) return wrong_dimensions(row.size(), rows.front().size());
    }
    RAGTIME_TRY_DONE(check_dimensions(rows.front().size()));
    out.dimensions = rows.front().size();
    for (const auto& row : rows) {
      out.values.insert(out.values.end(), row.begin(), row.end());
    }
    share_out(total_tokens(*object), batch.tokens);
    out.token_counts.insert(out.token_counts.end(), batch.tokens.begin(), batch.tokens.end());
    return {};
  }

  Result<std::vector<std::vector<float>>> ordered(const json::array& items, std::size_t count) const {
    if (items.size() != count) {
      return bad_answer(config_.call,
                        "sent " + std::to_string(items.size()) + " embeddings for " + std::to_string(count) + " texts");
    }
    std::vector<std::vector<float>> rows(count);
    for (std::size_t i = 0; i < count; ++i) {
      const json::object* item = items[i].if_object();
      if (item == nullptr) return bad_answer(config_.call, "sent no embeddings");
      const json::value* index = item->if_contains("index");
      const auto place = index == nullptr ? static_cast<std::int64_t>(i) : index->is_int64() ? index->get_int64() : -1;
      if (place < 0 || place >= static_cast<std::int64_t>(count) || !rows[static_cast<std::size_t>(place)].empty()) {
        return bad_answer(config_.call, "sent embeddings with a wrong index");
      }
      auto vector = read_vector(item->if_contains("embedding"));
      if (!vector) return bad_answer(config_.call, "sent an embedding that is not a list of finite numbers");
      rows[static_cast<std::size_t>(place)] = std::move(*vector);
    }
    return rows;
  }

  Result<void> check_dimensions(std::size_t got) {
    std::size_t expected = 0;
    if (dimensions_.compare_exchange_strong(expected, got) || expected == got) return {};
    return wrong_dimensions(got, expected);
  }

  Error wrong_dimensions(std::size_t got, std::size_t expected) const {
    return bad_answer(config_.call, "sent an embedding of " + std::to_string(got) + " dimensions instead of " +
                                        std::to_string(expected));
  }

  const RemoteEmbedderConfig config_;
  RemoteCallParts parts_;
  std::atomic<std::size_t> dimensions_;  // 0 until the first answer.
  encoder::EmbedderInfo info_;
};

}  // namespace

std::unique_ptr<encoder::Embedder> make_remote_embedder(RemoteEmbedderConfig config, RemoteCallParts parts) {
  return std::make_unique<RemoteEmbedder>(std::move(config), parts);
}

}  // namespace ragtime::llm

#include "encoder/model_config.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>

#include "encoder/json_file.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;

constexpr std::size_t kHiddenMax = 16'384;
constexpr std::size_t kLayersMax = 256;
constexpr std::size_t kVocabularyMax = 4'000'000;
constexpr std::size_t kPositionsMax = 65'536;
constexpr std::size_t kTokenTypesMax = 64;

Error unsupported(const std::filesystem::path& file, std::string what) {
  return make_error(ErrorCode::unsupported, file.string() + ": " + std::move(what));
}

Result<Activation> parse_activation(const JsonFile& config) {
  RAGTIME_TRY(const auto name, config.text_or("hidden_act", "gelu"));
  if (name == "gelu") return Activation::gelu_erf;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  return unsupported(config.path(), "the activation " + name + " is not supported (gelu, gelu_new, relu are)");
}

// XLM-RoBERTa and CamemBERT are RoBERTa with other vocabularies.
bool is_roberta(std::string_view type) {
  return type == "roberta" || type == "xlm-roberta" || type == "camembert";
}

Result<void> check_architecture(const JsonFile& config) {
  RAGTIME_TRY(const auto type, config.text_or("model_type", "none"));
  if (type != "bert" && !is_roberta(type)) {
    return unsupported(config.path(),
                       "the architecture " + type + " is not supported (bert, roberta and xlm-roberta are)");
  }
  RAGTIME_TRY(const auto positions, config.text_or("position_embedding_type", "absolute"));
  if (positions != "absolute") return unsupported(config.path(), "positions of type " + positions);
  RAGTIME_TRY(const bool decoder, config.flag_or("is_decoder", false));
  if (decoder) return unsupported(config.path(), "the model is a decoder, not an encoder");
  return {};
}

// RoBERTa's first token has the position behind the padding token's.
Result<std::size_t> load_position_offset(const JsonFile& config) {
  RAGTIME_TRY(const auto type, config.text_or("model_type", ""));
  if (!is_roberta(type)) return std::size_t{0};
  RAGTIME_TRY(const double padding, config.number_or("pad_token_id", 1));
  if (!(padding >= 0 && padding < static_cast<double>(kPositionsMax)))
    return config.wrong("pad_token_id", "is no position");
  return static_cast<std::size_t>(padding) + 1;
}

Result<BertConfig> load_bert(const JsonFile& config) {
  RAGTIME_TRY_DONE(check_architecture(config));
  BertConfig bert;
  RAGTIME_TRY(bert.hidden, config.size("hidden_size", kHiddenMax));
  RAGTIME_TRY(bert.layers, config.size("num_hidden_layers", kLayersMax));
  RAGTIME_TRY(bert.heads, config.size("num_attention_heads", kHiddenMax));
  RAGTIME_TRY(bert.intermediate, config.size("intermediate_size", 8 * kHiddenMax));
  RAGTIME_TRY(bert.vocabulary, config.size("vocab_size", kVocabularyMax));
  RAGTIME_TRY(bert.positions, config.size("max_position_embeddings", kPositionsMax));
  RAGTIME_TRY(bert.position_offset, load_position_offset(config));
  if (bert.positions < bert.position_offset + 3)
    return config.wrong("max_position_embeddings", "leaves too few positions");
  RAGTIME_TRY(bert.token_types, config.size("type_vocab_size", kTokenTypesMax));
  RAGTIME_TRY(bert.activation, parse_activation(config));
  RAGTIME_TRY(const double epsilon, config.number_or("layer_norm_eps", 1e-12));
  if (!(epsilon > 0 && epsilon < 1)) return config.wrong("layer_norm_eps", "must be between 0 and 1");
  bert.layer_norm_epsilon = static_cast<float>(epsilon);
  if (bert.hidden % bert.heads != 0) return config.wrong("hidden_size", "is not a multiple of num_attention_heads");
  return bert;
}

struct Module {
  std::string kind;  // "Transformer", "Pooling", "Normalize": the last part of the Python type.
  std::filesystem::path directory;
};

bool stays_inside(const std::filesystem::path& relative) {
  return relative.is_relative() && std::find(relative.begin(), relative.end(), "..") == relative.end();
}

Result<Module> parse_module(const std::filesystem::path& modules_file, const json::value& value) {
  if (!value.is_object()) return make_error(ErrorCode::corrupt, modules_file.string() + ": an entry is not an object");
  const auto entry = JsonFile::part(modules_file, value.get_object());
  RAGTIME_TRY(const auto type, entry.text_or("type", ""));
  RAGTIME_TRY(const auto path, entry.text_or("path", ""));
  if (!stays_inside(path)) return entry.wrong("path", "leads outside the model directory");
  return Module{type.substr(type.rfind('.') + 1), modules_file.parent_path() / path};
}

// Empty when there is no modules.json.
Result<std::vector<Module>> load_modules(const std::filesystem::path& directory) {
  const auto path = directory / "modules.json";
  auto value = read_json(path);
  if (value.has_error() && value.error().code == ErrorCode::not_found) return std::vector<Module>{};
  if (value.has_error()) return value.error();
  if (!value->is_array()) return make_error(ErrorCode::corrupt, path.string() + " does not hold a JSON array");
  std::vector<Module> modules;
  for (const json::value& entry : value->get_array()) {
    RAGTIME_TRY(auto module, parse_module(path, entry));
    modules.push_back(std::move(module));
  }
  return modules;
}

Result<Pooling> load_pooling(const std::filesystem::path& directory) {
  RAGTIME_TRY(const auto config, JsonFile::open(directory / "config.json"));
  std::vector<std::string> modes;
  for (const auto& entry : config.object()) {
    const std::string_view key(entry.key().data(), entry.key().size());
    if (key.starts_with("pooling_mode_") && entry.value() == json::value(true)) modes.emplace_back(key.substr(13));
  }
  if (modes.size() != 1) return unsupported(config.path(), "exactly one pooling mode must be chosen");
  if (modes[0] == "mean_tokens") return Pooling::mean;
  if (modes[0] == "cls_token") return Pooling::cls;
  if (modes[0] == "max_tokens") return Pooling::max;
  return unsupported(config.path(), "pooling by " + modes[0] + " is not supported");
}

Result<void> apply_modules(const std::filesystem::path& directory, ModelConfig& config) {
  RAGTIME_TRY(const auto modules, load_modules(directory));
  config.transformer_directory = directory;
  for (const Module& module : modules) {
    if (module.kind == "Transformer") {
      config.transformer_directory = module.directory;
    } else if (module.kind == "Pooling") {
      RAGTIME_TRY(config.pooling, load_pooling(module.directory));
    } else if (module.kind == "Normalize") {
      config.normalize = true;
    } else {
      return unsupported(directory / "modules.json", "the module " + module.kind + " is not supported");
    }
  }
  return {};
}

// sentence-transformers: its own file, else the tokenizer's limit; never more than there are positions.
Result<void> apply_limits(ModelConfig& config) {
  const auto& directory = config.transformer_directory;
  RAGTIME_TRY(const auto own, JsonFile::open_or_empty(directory / "sentence_bert_config.json"));
  RAGTIME_TRY(config.lowercase, own.flag_or("do_lower_case", false));
  RAGTIME_TRY(const auto tokenizer, JsonFile::open_or_empty(directory / "tokenizer_config.json"));
  const double most = static_cast<double>(config.bert.positions - config.bert.position_offset);
  RAGTIME_TRY(const double fallback, tokenizer.number_or("model_max_length", most));
  RAGTIME_TRY(const double limit, own.number_or("max_seq_length", fallback));
  if (!(limit >= 3)) return own.wrong("max_seq_length", "must be at least 3");
  config.tokens_max = static_cast<std::size_t>(std::min(limit, most));
  return {};
}

Result<void> apply_prompts(const std::filesystem::path& directory, ModelConfig& config) {
  RAGTIME_TRY(const auto file, JsonFile::open_or_empty(directory / "config_sentence_transformers.json"));
  RAGTIME_TRY(const auto prompts, file.object_or_empty("prompts"));
  RAGTIME_TRY(config.query_prompt, prompts.text_or("query", ""));
  RAGTIME_TRY(const auto passage, prompts.text_or("passage", ""));
  RAGTIME_TRY(config.document_prompt, prompts.text_or("document", passage));
  return {};
}

}  // namespace

Result<ModelConfig> load_model_config(const std::filesystem::path& directory) {
  ModelConfig config;
  RAGTIME_TRY_DONE(apply_modules(directory, config));
  RAGTIME_TRY(const auto file, JsonFile::open(config.transformer_directory / "config.json"));
  RAGTIME_TRY(config.bert, load_bert(file));
  RAGTIME_TRY_DONE(apply_limits(config));
  RAGTIME_TRY_DONE(apply_prompts(directory, config));
  return config;
}

}  // namespace ragtime::encoder

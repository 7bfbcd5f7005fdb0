// A tiny random BERT as a sentence-transformers directory, for tests.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ragtime::encoder {

struct TestTensor {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};
using TestTensors = std::map<std::string, TestTensor>;

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string with_length(const std::string& header) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header;
}

// The tensors as an F32 safetensors file.
inline std::string to_safetensors(const TestTensors& tensors) {
  std::string header = "{";
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    std::string shape;
    for (std::size_t dimension : tensor.shape) shape += (shape.empty() ? "" : ",") + std::to_string(dimension);
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
    header += (header.size() > 1 ? "," : "") + std::string("\"") + name + R"(":{"dtype":"F32","shape":[)" + shape +
              R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  return with_length(header + "}") + data;
}

struct TestModel {
  std::size_t hidden = 24;
  std::size_t layers = 2;
  std::size_t heads = 3;
  std::size_t intermediate = 40;
  std::size_t positions = 160;
  std::string activation = "gelu";
  std::string pooling = "mean_tokens";
  bool normalize = true;
  std::vector<std::string> vocabulary = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "brown",
                                         "fox",   "jump",  "##s",   "##ed",  ".",      ",",   "over",  "lazy",
                                         "dog",   "a",     "##b",   "##c",   "你",     "好",  "e",     "##f"};
  TestTensors tensors;

  explicit TestModel(std::uint32_t seed) {
    std::mt19937 random(seed);
    add(random, "embeddings.word_embeddings.weight", {vocabulary.size(), hidden});
    add(random, "embeddings.position_embeddings.weight", {positions, hidden});
    add(random, "embeddings.token_type_embeddings.weight", {2, hidden});
    add_pair(random, "embeddings.LayerNorm", {hidden});
    for (std::size_t i = 0; i < layers; ++i) {
      const std::string layer = "encoder.layer." + std::to_string(i) + ".";
      for (const char* part : {"query", "key", "value"}) {
        add_pair(random, layer + "attention.self." + part, {hidden, hidden});
      }
      add_pair(random, layer + "attention.output.dense", {hidden, hidden});
      add_pair(random, layer + "attention.output.LayerNorm", {hidden});
      add_pair(random, layer + "intermediate.dense", {intermediate, hidden});
      add_pair(random, layer + "output.dense", {hidden, intermediate});
      add_pair(random, layer + "output.LayerNorm", {hidden});
    }
  }

  // BERT's pooler and a classifier with one label.
  void add_classifier(std::uint32_t seed) {
    std::mt19937 random(seed);
    add_pair(random, "pooler.dense", {hidden, hidden});
    add_pair(random, "classifier", {1, hidden});
  }

  std::string config_json() const {
    return R"({"model_type":"bert","hidden_act":")" + activation + R"(","hidden_size":)" + std::to_string(hidden) +
           R"(,"num_hidden_layers":)" + std::to_string(layers) + R"(,"num_attention_heads":)" + std::to_string(heads) +
           R"(,"intermediate_size":)" + std::to_string(intermediate) + R"(,"vocab_size":)" +
           std::to_string(vocabulary.size()) + R"(,"max_position_embeddings":)" + std::to_string(positions) +
           R"(,"type_vocab_size":2,"layer_norm_eps":1e-12})";
  }

  void write(const std::filesystem::path& directory) const {
    write_file(directory / "config.json", config_json());
    write_file(directory / "model.safetensors", to_safetensors(tensors));
    std::string lines;
    for (const std::string& token : vocabulary) lines += token + "\n";
    write_file(directory / "vocab.txt", lines);
    const std::string normalize_module = R"(,{"path":"2_Normalize","type":"sentence_transformers.models.Normalize"})";
    write_file(directory / "modules.json", R"([{"path":"","type":"sentence_transformers.models.Transformer"},)"
                                           R"({"path":"1_Pooling","type":"sentence_transformers.models.Pooling"})" +
                                               (normalize ? normalize_module : "") + "]");
    write_file(directory / "1_Pooling" / "config.json", R"({"pooling_mode_)" + pooling + R"(":true})");
  }

 private:
  void add(std::mt19937& random, const std::string& name, std::vector<std::size_t> shape) {
    std::size_t count = 1;
    for (std::size_t dimension : shape) count *= dimension;
    std::normal_distribution<float> values(0.f, 0.4f);
    TestTensor tensor{std::move(shape), std::vector<float>(count)};
    for (float& value : tensor.values) value = values(random);
    tensors[name] = std::move(tensor);
  }

  void add_pair(std::mt19937& random, const std::string& name, std::vector<std::size_t> shape) {
    add(random, name + ".bias", {shape[0]});
    add(random, name + ".weight", std::move(shape));
  }
};

}  // namespace ragtime::encoder

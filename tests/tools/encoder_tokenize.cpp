// Prints the token ids of texts, for comparison with other tokenizers.
//
//     encoder_tokenize MODEL_DIRECTORY [TOKENS_MAX] < texts.jsonl
//
// Every line of the input is a JSON string, or an array of two for a pair; every line of the output is an array of ids,
// for a pair an array of two: ids and types.
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>

#include <boost/json.hpp>

#include "encoder/tokenizer.h"

namespace {

namespace json = boost::json;
using ragtime::encoder::Tokenizer;

std::string_view view(const json::value& value) {
  const json::string& text = value.as_string();
  return {text.data(), text.size()};
}

json::value encode(const Tokenizer& tokenizer, const json::value& line, std::size_t tokens_max) {
  if (line.is_string()) return json::value_from(tokenizer.encode(view(line), tokens_max));
  const auto pair = tokenizer.encode_pair(view(line.as_array().at(0)), view(line.as_array().at(1)), tokens_max);
  return {json::value_from(pair.ids), json::value_from(pair.types)};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: encoder_tokenize MODEL_DIRECTORY [TOKENS_MAX] < texts.jsonl\n";
    return 2;
  }
  const auto tokenizer = ragtime::encoder::load_tokenizer(argv[1]);
  if (tokenizer.has_error()) {
    std::cerr << tokenizer.error().message << "\n";
    return 1;
  }
  const std::size_t tokens_max = argc == 3 ? std::stoul(argv[2]) : 1'000'000;
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << json::serialize(encode(**tokenizer, json::parse(line), tokens_max)) << "\n";
  }
  return 0;
}

// Where the configured embedding model lies.
//
// Thread safety: a pure function of the file system.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "encoder/encoder_config.h"
#include "server/configuration.h"

namespace ragtime::server {

struct EncoderLookup {
  std::optional<std::filesystem::path> directory;  // Nothing: lexical search only.
  std::string name;                                // What clients call the model.
  std::string notice;                              // Why there is none although one would be good; one line.
};

// `encoder.model` as a directory, as a name under `models`, or under build/models when run from a build tree.
// Errors: invalid_argument when a model was asked for by a name of its own and is nowhere.
Result<EncoderLookup> find_encoder(const EncoderSettings& encoder, const std::filesystem::path& models);

// A directory, or a name under `models`, that holds a model. Errors: invalid_argument.
Result<std::filesystem::path> find_model(const std::string& model, const std::filesystem::path& models);

// Changes when any file of the model does: from names, sizes and times, without reading the files.
std::string model_fingerprint(const std::filesystem::path& directory);

// What the vectors of a local model depend on: its files, and the precision that `precision` of the configuration
// means on this processor. So vectors made as "auto" elsewhere are not taken for this machine's.
// Errors: unsupported, where this processor lacks the precision.
Result<std::string> encoder_fingerprint(const std::filesystem::path& directory, encoder::Precision precision);

}  // namespace ragtime::server

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "server/encoder_lookup.h"
#include "server/evaluation.h"
#include "server/version.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

fs::path models_of(const Configuration& configured) {
  return fs::path(configured.server.data_dir) / "models";
}

bool is_remote(const Configuration& configuration) {
  for (const auto& model : configuration.models) {
    if (model.task == "embedding" && model.name == configuration.encoder.model) return true;
  }
  return false;
}

// Whatever decides on chunks and vectors.
std::string ingest_settings(const Configuration& resolved) {
  const auto& chunking = resolved.chunking;
  std::string model = resolved.encoder.model;
  if (!model.empty() && !is_remote(resolved)) model = model_fingerprint(model);
  return fmt::format("{}\n{}\n{}\n{} {} {}\n", version(), model, resolved.encoder.precision, chunking.strategy,
                     chunking.size, chunking.overlap);
}

std::string hash_of(const Configuration& resolved, const EvaluationSet& set) {
  Sha256 hash;
  hash.update(ingest_settings(resolved));
  for (const auto& document : set.documents) {
    hash.update(fmt::format("{} {} {}\n", document.id.size(), document.title.size(), document.text.size()));
    hash.update(document.id);
    hash.update(document.title);
    hash.update(document.text);
  }
  return hash.finish_hex();
}

}  // namespace

Result<Configuration> evaluation_configuration(const Configuration& configured, const fs::path& directory) {
  Configuration out = configured;
  out.server.data_dir = directory.string();
  out.cache.embedding_rows_max = 0;  // The documents are taken in once and stay, or go with the directory.
  if (!is_remote(out)) {
    RAGTIME_TRY(const auto found, find_encoder(out.encoder, models_of(configured)));
    if (found.directory) out.encoder.model = found.directory->string();
  }
  for (auto& model : out.models) {
    if (model.directory.empty()) continue;
    RAGTIME_TRY(const auto place, find_model(model.directory, models_of(configured)));
    model.directory = place.string();
  }
  return out;
}

Result<EvaluationDirectory> EvaluationDirectory::temporary() {
  std::error_code failure;
  const fs::path parent = fs::temp_directory_path(failure);
  std::string name = (parent / "ragtime-eval-XXXXXX").string();
  if (failure || ::mkdtemp(name.data()) == nullptr) {
    return make_error(ErrorCode::unavailable, fmt::format("no temporary directory can be made in {}: {}",
                                                          parent.string(), std::strerror(errno)));
  }
  return EvaluationDirectory(name, true);
}

Result<EvaluationDirectory> EvaluationDirectory::kept(const Configuration& configured, const EvaluationSet& set) {
  RAGTIME_TRY(const auto resolved, evaluation_configuration(configured, {}));
  const std::string name = fmt::format("{}-{}", set.name, hash_of(resolved, set).substr(0, 12));
  const fs::path eval = fs::path(configured.server.data_dir) / "eval";
  std::error_code failure;
  fs::create_directories(eval, failure);
  if (!failure) return EvaluationDirectory(eval / name, false);
  return make_error(ErrorCode::unavailable, fmt::format("{} cannot be made: {}", eval.string(), failure.message()));
}

EvaluationDirectory::EvaluationDirectory(EvaluationDirectory&& other) noexcept
    : path_(std::move(other.path_)), remove_(std::exchange(other.remove_, false)) {}

EvaluationDirectory::~EvaluationDirectory() {
  std::error_code ignored;
  if (remove_) fs::remove_all(path_, ignored);
}

}  // namespace ragtime::server

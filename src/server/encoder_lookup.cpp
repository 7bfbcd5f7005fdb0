#include "server/encoder_lookup.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/hash.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

bool is_model(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / "config.json", ignored);
}

// build/release/ragtime → build/models, where scripts/fetch_model.sh puts what it fetches.
std::optional<fs::path> build_tree_models() {
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  if (failure) return std::nullopt;
  for (fs::path at = program.parent_path(); at.has_relative_path(); at = at.parent_path()) {
    if (at.filename() == "build") return at / "models";
  }
  return std::nullopt;
}

}  // namespace

Result<EncoderLookup> find_encoder(const EncoderSettings& encoder, const fs::path& models) {
  EncoderLookup out;
  if (encoder.model.empty()) return out;
  std::vector<fs::path> places;
  const bool is_path = encoder.model.find('/') != std::string::npos;
  if (is_path) places.push_back(encoder.model);
  places.push_back(models / encoder.model);
  if (const auto build = build_tree_models()) places.push_back(*build / encoder.model);
  for (const auto& place : places) {
    if (!is_model(place)) continue;
    out.directory = fs::absolute(place).lexically_normal();
    out.name = out.directory->has_filename() ? out.directory->filename().string()
                                             : out.directory->parent_path().filename().string();
    return out;
  }
  if (encoder.model != kDefaultEncoderModel) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("encoder.model: there is no model \"{}\" (looked for {}); add it with "
                                  "`ragtime model add`, or set encoder.model = \"\" for search by words only",
                                  encoder.model, places.front().string()));
  }
  out.notice = fmt::format(
      "no embedding model yet, so search goes by words only; `ragtime model add {}` adds search "
      "by meaning",
      "sentence-transformers/" + encoder.model);
  return out;
}

Result<fs::path> find_model(const std::string& model, const fs::path& models) {
  for (const fs::path& place : {fs::path(model), models / model}) {
    if (is_model(place)) return fs::absolute(place).lexically_normal();
  }
  return make_error(ErrorCode::invalid_argument, fmt::format("models.directory: there is no model in \"{}\"", model),
                    "models.directory");
}

std::string model_fingerprint(const fs::path& directory) {
  std::vector<std::string> files;
  std::error_code failure;
  for (fs::recursive_directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure)) {
    std::error_code ignored;
    if (!at->is_regular_file(ignored)) continue;
    const auto time = at->last_write_time(ignored).time_since_epoch().count();
    files.push_back(
        fmt::format("{} {} {}\n", at->path().lexically_relative(directory).string(), at->file_size(ignored), time));
  }
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const auto& file : files) hash.update(file);
  return hash.finish_hex();
}

Result<std::string> encoder_fingerprint(const fs::path& directory, encoder::Precision precision) {
  RAGTIME_TRY(const auto chosen, encoder::choose_precision(precision));
  return fmt::format("{} {}", model_fingerprint(directory), encoder::precision_name(chosen));
}

}  // namespace ragtime::server

#include "server/encoder_lookup.h"

#include <vector>

#include <fmt/format.h>

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

}  // namespace ragtime::server

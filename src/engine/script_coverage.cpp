#include "engine/script_coverage.h"

#include "text/utf8.h"

namespace ragtime::engine {

float script_coverage(const encoder::EmbedderInfo& model, std::string_view query) {
  return model.covers_cjk ? 1 : static_cast<float>(1 - text::cjk_share(query));
}

}  // namespace ragtime::engine

#include "encoder/embedder.h"

namespace ragtime::encoder {

Task<Result<TokenVectors>> Embedder::embed_tokens(std::vector<std::string>, EmbedPurpose, RequestContext&) {
  co_return make_error(ErrorCode::unsupported, "the model '" + info().model + "' gives one vector per text only");
}

}  // namespace ragtime::encoder

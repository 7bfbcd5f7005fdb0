#include "encoder/embedder.h"

namespace ragtime::encoder {

Task<Result<Embeddings>> Embedder::embed_ids(std::vector<std::vector<std::int32_t>>, RequestContext&) {
  co_return make_error(ErrorCode::unsupported, "the model '" + info().model + "' takes texts, not token arrays",
                       "input");
}

Task<Result<TokenVectors>> Embedder::embed_tokens(std::vector<std::string>, EmbedPurpose, RequestContext&) {
  co_return make_error(ErrorCode::unsupported, "the model '" + info().model + "' gives one vector per text only");
}

}  // namespace ragtime::encoder

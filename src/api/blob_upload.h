// BlobUpload: a request's bytes into the blob store, in pieces, off the event loop.
//
// Belongs to one request. Destroying it before finish() leaves nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/environment.h"

namespace ragtime::api {

class BlobUpload {
 public:
  BlobUpload(Environment& env, RequestContext& context) : env_(env), context_(context) {}

  // Errors: too_large over the configured file size; those of the blob store.
  Task<Result<void>> write(std::string_view bytes);
  // The content is then claimed (blob_claims.h): the caller must release_blob() when its rows are written or not.
  Task<Result<storage::BlobInfo>> finish();

 private:
  Task<Result<void>> flush();

  Environment& env_;
  RequestContext& context_;
  std::unique_ptr<storage::BlobWriter> writer_;
  std::string pending_;
  std::size_t bytes_ = 0;
};

// Gives the claim back even when the request was cancelled. A failure leaves unused content and is logged.
Task<> release_blob(Environment& env, std::string sha256, RequestContext& context);
// Removes content that no file refers to any more; as above otherwise.
Task<> drop_blob(Environment& env, std::string sha256, RequestContext& context);

}  // namespace ragtime::api

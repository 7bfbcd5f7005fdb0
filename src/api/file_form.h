// The multipart form of POST /v1/files: fields are checked, the file's bytes go straight into the blob store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "api/blob_upload.h"
#include "api/environment.h"
#include "http/multipart.h"

namespace ragtime::api {

struct FileForm {
  std::string filename;
  std::string purpose;
  std::optional<std::int64_t> expires_after_s;
  storage::BlobInfo blob;  // Claimed.
};

// The last part of a path, without control characters; "file" when nothing is left.
std::string display_filename(std::string_view given);

// Errors: invalid_argument (fields, syntax), too_large; those of the blob store. No claim is left on an error.
Task<Result<FileForm>> read_file_form(Environment& env, http::Request& request, RequestContext& context);

}  // namespace ragtime::api

#include "api/blob_upload.h"

#include <fmt/format.h>

namespace ragtime::api {
namespace {

constexpr std::size_t kFlushBytes = 1u << 20;
constexpr std::chrono::seconds kCleanupTimeout{30};

void log_leftover(Environment& env, const RequestContext& context, const std::string& sha256, const Error& error) {
  env.log.warning("blob_not_removed", {{"request_id", std::string_view(context.request_id())},
                                       {"sha256", std::string_view(sha256)},
                                       {"message", std::string_view(error.message)}});
}

}  // namespace

Task<Result<void>> BlobUpload::write(std::string_view bytes) {
  bytes_ += bytes.size();
  if (bytes_ > env_.config.file_bytes_max) {
    co_return make_error(ErrorCode::too_large,
                         fmt::format("The file is larger than {} bytes.", env_.config.file_bytes_max), "file");
  }
  pending_.append(bytes);
  if (pending_.size() < kFlushBytes) co_return Result<void>();
  co_return co_await flush();
}

Task<Result<void>> BlobUpload::flush() {
  const auto write_pending = [this]() -> Result<void> {
    if (!writer_) {
      RAGTIME_TRY(writer_, env_.blobs.create());
    }
    return writer_->write(pending_);
  };
  auto written = co_await env_.blocking.run(context_, write_pending);
  pending_.clear();
  co_return written;
}

Task<Result<storage::BlobInfo>> BlobUpload::finish() {
  RAGTIME_CO_TRY_DONE(co_await flush());
  const auto commit = [this] { return env_.blob_claims.commit(*writer_); };
  co_return co_await env_.blocking.run(context_, commit);
}

Task<> release_blob(Environment& env, std::string sha256, RequestContext& context) {
  RequestContext cleanup(context.request_id(), context.tenant(), Deadline::after(kCleanupTimeout));
  auto released = co_await env.blocking.run(cleanup, [&] { return env.blob_claims.release(sha256); });
  if (released.has_error()) log_leftover(env, context, sha256, released.error());
}

Task<> drop_blob(Environment& env, std::string sha256, RequestContext& context) {
  RequestContext cleanup(context.request_id(), context.tenant(), Deadline::after(kCleanupTimeout));
  auto removed = co_await env.blocking.run(cleanup, [&] { return env.blob_claims.remove_if_unused(sha256); });
  if (removed.has_error()) log_leftover(env, context, sha256, removed.error());
}

}  // namespace ragtime::api

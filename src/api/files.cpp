// /v1/files
#include <fmt/format.h>

#include "api/blob_upload.h"
#include "api/endpoints.h"
#include "api/file_form.h"
#include "api/lookups.h"
#include "api/page_query.h"
#include "api/reply.h"
#include "api/wire.h"
#include "base/id.h"

namespace ragtime::api {
namespace {

constexpr int kFilesLimitMax = 10'000;
constexpr std::size_t kReadBytes = 256u << 10;

storage::FileRecord make_file(const Environment& env, const RequestContext& context, const FileForm& form) {
  storage::FileRecord file;
  file.id = make_id("file-");
  file.tenant = context.tenant();
  file.filename = form.filename;
  file.purpose = form.purpose;
  file.sha256 = form.blob.sha256;
  file.bytes = form.blob.bytes;
  file.created_at = env.clock.unix_seconds();
  if (form.expires_after_s) file.expires_at = file.created_at + *form.expires_after_s;
  return file;
}

// RFC 6266 with RFC 5987's encoding, since names may hold any character.
std::string content_disposition(std::string_view filename) {
  std::string encoded;
  for (const char c : filename) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) || c == '.' || c == '-' || c == '_');
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return "attachment; filename*=UTF-8''" + encoded;
}

Task<> stream_blob(Environment& env, std::string sha256, RequestContext& context, http::StreamWriter& writer) {
  for (std::int64_t offset = 0;;) {
    auto bytes = co_await env.blocking.run(context, [&] { return env.blobs.read(sha256, offset, kReadBytes); });
    // The head is gone already: an exception makes the server break the connection, so that no client takes the cut
    // file for the whole.
    if (bytes.has_error()) throw std::runtime_error("file content: " + bytes.error().message);
    if (bytes->empty()) break;
    offset += static_cast<std::int64_t>(bytes->size());
    auto written = co_await writer.write(*bytes);
    if (written.has_error()) break;
  }
  env.observe_stages(context);
}

}  // namespace

Task<Result<http::Response>> create_file(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const FileForm form, co_await read_file_form(env, request, context));
  const storage::FileRecord file = make_file(env, context, form);
  auto inserted = co_await env.blocking.run(context, [&] { return env.database.insert_file(file); });
  co_await release_blob(env, form.blob.sha256, context);
  if (inserted.has_error()) co_return inserted.error();
  co_return json_reply(file_object(file));
}

Task<Result<http::Response>> list_files(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const storage::PageRequest page, read_page(request, kFilesLimitMax, kFilesLimitMax));
  const std::string purpose = query_value(request, "purpose");
  auto files =
      co_await env.blocking.run(context, [&] { return env.database.list_files(context.tenant(), purpose, page); });
  if (files.has_error()) co_return page_error(files.error());
  std::vector<boost::json::object> items;
  for (const storage::FileRecord& file : files->items) items.push_back(file_object(file));
  co_return json_reply(list_object(std::move(items), files->has_more));
}

Task<Result<http::Response>> get_file(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto file, co_await find_file(env, path_part(request, "file_id"), context));
  co_return json_reply(file_object(file));
}

Task<Result<http::Response>> delete_file(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto file, co_await find_file(env, path_part(request, "file_id"), context));
  RAGTIME_CO_TRY_DONE(co_await env.engine.remove_file(context.tenant(), file.id, context));
  co_await drop_blob(env, file.sha256, context);
  co_return json_reply(deleted_object(file.id, "file"));
}

Task<Result<http::Response>> get_file_content(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto file, co_await find_file(env, path_part(request, "file_id"), context));
  http::Response response;
  response.headers.set("content-type", "application/octet-stream");
  response.headers.set("content-disposition", content_disposition(file.filename));
  response.headers.set("x-content-type-options", "nosniff");
  response.stream = [&env, &context, sha256 = file.sha256](http::StreamWriter& writer) {
    return stream_blob(env, sha256, context, writer);
  };
  co_return response;
}

}  // namespace ragtime::api

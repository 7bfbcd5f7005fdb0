#include "api/lookups.h"

#include <fmt/format.h>

namespace ragtime::api {
namespace {

Result<storage::VectorStoreRecord> get_store(storage::Database& database, const std::string& tenant,
                                             const std::string& text, bool by_name) {
  auto store = database.get_store(tenant, text);
  const auto missing = [&] { return store.has_error() && store.error().code == ErrorCode::not_found; };
  if (missing() && by_name && !text.empty()) store = database.find_store_by_name(tenant, text);
  if (missing()) return store_not_found(text, "vector_store_id");
  return store;
}

}  // namespace

std::string path_part(const http::Request& request, std::string_view name) {
  const auto found = request.params.find(std::string(name));
  return found == request.params.end() ? std::string() : found->second;
}

Error explain_not_found(Error error, std::string message, std::string param) {
  if (error.code != ErrorCode::not_found) return error;
  return make_error(ErrorCode::not_found, std::move(message), std::move(param));
}

Error store_not_found(std::string_view text, std::string_view param) {
  return make_error(ErrorCode::not_found, fmt::format("No vector store '{}' exists.", text), std::string(param));
}

Task<Result<storage::VectorStoreRecord>> find_store(Environment& env, std::string id, RequestContext& context) {
  co_return co_await env.look_up(context, [&] { return get_store(env.database, context.tenant(), id, false); });
}

Task<Result<storage::VectorStoreRecord>> find_store_by_id_or_name(Environment& env, std::string text,
                                                                  RequestContext& context) {
  co_return co_await env.look_up(context, [&] { return get_store(env.database, context.tenant(), text, true); });
}

Task<Result<storage::FileRecord>> find_file(Environment& env, std::string id, RequestContext& context) {
  auto file = co_await env.blocking.run(context, [&] { return env.database.get_file(context.tenant(), id); });
  if (file.has_error()) co_return explain_not_found(file.error(), fmt::format("No file '{}' exists.", id), "file_id");
  co_return file;
}

Result<void> check_files(storage::Database& database, const std::string& tenant, const std::vector<std::string>& ids,
                         const std::vector<std::string>& params) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto file = database.get_file(tenant, ids[i]);
    if (file.has_error()) {
      return explain_not_found(file.error(), fmt::format("No file '{}' exists.", ids[i]), params[i]);
    }
  }
  return {};
}

}  // namespace ragtime::api

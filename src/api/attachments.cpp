#include "api/attachments.h"

#include <algorithm>
#include <set>

#include "base/id.h"

namespace ragtime::api {

std::vector<std::string> Attachments::file_ids() const {
  std::vector<std::string> out;
  for (const Attachment& item : items) out.push_back(item.file_id);
  return out;
}

std::vector<std::string> Attachments::params() const {
  std::vector<std::string> out;
  for (const Attachment& item : items) out.push_back(item.param);
  return out;
}

Attachment read_attachment(const JsonNode& node) {
  if (!node.present()) node.reject_missing();
  const JsonNode file_id = node["file_id"];
  return {file_id.string(), file_id.path(), read_attributes(node["attributes"]),
          read_chunking_strategy(node["chunking_strategy"])};
}

Attachments read_file_ids(const JsonNode& node) {
  Attachments out;
  const Attributes attributes = read_attributes(node["attributes"]);
  const ChunkSizes chunks = read_chunking_strategy(node["chunking_strategy"]);
  std::set<std::string> seen;
  for (const JsonNode& item : node["file_ids"].items(kBatchFilesMax)) {
    std::string id = item.string();
    if (seen.insert(id).second) out.items.push_back({std::move(id), item.path(), attributes, chunks});
  }
  return out;
}

Attachments read_batch(const JsonNode& node) {
  const JsonNode files = node["files"];
  if (files.present() && node["file_ids"].present()) {
    files.reject("'files' and 'file_ids' exclude each other; send one of them.");
  }
  if (!files.present()) {
    Attachments out = read_file_ids(node);
    if (out.items.empty()) node["file_ids"].reject("'file_ids' or 'files' must name at least one file.");
    return out;
  }
  Attachments out;
  std::set<std::string> seen;
  for (const JsonNode& item : files.items(kBatchFilesMax)) {
    Attachment attachment = read_attachment(item);
    if (seen.insert(attachment.file_id).second) out.items.push_back(std::move(attachment));
  }
  if (out.items.empty()) files.reject("'files' must name at least one file.");
  return out;
}

storage::DocumentRecord make_document(const Environment& env, const std::string& store_id,
                                      const Attachment& attachment) {
  storage::DocumentRecord document;
  document.store_id = store_id;
  document.file_id = attachment.file_id;
  document.attributes = attachment.attributes;
  document.chunk_size = attachment.chunks.size;
  document.chunk_overlap = attachment.chunks.overlap;
  document.created_at = env.clock.unix_seconds();
  return document;
}

Task<Result<storage::BatchRecord>> attach_batch(Environment& env, std::string store_id, const Attachments& files,
                                                RequestContext& context) {
  storage::BatchRecord batch;
  batch.id = make_id("vsfb_");
  batch.store_id = store_id;
  batch.created_at = env.clock.unix_seconds();
  std::vector<storage::DocumentRecord> documents;
  for (const Attachment& file : files.items) {
    documents.push_back(make_document(env, store_id, file));
    documents.back().batch_id = batch.id;
  }
  RAGTIME_CO_TRY_DONE(co_await env.blocking.run(context, [&] { return env.database.insert_batch(batch, documents); }));
  for (const Attachment& file : files.items) env.ingestor.enqueue(context.tenant(), store_id, file.file_id);
  co_return co_await env.blocking.run(context, [&] { return env.database.get_batch(store_id, batch.id); });
}

std::string poll_after_ms(const Environment& env) {
  const std::size_t pending = env.ingestor.pending();
  return std::to_string(std::clamp<std::size_t>(100 + 20 * pending, 100, 2000));
}

}  // namespace ragtime::api

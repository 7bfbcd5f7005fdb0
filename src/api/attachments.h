// Attaching files to a vector store: what a request asks for, and the rows and queue entries it becomes.
#pragma once

#include <string>
#include <vector>

#include "api/environment.h"
#include "api/filters.h"
#include "api/json_reader.h"
#include "storage/records.h"

namespace ragtime::api {

inline constexpr std::size_t kBatchFilesMax = 2000;

struct Attachment {
  std::string file_id;
  std::string param;  // Where the request named it.
  Attributes attributes;
  ChunkSizes chunks;
};

struct Attachments {
  std::vector<Attachment> items;

  std::vector<std::string> file_ids() const;
  std::vector<std::string> params() const;
};

// {file_id, attributes?, chunking_strategy?}
Attachment read_attachment(const JsonNode& node);
// {file_ids, attributes?, chunking_strategy?}; none when absent. A repeated id counts once.
Attachments read_file_ids(const JsonNode& node);
// The same, or {files: [{file_id, …}]}; exactly one of them, with at least one file.
Attachments read_batch(const JsonNode& node);

storage::DocumentRecord make_document(const Environment& env, const std::string& store_id,
                                      const Attachment& attachment);
// Inserts a batch with all files and queues them. The files exist and belong to the tenant.
// Errors: conflict when one is in the store already (then nothing has changed).
Task<Result<storage::BatchRecord>> attach_batch(Environment& env, std::string store_id, const Attachments& files,
                                                RequestContext& context);

// Milliseconds that the SDKs' polling should wait, by the length of the queue; for `openai-poll-after-ms`.
std::string poll_after_ms(const Environment& env);

}  // namespace ragtime::api

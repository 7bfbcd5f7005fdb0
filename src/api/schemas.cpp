#include "api/schemas.h"

namespace ragtime::api {
namespace {

constexpr std::string_view kRequestSchemas = R"json({
  "Metadata": {"type": "object", "description": "At most 16 pairs; keys of 64 characters, values of 512.",
    "properties": {}, "additionalProperties": {"type": "string"}},
  "Attributes": {"type": "object", "description": "At most 16 pairs; keys of 64 characters, texts of 512.",
    "properties": {}, "additionalProperties": {"type": ["string", "number", "boolean"]}},
  "ChunkingStrategy": {"type": "object", "properties": {"type": {"type": "string", "enum": ["auto", "static"]},
    "static": {"type": "object", "properties": {"max_chunk_size_tokens": {"type": "integer", "minimum": 100,
    "maximum": 4096}, "chunk_overlap_tokens": {"type": "integer", "description": "At most half of the size.",
    "minimum": 0}}, "required": ["max_chunk_size_tokens", "chunk_overlap_tokens"]}}, "required": ["type"]},
  "ExpiresAfter": {"type": "object", "properties": {"anchor": {"type": "string", "enum": ["last_active_at"]},
    "days": {"type": "integer", "minimum": 1, "maximum": 365}}, "required": ["anchor", "days"]},
  "ComparisonFilter": {"type": "object", "properties": {"type": {"type": "string", "enum": ["eq", "ne", "gt",
    "gte", "lt", "lte", "in", "nin"]}, "key": {"type": "string"}, "value": {"description":
    "An array for in and nin."}}, "required": ["type", "key", "value"]},
  "CompoundFilter": {"type": "object", "description": "Nested at most 16 deep.", "properties": {"type":
    {"type": "string", "enum": ["and", "or"]}, "filters": {"type": "array", "items": {"$ref":
    "#/components/schemas/Filter"}, "maxItems": 100}}, "required": ["type", "filters"]},
  "Filter": {"oneOf": [{"$ref": "#/components/schemas/ComparisonFilter"}, {"$ref":
    "#/components/schemas/CompoundFilter"}]},
  "RankingOptions": {"type": "object", "properties": {"ranker": {"type": "string", "description":
    "none leaves out the configured second stage of the search; every other name is accepted and means the same."}, "score_threshold": {"type": "number", "minimum": 0, "maximum": 1},
    "hybrid_search": {"type": "object", "properties": {"embedding_weight": {"type": "number", "minimum": 0},
    "text_weight": {"type": "number", "minimum": 0}}, "required": ["embedding_weight", "text_weight"]}}},
  "FileSearchTool": {"type": "object", "properties": {"type": {"type": "string", "const": "file_search"},
    "vector_store_ids": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 16},
    "max_num_results": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}, "filters": {"$ref":
    "#/components/schemas/Filter"}, "ranking_options": {"$ref": "#/components/schemas/RankingOptions"}},
    "required": ["type", "vector_store_ids"]},
  "CreateVectorStore": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 256},
    "description": {"type": "string", "maxLength": 1024}, "file_ids": {"type": "array", "items": {"type":
    "string"}, "maxItems": 2000}, "chunking_strategy": {"$ref": "#/components/schemas/ChunkingStrategy"},
    "expires_after": {"$ref": "#/components/schemas/ExpiresAfter"}, "metadata": {"$ref":
    "#/components/schemas/Metadata"}, "ragtime": {"$ref": "#/components/schemas/StoreSettings"}}},
  "UpdateVectorStore": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 256},
    "description": {"type": "string", "maxLength": 1024}, "expires_after": {"$ref":
    "#/components/schemas/ExpiresAfter"}, "metadata": {"$ref": "#/components/schemas/Metadata"}, "ragtime":
    {"$ref": "#/components/schemas/StoreSettings"}}},
  "StoreSettings": {"type": "object", "description": "Settings of one store; null: as configured.", "properties":
    {"bm25": {"type": ["object", "null"], "description":
    "Ranking by words. A change acts on later searches, nothing is indexed anew.", "properties": {"k1": {"type":
    ["number", "null"], "minimum": 0, "maximum": 10, "description": "How much repetition of a term counts."}, "b":
    {"type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "How much long chunks are discounted."},
    "heading_weight": {"type": ["number", "null"], "minimum": 0, "maximum": 10, "description":
    "Of a term in title or headings, against 1 in the text."}}}}},
  "SearchVectorStore": {"type": "object", "properties": {"query": {"oneOf": [{"type": "string"}, {"type":
    "array", "items": {"type": "string"}, "maxItems": 16}]}, "max_num_results": {"type": "integer", "minimum":
    1, "maximum": 50, "default": 10}, "filters": {"$ref": "#/components/schemas/Filter"}, "ranking_options":
    {"$ref": "#/components/schemas/RankingOptions"}, "rewrite_query": {"type": "boolean", "description":
    "Accepted and ignored."}}, "required": ["query"]},
  "CreateVectorStoreFile": {"type": "object", "properties": {"file_id": {"type": "string"}, "attributes":
    {"$ref": "#/components/schemas/Attributes"}, "chunking_strategy": {"$ref":
    "#/components/schemas/ChunkingStrategy"}}, "required": ["file_id"]},
  "UpdateVectorStoreFile": {"type": "object", "properties": {"attributes": {"$ref":
    "#/components/schemas/Attributes"}}, "required": ["attributes"]},
  "CreateFileBatch": {"type": "object", "description": "Either file_ids or files.", "properties": {"file_ids":
    {"type": "array", "items": {"type": "string"}, "maxItems": 2000}, "files": {"type": "array", "items":
    {"$ref": "#/components/schemas/CreateVectorStoreFile"}, "maxItems": 2000}, "attributes": {"$ref":
    "#/components/schemas/Attributes"}, "chunking_strategy": {"$ref": "#/components/schemas/ChunkingStrategy"}}},
  "FileForm": {"type": "object", "properties": {"file": {"type": "string", "description": "The bytes.",
    "format": "binary"}, "purpose": {"type": "string", "enum": ["assistants", "batch", "fine-tune", "vision",
    "user_data", "evals"]}, "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
    "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2592000}}, "required": ["file",
    "purpose"]},
  "CreateEmbeddings": {"type": "object", "properties": {"model": {"type": "string"}, "input": {"oneOf":
    [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1},
    "maxItems": 2048}, {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 8192,
    "description": "Token ids of the model's own vocabulary, without special tokens."}, {"type": "array", "items":
    {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}, "maxItems": 2048}]}, "dimensions": {"type": "integer", "description":
    "At most the model's; fewer cut the vector and normalise it again.", "minimum": 1}, "encoding_format":
    {"type": "string", "enum": ["float", "base64"]}}, "required": ["model", "input"]},
  "CreateRerank": {"type": "object", "properties": {"model": {"type": "string", "description":
    "The first reranking model when absent."}, "query": {"type": "string", "minLength": 1}, "documents": {"type":
    "array", "items": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"text": {"type": "string"}},
    "required": ["text"]}]}, "minItems": 1, "maxItems": 1000}, "texts": {"type": "array", "description":
    "On /rerank, in place of documents: the answer is then a bare array of index, score and text.", "items": {"type":
    "string"}, "minItems": 1, "maxItems": 1000}, "top_n": {"type": "integer", "minimum": 1}, "return_documents":
    {"type": "boolean"}, "return_text": {"type": "boolean"}, "raw_scores": {"type": "boolean", "description":
    "Logits in place of scores of 0 to 1."}}, "required": ["query"]},
  "ChatMessage": {"type": "object", "properties": {"role": {"type": "string", "enum": ["system", "developer",
    "user", "assistant"]}, "content": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type":
    "object", "properties": {"type": {"type": "string", "const": "text"}, "text": {"type": "string"}},
    "required": ["type", "text"]}}]}}, "required": ["role", "content"]},
  "CreateChatCompletion": {"type": "object", "description":
    "A configured model without documents gets the request as it is, with every field that OpenAI knows. For answers over documents the fields here count, with n = 1 and one tool.",
    "properties": {"messages": {"type": "array", "items": {"$ref":
    "#/components/schemas/ChatMessage"}}, "model": {"type": "string", "description":
    "A model, or MODEL@STORE to answer over a vector store (by id or name). The default model when absent."},
    "stream": {"type": "boolean"}, "stream_options": {"type": "object", "properties": {"include_usage":
    {"type": "boolean"}}}, "tools": {"type": "array", "items": {"$ref": "#/components/schemas/FileSearchTool"},
    "description": "An entry of type file_search makes the answer cite documents."},
    "tool_choice": {"description": "none, auto, required or {type: file_search}"}, "temperature": {"type":
    "number", "minimum": 0, "maximum": 2}, "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "max_completion_tokens": {"type": "integer", "minimum": 1}, "max_tokens": {"type": "integer", "minimum":
    1}, "stop": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems":
    16}]}, "seed": {"type": "integer"}, "response_format": {"type": "object", "properties": {}}, "n": {"type":
    "integer", "minimum": 1}}, "required": ["messages"]},
  "CreateCompletion": {"type": "object", "description": "Fields that are not named here reach the model as they are.",
    "properties": {"model": {"type": "string"}, "prompt": {"description": "A text, or several."}, "stream":
    {"type": "boolean"}, "stream_options": {"type": "object", "properties": {"include_usage": {"type":
    "boolean"}}}, "max_tokens": {"type": "integer", "minimum": 1}, "n": {"type": "integer", "minimum": 1}},
    "required": ["prompt"]},
  "StreamingChat": {"type": "object", "properties": {"message": {"type": "string"}, "session_id": {"type": "string",
    "maxLength": 256, "description": "Given back with the events."}, "user_id": {"type": "string", "maxLength": 256},
    "metadata": {"type": "object", "properties": {}, "description": "Given back by the route with metadata."}, "model":
    {"type": "string", "description": "A model, or MODEL@STORE. The default model when absent."}, "vector_store_ids":
    {"type": "array", "items": {"type": "string"}, "maxItems": 16, "description": "Answer over these stores."}},
    "required": ["message"]},
  "InputItem": {"type": "object", "properties": {"type": {"type": "string", "description":
    "message (the default); reasoning and file_search_call are accepted and ignored."}, "role": {"type":
    "string", "enum": ["user", "assistant", "system", "developer"]}, "content": {"oneOf": [{"type": "string"},
    {"type": "array", "items": {"type": "object", "properties": {"type": {"type": "string", "enum":
    ["input_text", "output_text"]}, "text": {"type": "string"}}, "required": ["type", "text"]}}]}}},
  "CreateResponse": {"type": "object", "properties": {"input": {"oneOf": [{"type": "string"}, {"type": "array",
    "items": {"$ref": "#/components/schemas/InputItem"}}]}, "model": {"type": "string", "description":
    "A model, or MODEL@STORE. The default model when absent."}, "instructions": {"type": "string"}, "tools":
    {"type": "array", "items": {"$ref": "#/components/schemas/FileSearchTool"}, "maxItems": 1}, "tool_choice":
    {"description": "none, auto, required or {type: file_search}"}, "include": {"type": "array", "items":
    {"type": "string", "description": "file_search_call.results"}}, "previous_response_id": {"type": "string"},
    "stream": {"type": "boolean"}, "store": {"type": "boolean", "description":
    "Whether GET /v1/responses/{id} finds it later.", "default": true}, "max_output_tokens": {"type":
    "integer", "minimum": 1}, "temperature": {"type": "number", "minimum": 0, "maximum": 2}, "top_p": {"type":
    "number", "minimum": 0, "maximum": 1}, "text": {"type": "object", "properties": {"format": {"type":
    "object", "properties": {"type": {"type": "string", "enum": ["text", "json_object", "json_schema"]}}}}},
    "reasoning": {"type": "object", "properties": {"effort": {"type": "string"}}}, "metadata": {"$ref":
    "#/components/schemas/Metadata"}}, "required": ["input"]}
})json";

constexpr std::string_view kResponseSchemas = R"json({
  "Error": {"type": "object", "properties": {"error": {"type": "object", "properties": {"message": {"type":
    "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"], "description":
    "The field at fault, with its full path."}, "code": {"type": ["string", "null"]}}, "required": ["message",
    "type", "param", "code"]}}, "required": ["error"]},
  "Model": {"type": "object", "properties": {"id": {"type": "string"}, "object": {"type": "string", "const":
    "model"}, "created": {"type": "integer"}, "owned_by": {"type": "string"}, "task": {"type": "string",
    "enum": ["chat", "embedding", "rerank"]}}, "required": ["id", "object", "created", "owned_by"]},
  "ModelList": {"type": "object", "properties": {"object": {"type": "string", "const": "list"}, "data":
    {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}, "first_id": {"type": ["string",
    "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}, "required": ["object",
    "data", "has_more"]},
  "File": {"type": "object", "properties": {"id": {"type": "string"}, "object": {"type": "string", "const":
    "file"}, "bytes": {"type": "integer"}, "created_at": {"type": "integer"}, "filename": {"type": "string"},
    "purpose": {"type": "string"}, "status": {"type": "string"}, "expires_at": {"type": ["integer", "null"]},
    "sha256": {"type": "string"}}, "required": ["id", "object", "bytes", "created_at", "filename", "purpose",
    "status"]},
  "FileList": {"type": "object", "properties": {"object": {"type": "string", "const": "list"}, "data": {"type":
    "array", "items": {"$ref": "#/components/schemas/File"}}, "first_id": {"type": ["string", "null"]},
    "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}, "required": ["object", "data",
    "has_more"]},
  "Deleted": {"type": "object", "properties": {"id": {"type": "string"}, "object": {"type": "string"},
    "deleted": {"type": "boolean"}}, "required": ["id", "object", "deleted"]},
  "FileCounts": {"type": "object", "properties": {"in_progress": {"type": "integer"}, "completed": {"type":
    "integer"}, "failed": {"type": "integer"}, "cancelled": {"type": "integer"}, "total": {"type": "integer"}}},
  "VectorStore": {"type": "object", "properties": {"id": {"type": "string"}, "object": {"type": "string",
    "const": "vector_store"}, "created_at": {"type": "integer"}, "name": {"type": "string"}, "description":
    {"type": ["string", "null"]}, "usage_bytes": {"type": "integer"}, "file_counts": {"$ref":
    "#/components/schemas/FileCounts"}, "status": {"type": "string", "enum": ["expired", "in_progress",
    "completed"]}, "expires_after": {"oneOf": [{"$ref": "#/components/schemas/ExpiresAfter"}, {"type":
    "null"}]}, "expires_at": {"type": ["integer", "null"]}, "last_active_at": {"type": "integer"}, "metadata":
    {"$ref": "#/components/schemas/Metadata"}, "embedding_model": {"type": ["string", "null"], "description":
    "Of its vectors; null: lexical only."}, "ragtime": {"$ref": "#/components/schemas/StoreSettings"}, "index":
    {"$ref": "#/components/schemas/StoreIndex"}}, "required":
    ["id", "object", "created_at", "name", "usage_bytes", "file_counts", "status"]},
  "StoreIndex": {"type": "object", "description": "How the store is searched; only when it is retrieved.",
    "properties": {"documents": {"type": "integer"}, "chunks": {"type": "integer"}, "vector": {"type": ["object",
    "null"], "description": "Null without an embedding model.", "properties": {"kind": {"type": "string"},
    "reason": {"type": "string"}, "vectors": {"type": "integer"}, "recent": {"type": "integer", "description":
    "Of them outside the base."}, "removed": {"type": "integer", "description": "Still taking space."}, "bytes":
    {"type": "integer", "description": "In memory."}, "file_bytes": {"type": "integer", "description":
    "Read from a file where a search needs them."}, "recall": {"type": ["number", "null"], "description":
    "Of the first ten, estimated; null for exact kinds."}}}, "lexical": {"type": "object", "properties":
    {"chunks": {"type": "integer"}, "recent": {"type": "integer"}, "removed": {"type": "integer"}, "terms":
    {"type": "integer"}, "bytes": {"type": "integer"}}}}, "required": ["documents", "chunks", "vector", "lexical"]},
  "VectorStoreList": {"type": "object", "properties": {"object": {"type": "string", "const": "list"}, "data":
    {"type": "array", "items": {"$ref": "#/components/schemas/VectorStore"}}, "first_id": {"type": ["string",
    "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}, "required": ["object",
    "data", "has_more"]},
  "VectorStoreFile": {"type": "object", "properties": {"id": {"type": "string"}, "object": {"type": "string",
    "const": "vector_store.file"}, "created_at": {"type": "integer"}, "usage_bytes": {"type": "integer"},
    "vector_store_id": {"type": "string"}, "status": {"type": "string", "enum": ["in_progress", "completed",
    "cancelled", "failed"]}, "last_error": {"oneOf": [{"type": "object", "properties": {"code": {"type":
    "string", "enum": ["server_error", "unsupported_file", "invalid_file"]}, "message": {"type": "string"}}},
    {"type": "null"}]}, "chunking_strategy": {"type": "object", "properties": {}}, "attributes": {"$ref":
    "#/components/schemas/Attributes"}, "filename": {"type": "string"}, "chunk_count": {"type": "integer"}},
    "required": ["id", "object", "created_at", "usage_bytes", "vector_store_id", "status", "last_error"]},
  "VectorStoreFileList": {"type": "object", "properties": {"object": {"type": "string", "const": "list"},
    "data": {"type": "array", "items": {"$ref": "#/components/schemas/VectorStoreFile"}}, "first_id": {"type":
    ["string", "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}, "required":
    ["object", "data", "has_more"]},
  "FileContentPage": {"type": "object", "properties": {"object": {"type": "string", "const":
    "vector_store.file_content.page"}, "data": {"type": "array", "items": {"type": "object", "properties":
    {"type": {"type": "string", "const": "text"}, "text": {"type": "string"}}}}, "has_more": {"type":
    "boolean"}, "next_page": {"type": ["string", "null"]}, "filename": {"type": "string"}}},
  "FileBatch": {"type": "object", "properties": {"id": {"type": "string"}, "object": {"type": "string",
    "const": "vector_store.files_batch"}, "created_at": {"type": "integer"}, "vector_store_id": {"type":
    "string"}, "status": {"type": "string", "enum": ["in_progress", "completed", "cancelled", "failed"]},
    "file_counts": {"$ref": "#/components/schemas/FileCounts"}}},
  "Ragtime": {"type": "object", "properties": {"timings": {"type": "object", "description":
    "Milliseconds per stage, and the total.", "properties": {}, "additionalProperties": {"type": "number"}},
    "counts": {"type": "object", "description": "How many candidates stages of the search handled.", "properties": {},
    "additionalProperties": {"type": "integer"}},
    "degraded": {"type": "array", "items": {"type": "string"}, "description":
    "What a fallback replaced; absent when nothing."}, "routing": {"type": "object", "description":
    "Why the model \"auto\" chose its model.", "properties": {"complexity": {"type": "string", "enum": ["light",
    "balanced", "strong"]}, "model": {"type": "string"}, "score": {"type": "number"}, "reasons": {"type": "array",
    "items": {"type": "string"}}}}}, "required": ["timings"]},
  "SearchHit": {"type": "object", "properties": {"file_id": {"type": "string"}, "filename": {"type": "string"},
    "score": {"type": "number", "minimum": 0, "maximum": 1}, "attributes": {"$ref":
    "#/components/schemas/Attributes"}, "content": {"type": "array", "items": {"type": "object", "properties":
    {"type": {"type": "string", "const": "text"}, "text": {"type": "string"}}}}, "chunk_id": {"type":
    "string"}, "vector_store_id": {"type": "string"}, "page": {"type": ["integer", "null"]}, "heading_path":
    {"type": "string"}, "start": {"type": "integer", "description":
    "Unicode code points in the document's text."}, "end": {"type": "integer"}, "scores": {"type": "object",
    "properties": {"dense": {"type": "number"}, "lexical": {"type": "number"}, "rerank": {"type": "number", "description":
    "Of the second stage, on its own scale; absent when it did not judge the hit."}}}}},
  "SearchPage": {"type": "object", "properties": {"object": {"type": "string", "const":
    "vector_store.search_results.page"}, "search_query": {"type": "array", "items": {"type": "string"}},
    "data": {"type": "array", "items": {"$ref": "#/components/schemas/SearchHit"}}, "has_more": {"type":
    "boolean"}, "next_page": {"type": ["string", "null"]}, "ragtime": {"$ref": "#/components/schemas/Ragtime"}}},
  "Document": {"type": "object", "properties": {"object": {"type": "string", "const": "ragtime.document"},
    "path": {"type": "string"}, "file_id": {"type": "string"}, "filename": {"type": "string"}, "sha256":
    {"type": "string"}, "status": {"type": "string"}, "chunks": {"type": "integer"}, "created_at": {"type":
    "integer"}, "current": {"type": "boolean", "description":
    "Whether putting the same content again would change nothing; false after an embedding model was added."}}},
  "DocumentList": {"type": "object", "properties": {"object": {"type": "string", "const": "list"}, "data":
    {"type": "array", "items": {"$ref": "#/components/schemas/Document"}}, "first_id": {"type": ["string",
    "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}, "required": ["object",
    "data", "has_more"]},
  "IngestedDocument": {"type": "object", "properties": {"object": {"type": "string", "const":
    "ragtime.document"}, "vector_store_id": {"type": "string"}, "file_id": {"type": "string"}, "path": {"type":
    "string"}, "outcome": {"type": "string", "enum": ["added", "replaced", "unchanged"]}, "chunks": {"type":
    "integer"}, "tokens": {"type": "integer"}}},
  "FileCitation": {"type": "object", "properties": {"type": {"type": "string", "const": "file_citation"},
    "file_id": {"type": "string"}, "filename": {"type": "string"}, "index": {"type": "integer", "description":
    "Where in the answer it attaches, in Unicode code points."}, "chunk_id": {"type": "string"},
    "vector_store_id": {"type": "string"}, "page": {"type": ["integer", "null"]}, "heading_path": {"type":
    "string"}, "start": {"type": "integer", "description":
    "The quote's range in the document's text, in Unicode code points."}, "end": {"type": "integer"}, "quote":
    {"type": "string"}, "verified": {"type": "boolean", "description":
    "The quote was found in the stored chunk and supports the cited words."}}},
  "Embeddings": {"type": "object", "properties": {"object": {"type": "string", "const": "list"}, "data":
    {"type": "array", "items": {"type": "object", "properties": {"object": {"type": "string", "const":
    "embedding"}, "index": {"type": "integer"}, "embedding": {"oneOf": [{"type": "array", "items": {"type":
    "number"}}, {"type": "string", "description": "Base64 of little-endian float32."}]}}}}, "model": {"type":
    "string"}, "usage": {"type": "object", "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens":
    {"type": "integer"}}}}},
  "Rerank": {"type": "object", "properties": {"id": {"type": "string"}, "model": {"type": "string"}, "usage":
    {"type": "object", "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}},
    "meta": {"type": "object", "description": "As Cohere's clients expect it.", "properties": {}}, "results":
    {"type": "array", "description": "Best first.", "items": {"type": "object", "properties": {"index": {"type":
    "integer", "description": "Of the document in the request."}, "relevance_score": {"type": "number"},
    "document": {"type": "object", "properties": {"text": {"type": "string"}}}}, "required": ["index",
    "relevance_score"]}}}, "required": ["id", "model", "results"]},
  "StreamingEvent": {"type": "object", "description":
    "The data of each server-sent event: start, delta and done or error, with metadata also metadata, search and citation; then [DONE].",
    "properties": {"type": {"type": "string", "enum": ["start", "metadata", "search", "delta", "citation", "done",
    "error"]}, "session_id": {"type": "string"}, "user_id": {"type": "string"}, "request_id": {"type": "string"},
    "model": {"type": "string"}, "metadata": {"type": "object", "properties": {}}, "queries": {"type": "array", "items":
    {"type": "string"}}, "results": {"type": "integer"}, "content": {"type": "string"}, "citation": {"$ref":
    "#/components/schemas/FileCitation"}, "finish_reason": {"type": "string"}, "usage": {"type": "object",
    "properties": {"prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens":
    {"type": "integer"}}}, "degraded": {"type": "array", "items": {"type": "string"}}, "ragtime": {"$ref":
    "#/components/schemas/Ragtime"}, "error": {"type": "object", "properties": {}}}, "required": ["type"]},
  "ChatCompletion": {"type": "object", "description":
    "With stream: true, server-sent events of chat.completion.chunk; citations come as delta.annotations, and `ragtime` with the finish_reason.",
    "properties": {"id": {"type": "string"}, "object": {"type": "string", "enum": ["chat.completion",
    "chat.completion.chunk"]}, "created": {"type": "integer"}, "model": {"type": "string"}, "choices": {"type":
    "array", "items": {"type": "object", "properties": {"index": {"type": "integer"}, "message": {"type":
    "object", "properties": {"role": {"type": "string", "const": "assistant"}, "content": {"type": "string"},
    "annotations": {"type": "array", "items": {"$ref": "#/components/schemas/FileCitation"}}}},
    "finish_reason": {"type": "string"}}}}, "usage": {"type": "object", "properties": {"prompt_tokens":
    {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}},
    "ragtime": {"$ref": "#/components/schemas/Ragtime"}}},
  "Completion": {"type": "object", "description": "As the model's server sent it.", "properties": {"id": {"type":
    "string"}, "object": {"type": "string"}, "choices": {"type": "array", "items": {"type": "object", "properties":
    {"index": {"type": "integer"}, "text": {"type": "string"}, "finish_reason": {"type": ["string", "null"]}}}},
    "usage": {"type": "object", "properties": {}}}},
  "Response": {"type": "object", "description":
    "With stream: true, OpenAI's events from response.created to response.completed.", "properties": {"id":
    {"type": "string"}, "object": {"type": "string", "const": "response"}, "created_at": {"type": "integer"},
    "completed_at": {"type": ["integer", "null"]}, "status": {"type": "string", "enum": ["completed", "failed",
    "in_progress", "incomplete"]}, "error": {"oneOf": [{"type": "object", "properties": {"code": {"type":
    "string"}, "message": {"type": "string"}}}, {"type": "null"}]}, "incomplete_details": {"oneOf": [{"type":
    "object", "properties": {"reason": {"type": "string", "enum": ["max_output_tokens", "content_filter"]}}},
    {"type": "null"}]}, "model": {"type": "string"}, "output": {"type": "array", "items": {"type": "object",
    "description": "file_search_call and message items; the text's annotations are FileCitation.",
    "properties": {}}}, "usage": {"oneOf": [{"type": "object", "properties": {"input_tokens": {"type":
    "integer"}, "output_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}}, {"type":
    "null"}]}, "previous_response_id": {"type": ["string", "null"]}, "metadata": {"$ref":
    "#/components/schemas/Metadata"}, "store": {"type": "boolean"}, "ragtime": {"$ref":
    "#/components/schemas/Ragtime"}}},
  "InputItemList": {"type": "object", "properties": {"object": {"type": "string", "const": "list"}, "data":
    {"type": "array", "items": {"$ref": "#/components/schemas/InputItem"}}, "first_id": {"type": ["string",
    "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}, "required": ["object",
    "data", "has_more"]},
  "Health": {"type": "object", "properties": {"status": {"type": "string"}}},
  "Status": {"type": "object", "description": "The report of `ragtime doctor`.", "properties": {}},
  "OpenApi": {"type": "object", "description": "This document.", "properties": {}}
})json";

}  // namespace

std::string_view request_schemas() {
  return kRequestSchemas;
}

std::string_view response_schemas() {
  return kResponseSchemas;
}

}  // namespace ragtime::api

#include "api/routes.h"

#include <array>

#include "api/endpoints.h"

namespace ragtime::api {
namespace {

using enum Scope;
using enum RouteKind;

constexpr std::string_view kList = "after before limit order";
constexpr std::string_view kStoreFileList = "after before limit order filter";

// clang-format off
constexpr std::array kRoutes = {
    // Answers.
    RouteSpec{"POST", "/v1/responses", read, answer, "Answers", "Answer a question, with citations when it searches files", "",
              "CreateResponse", "Response", R"({"input":"What is the default of ef_construction?","model":"ragtime-extractive@default","stream":true})", create_response},
    RouteSpec{"GET", "/v1/responses", read, websocket, "Answers", "A WebSocket: each message {\"type\":\"response.create\", …} is answered with the events of the stream", "",
              "", "", "", open_response_socket},
    RouteSpec{"GET", "/v1/responses/{response_id}", read, plain, "Answers", "A stored response", "include", "", "Response", "", get_response},
    RouteSpec{"DELETE", "/v1/responses/{response_id}", write, plain, "Answers", "Delete a stored response", "", "", "Deleted", "", delete_response},
    RouteSpec{"GET", "/v1/responses/{response_id}/input_items", read, plain, "Answers", "What a stored response was made from", kList, "", "InputItemList", "", list_input_items},
    RouteSpec{"POST", "/v1/chat/completions", read, answer, "Answers", "Answer a conversation", "",
              "CreateChatCompletion", "ChatCompletion", R"({"model":"ragtime-extractive@default","messages":[{"role":"user","content":"How long is a result cached?"}]})", create_chat_completion},
    RouteSpec{"POST", "/v1/completions", read, answer, "Answers", "Complete a text; configured models only", "",
              "CreateCompletion", "Completion", R"({"model":"chat","prompt":"Once upon a time"})", create_completion},
    RouteSpec{"POST", "/streaming/chat", read, answer, "Answers", "Answer one message as a stream of plain events", "",
              "StreamingChat", "StreamingEvent", R"({"message":"How long is a result cached?","session_id":"session_001","user_id":"user_001"})", create_streaming_chat},
    RouteSpec{"GET", "/streaming/ws", read, websocket, "Answers", "A WebSocket: each message is answered as /streaming/chat does", "",
              "", "", "", open_chat_socket},
    RouteSpec{"POST", "/streaming/chat/with-metadata", read, answer, "Answers", "The same with search, citations, usage and timings", "",
              "StreamingChat", "StreamingEvent", "", create_streaming_chat_with_metadata},
    // Search.
    RouteSpec{"POST", "/v1/vector_stores/{vector_store_id}/search", read, plain, "Search", "Search a vector store", "",
              "SearchVectorStore", "SearchPage", R"({"query":"hybrid search weights","max_num_results":5,"filters":{"type":"eq","key":"team","value":"search"}})", search_vector_store},
    RouteSpec{"POST", "/v1/embeddings", read, plain, "Search", "Embed texts", "",
              "CreateEmbeddings", "Embeddings", R"({"model":"all-MiniLM-L6-v2","input":["first text","second text"]})", create_embeddings},
    RouteSpec{"POST", "/v1/rerank", read, plain, "Search", "Score documents against a query; Jina's and Cohere's shape", "",
              "CreateRerank", "Rerank", R"({"query":"hybrid search weights","documents":["Weights of the two arms","A recipe for soup"],"top_n":1})", create_rerank},
    RouteSpec{"POST", "/v2/rerank", read, plain, "Search", "The same as /v1/rerank, where Cohere's second version has it", "",
              "CreateRerank", "Rerank", "", create_rerank},
    RouteSpec{"POST", "/rerank", read, plain, "Search", "The same; with texts in place of documents, TEI's shape", "",
              "CreateRerank", "Rerank", "", create_rerank},
    // Files.
    RouteSpec{"POST", "/v1/files", write, upload, "Files", "Upload a file", "", "multipart", "File", "", create_file},
    RouteSpec{"GET", "/v1/files", read, plain, "Files", "List files", "after before limit order purpose", "", "FileList", "?limit=20", list_files},
    RouteSpec{"GET", "/v1/files/{file_id}", read, plain, "Files", "A file", "", "", "File", "", get_file},
    RouteSpec{"DELETE", "/v1/files/{file_id}", write, plain, "Files", "Delete a file everywhere", "", "", "Deleted", "", delete_file},
    RouteSpec{"GET", "/v1/files/{file_id}/content", read, answer, "Files", "A file's bytes", "", "", "bytes", "", get_file_content},
    // Vector stores.
    RouteSpec{"POST", "/v1/vector_stores", write, plain, "Vector stores", "Create a vector store", "",
              "CreateVectorStore", "VectorStore", R"({"name":"handbook"})", create_vector_store},
    RouteSpec{"GET", "/v1/vector_stores", read, plain, "Vector stores", "List vector stores", kList, "", "VectorStoreList", "", list_vector_stores},
    RouteSpec{"GET", "/v1/vector_stores/{vector_store_id}", read, plain, "Vector stores", "A vector store", "", "", "VectorStore", "", get_vector_store},
    RouteSpec{"POST", "/v1/vector_stores/{vector_store_id}", write, plain, "Vector stores", "Change a vector store", "",
              "UpdateVectorStore", "VectorStore", R"({"name":"handbook 2"})", update_vector_store},
    RouteSpec{"DELETE", "/v1/vector_stores/{vector_store_id}", write, plain, "Vector stores", "Delete a vector store; its files stay", "", "", "Deleted", "", delete_vector_store},
    RouteSpec{"POST", "/v1/vector_stores/{vector_store_id}/files", write, plain, "Vector stores", "Attach a file", "",
              "CreateVectorStoreFile", "VectorStoreFile", R"({"file_id":"file-abc","attributes":{"team":"search"}})", create_store_file},
    RouteSpec{"GET", "/v1/vector_stores/{vector_store_id}/files", read, plain, "Vector stores", "List a store's files", kStoreFileList, "", "VectorStoreFileList", "?filter=failed", list_store_files},
    RouteSpec{"GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}", read, plain, "Vector stores", "A store's file and its state", "", "", "VectorStoreFile", "", get_store_file},
    RouteSpec{"POST", "/v1/vector_stores/{vector_store_id}/files/{file_id}", write, plain, "Vector stores", "Set a file's attributes", "",
              "UpdateVectorStoreFile", "VectorStoreFile", R"({"attributes":{"year":2024}})", update_store_file},
    RouteSpec{"DELETE", "/v1/vector_stores/{vector_store_id}/files/{file_id}", write, plain, "Vector stores", "Detach a file; the file stays", "", "", "Deleted", "", delete_store_file},
    RouteSpec{"GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}/content", read, plain, "Vector stores", "A file's extracted text", "", "", "FileContentPage", "", get_store_file_content},
    RouteSpec{"POST", "/v1/vector_stores/{vector_store_id}/file_batches", write, plain, "Vector stores", "Attach many files", "",
              "CreateFileBatch", "FileBatch", R"({"file_ids":["file-abc","file-def"]})", create_file_batch},
    RouteSpec{"GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}", read, plain, "Vector stores", "A batch and its progress", "", "", "FileBatch", "", get_file_batch},
    RouteSpec{"POST", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", write, plain, "Vector stores", "Cancel what a batch has not done yet", "", "", "FileBatch", "", cancel_file_batch},
    RouteSpec{"GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files", read, plain, "Vector stores", "List a batch's files", kStoreFileList, "", "VectorStoreFileList", "", list_file_batch_files},
    // Documents by path.
    RouteSpec{"PUT", "/v1/vector_stores/{vector_store_id}/documents/{path...}", write, upload, "Documents by path", "Put a document; unchanged content costs nothing. The store may be named", "",
              "bytes", "IngestedDocument", "", put_document},
    RouteSpec{"GET", "/v1/vector_stores/{vector_store_id}/documents", read, plain, "Documents by path", "List documents under a path", "prefix", "", "DocumentList", "?prefix=/home/me/docs/", list_documents},
    RouteSpec{"DELETE", "/v1/vector_stores/{vector_store_id}/documents/{path...}", write, plain, "Documents by path", "Delete a document and its file", "", "", "Deleted", "", delete_document},
    // The server.
    RouteSpec{"GET", "/v1/models", read, plain, "Server", "List models", "", "", "ModelList", "", list_models},
    RouteSpec{"GET", "/v1/models/{model...}", read, plain, "Server", "A model", "", "", "Model", "", get_model},
    RouteSpec{"GET", "/healthz", none, plain, "Server", "Whether the process is alive; needs no key", "", "", "Health", "", get_health},
    RouteSpec{"GET", "/readyz", none, plain, "Server", "Whether requests should come here; needs no key", "", "", "Health", "", get_readiness},
    RouteSpec{"GET", "/health", read, plain, "Server", "The same as /healthz, with a key", "", "", "Health", "", get_health},
    RouteSpec{"GET", "/metrics", read, plain, "Server", "Metrics in Prometheus' text format", "", "", "text", "", get_metrics},
    RouteSpec{"GET", "/v1/status", admin, plain, "Server", "The doctor's report", "", "", "Status", "", get_status},
    RouteSpec{"GET", "/openapi.json", read, plain, "Server", "This API as an OpenAPI 3.1 document", "", "", "OpenApi", "", get_openapi},
    RouteSpec{"GET", "/docs", read, plain, "Server", "This API as a page", "", "", "text", "", get_docs},
};
// clang-format on

}  // namespace

std::span<const RouteSpec> route_table() {
  return kRoutes;
}

}  // namespace ragtime::api

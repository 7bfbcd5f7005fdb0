// Every handler of the route table, by the file that holds it.
#pragma once

#include "api/environment.h"

namespace ragtime::api {

#define RAGTIME_ENDPOINT(NAME) \
  Task<Result<http::Response>> NAME(Environment& env, http::Request& request, RequestContext& context)

// models.cpp
RAGTIME_ENDPOINT(list_models);
RAGTIME_ENDPOINT(get_model);

// files.cpp
RAGTIME_ENDPOINT(create_file);
RAGTIME_ENDPOINT(list_files);
RAGTIME_ENDPOINT(get_file);
RAGTIME_ENDPOINT(delete_file);
RAGTIME_ENDPOINT(get_file_content);

// vector_stores.cpp
RAGTIME_ENDPOINT(create_vector_store);
RAGTIME_ENDPOINT(list_vector_stores);
RAGTIME_ENDPOINT(get_vector_store);
RAGTIME_ENDPOINT(update_vector_store);
RAGTIME_ENDPOINT(delete_vector_store);

// search.cpp
RAGTIME_ENDPOINT(search_vector_store);

// store_files.cpp
RAGTIME_ENDPOINT(create_store_file);
RAGTIME_ENDPOINT(list_store_files);
RAGTIME_ENDPOINT(get_store_file);
RAGTIME_ENDPOINT(update_store_file);
RAGTIME_ENDPOINT(delete_store_file);
RAGTIME_ENDPOINT(get_store_file_content);

// file_batches.cpp
RAGTIME_ENDPOINT(create_file_batch);
RAGTIME_ENDPOINT(get_file_batch);
RAGTIME_ENDPOINT(cancel_file_batch);
RAGTIME_ENDPOINT(list_file_batch_files);

// documents.cpp
RAGTIME_ENDPOINT(put_document);
RAGTIME_ENDPOINT(list_documents);
RAGTIME_ENDPOINT(delete_document);

// embeddings.cpp
RAGTIME_ENDPOINT(create_embeddings);

// rerank.cpp
RAGTIME_ENDPOINT(create_rerank);

// chat.cpp
RAGTIME_ENDPOINT(create_chat_completion);

// relay.cpp
RAGTIME_ENDPOINT(create_completion);

// streaming_chat.cpp
RAGTIME_ENDPOINT(create_streaming_chat);
RAGTIME_ENDPOINT(create_streaming_chat_with_metadata);

// responses.cpp, stored_responses.cpp
RAGTIME_ENDPOINT(create_response);
RAGTIME_ENDPOINT(get_response);
RAGTIME_ENDPOINT(delete_response);
RAGTIME_ENDPOINT(list_input_items);

// sockets.cpp
RAGTIME_ENDPOINT(open_response_socket);
RAGTIME_ENDPOINT(open_chat_socket);

// operations.cpp
RAGTIME_ENDPOINT(get_health);
RAGTIME_ENDPOINT(get_readiness);
RAGTIME_ENDPOINT(get_metrics);
RAGTIME_ENDPOINT(get_status);
RAGTIME_ENDPOINT(get_openapi);
RAGTIME_ENDPOINT(get_docs);

#undef RAGTIME_ENDPOINT

}  // namespace ragtime::api

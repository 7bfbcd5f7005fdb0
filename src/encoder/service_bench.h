// What encoder_bench measures from text, through the objects that the server uses: tokenizer, batcher, thread pool.
//
// Thread safety: functions for the main thread; each opens the model anew.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "encoder/encoder_config.h"

namespace ragtime::encoder {

struct ServiceBench {
  std::filesystem::path model;
  Precision precision = Precision::automatic;
  std::size_t threads = 1;
  double seconds = 1;  // Of each measurement, which ends with the call that passes it.
};

// Calls made one after the other.
struct ServiceFigures {
  Precision precision = Precision::automatic;  // The one chosen.
  std::size_t texts = 0;                       // Of one call.
  std::size_t tokens = 0;                      // Of one call, special tokens included.
  double seconds = 0;                          // Of all calls.
  std::vector<double> milliseconds;            // Of each call, ascending.
};

// All lines of `file`, embedded as documents by each call.
Result<ServiceFigures> measure_texts(const ServiceBench& bench, const std::filesystem::path& file);
// 50 documents, each 160 tokens long together with the query, scored by each call.
Result<ServiceFigures> measure_rerank(const ServiceBench& bench);

// Concurrent clients that each ask short queries, beside documents embedded in bulk.
struct SharedLoad {
  std::size_t clients = 32;
  double queries_per_s = 100;  // Of all clients, with exponential gaps whatever the answers' times.
};
struct QueryFigures {
  double per_s = 0;  // Answered.
  double p50_ms = 0;
  double p99_ms = 0;  // From the time at which a query was due.
};
struct DocumentFigures {
  double tokens_per_s = 0;
  double cores = 0;  // That the process used meanwhile: fewer than threads where others run.
};
struct SharedFigures {
  Precision precision = Precision::automatic;
  DocumentFigures alone;  // Without any query.
  // Queries at the given rate, and as fast as every client gets its answers.
  struct Pace {
    QueryFigures idle;  // Without documents.
    QueryFigures busy;
    DocumentFigures documents;
  };
  Pace paced;
  Pace closed_loop;
};

Result<SharedFigures> measure_shared(const ServiceBench& bench, const SharedLoad& load);

// Of ascending values; at least one.
double quantile(const std::vector<double>& ascending, double q);

}  // namespace ragtime::encoder

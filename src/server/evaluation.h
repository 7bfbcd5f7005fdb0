// Evaluation: how well the configured search answers the questions of a set, arm by arm.
//
// The set's documents go through the engine's own ingest, with the configured model, chunking and retrieval, into a
// data directory of the evaluation. A document that fits into a chunk is one; of a longer one the best chunk counts.
// Every search asks for max(100, k) passages.
// Thread safety: one evaluation at a time on an event loop of one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "engine/fusion_tuning.h"
#include "engine/ranking_measures.h"
#include "server/evaluation_set.h"
#include "server/runtime.h"
#include "server/terminal.h"
#include "storage/records.h"

namespace ragtime::server {

struct EvaluationOptions {
  std::size_t k = 10;     // 1..1000
  bool tune = false;      // Also scores other settings of the fusion and of BM25.
  bool rankings = false;  // Also keeps what was found.
  bool quiet = false;     // No progress.
};

// Passages per search, and how far average precision and the deep recall look.
std::size_t evaluation_depth(std::size_t k);

inline constexpr const char* kLexicalArm = "lexical";
inline constexpr const char* kDenseArm = "dense";
inline constexpr const char* kFusedArm = "fused";    // Hybrid without its second stage; only where that is configured.
inline constexpr const char* kHybridArm = "hybrid";  // As configured.

struct ArmResult {
  std::string name;
  std::vector<engine::RankingMeasures> queries;               // In the set's order.
  std::vector<std::vector<engine::DocumentNumber>> rankings;  // The same; empty unless asked for.
};

struct SetResult {
  std::string name;
  std::size_t documents = 0;
  std::size_t passages = 0;
  std::size_t queries = 0;
  std::size_t queries_unjudged = 0;
  std::size_t rerank_incomplete = 0;  // Questions for which the second stage failed or ran out of time.
  double ingest_s = 0;
  double search_s = 0;
  std::vector<ArmResult> arms;                // Lexical alone without an embedding model.
  // With `tune`, nDCG of each query: under each of tuning_settings(), and by words alone under each of
  // tuning_rankings().
  std::vector<std::vector<double>> settings;
  std::vector<std::vector<double>> rankings;

  const ArmResult* arm(std::string_view wanted) const;
};

// What `tune` compares; the configured ones first.
std::vector<engine::FusionSetting> tuning_settings(const Configuration& configuration);
std::vector<storage::RankingSettings> tuning_rankings(const Configuration& configuration);

// The configuration for a data directory of the evaluation, with models found where `configured` has them.
// Errors: as find_encoder() and find_model().
Result<Configuration> evaluation_configuration(const Configuration& configured, const std::filesystem::path& directory);

// Ingests what is not there yet, and searches. Ends the runtime on the event loop that its connections belong to.
// Errors: cancelled, and those of ingest and search; unavailable when the embedding model fails.
Task<Result<SetResult>> evaluate(std::unique_ptr<Runtime> runtime, const EvaluationSet& set, EvaluationOptions options,
                                 Terminal& terminal, RequestContext& context);

// Where the documents are taken in.
class EvaluationDirectory {
 public:
  // Removed at the end. Errors: unavailable.
  static Result<EvaluationDirectory> temporary();
  // Stays: data_dir/eval/NAME-HASH, where the hash changes with the documents, the model and the chunking.
  static Result<EvaluationDirectory> kept(const Configuration& configured, const EvaluationSet& set);

  EvaluationDirectory(EvaluationDirectory&& other) noexcept;
  EvaluationDirectory& operator=(EvaluationDirectory&&) = delete;
  ~EvaluationDirectory();

  const std::filesystem::path& path() const { return path_; }

 private:
  EvaluationDirectory(std::filesystem::path path, bool remove) : path_(std::move(path)), remove_(remove) {}

  std::filesystem::path path_;
  bool remove_ = false;
};

}  // namespace ragtime::server

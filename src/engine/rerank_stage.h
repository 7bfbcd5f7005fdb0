// RerankStage: the second stage of a search, which judges the best hits of fusion once more, within a time budget.
//
// lexical_overlap: the query's terms in the chunk, see lexical_overlap.h; costs no model.
// late_interaction: MaxSim over the embedding model's token vectors, see encoder/late_interaction.h.
// cross_encoder: the probability that a rerank model gives to query and chunk together.
// A hit is judged for the query that it ranked best for, in the order of the fused scores. What is not judged when the
// budget ends, or the model fails, keeps its order behind what is; see blend() in fusion.h for the final score.
// Thread safety: run() may be called from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "base/result.h"
#include "encoder/embedder.h"
#include "engine/engine.h"

namespace ragtime::engine {

struct RerankWork;

class RerankStage {
 public:
  // The pool and, when not null, the embedder outlive the stage.
  RerankStage(RerankConfig config, encoder::Embedder* embedder, async::ThreadPool& compute)
      : config_(config), embedder_(embedder), compute_(compute) {}

  // Errors: unsupported when the method's model is not there.
  Result<void> check() const;
  bool enabled() const { return config_.method != RerankMethod::none; }
  std::size_t candidates() const { return enabled() ? config_.candidates : 0; }

  struct Outcome {
    std::size_t judged = 0;
    bool complete = true;
  };
  // Gives the best hits a rerank_score and all hits their final score, and sorts them by it. `hits` are sorted by their
  // fused score. Errors: cancelled and deadline_exceeded of the context itself only.
  Task<Result<Outcome>> run(const std::vector<std::string>& queries, std::vector<SearchHit>& hits,
                            RequestContext& context) const;

 private:
  Task<Result<void>> judge(RerankWork& work, RequestContext& limited) const;
  Task<Result<void>> judge_overlap(RerankWork& work, RequestContext& limited) const;
  Task<Result<void>> judge_tokens(RerankWork& work, RequestContext& limited) const;
  Task<Result<void>> judge_pairs(RerankWork& work, RequestContext& limited) const;

  const RerankConfig config_;
  encoder::Embedder* const embedder_;
  async::ThreadPool& compute_;
};

}  // namespace ragtime::engine

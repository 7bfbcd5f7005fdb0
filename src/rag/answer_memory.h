// AnswerMemory: answers that were given before, for the time when nobody else can answer. Bounded, in memory only.
//
// Not a cache of the normal path: it is asked only when the model failed. An entry answers a question of the same
// tenant, stores, model, instructions and filter when the two questions ask for the same thing: the same words of
// meaning in the same order, the same numbers, the same question word and the same negation (what embeddings of
// opposites do not tell apart), and, where they are not the same text, embeddings at least `similarity` alike.
// It is kept with the versions of the documents that it was made from, and forgotten when one of them has changed.
// Only whole answers to single questions enter: finished by themselves, without a fallback in them.
// Thread safety: every member may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "encoder/embedder.h"
#include "engine/engine.h"
#include "rag/answer.h"

namespace ragtime::rag {

class AnswerMemory {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // `embedder` may be null: then only the same text, but for case and punctuation, is the same question. Both outlive
  // the memory.
  AnswerMemory(AnswerMemoryConfig config, const engine::Engine& engine, encoder::Embedder* embedder,
               Now now = std::chrono::steady_clock::now);

  // Nothing when the request is not one that can be answered from memory, or the answer not one to keep.
  // `model`: the configured one that was to answer.
  void remember(const AnswerRequest& request, std::string_view model, const Answer& answer,
                const RequestContext& context);
  // An earlier answer to the same question; its search results are empty.
  Task<std::optional<Answer>> recall(const AnswerRequest& request, std::string_view model, RequestContext& context);

  std::size_t size() const;

 private:
  struct DocumentVersion {
    std::string store_id;
    std::string file_id;
    std::int64_t version = 0;
  };
  struct Entry {
    std::string key;
    std::string question;
    std::string plain;  // The question without case and punctuation.
    Answer answer;
    std::vector<DocumentVersion> documents;
    std::chrono::steady_clock::time_point until;
    std::size_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  std::optional<std::vector<DocumentVersion>> versions_of(const Answer& answer) const;
  bool is_current(const Entry& entry) const;
  std::vector<Entry> candidates(const std::string& key);
  void erase(Entries::iterator entry);
  Task<double> similarity(std::string a, std::string b, RequestContext& context) const;

  const AnswerMemoryConfig config_;
  const engine::Engine& engine_;
  encoder::Embedder* const embedder_;
  const Now now_;
  mutable std::mutex mutex_;
  Entries entries_;  // Newest first. Guarded by mutex_, as are the following.
  std::unordered_multimap<std::string, Entries::iterator> by_key_;
  std::size_t bytes_ = 0;
};

// What two questions must have in common to be the same one: words of meaning in order, numbers, question word,
// negation. Pure.
std::string question_gate(std::string_view question);

}  // namespace ragtime::rag

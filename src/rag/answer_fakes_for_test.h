// An engine, a chat model and a listener that do what a test tells them. Thread safety: of one test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rag/answer.h"

namespace ragtime::rag {

// Answers every search with what the test put in.
class FakeEngine final : public engine::Engine {
 public:
  Task<Result<engine::SearchResults>> search(engine::SearchRequest request, RequestContext&) override {
    requests.push_back(std::move(request));
    if (failure) co_return *failure;
    co_return results;
  }

  Task<Result<engine::PutOutcome>> put_document(engine::PutDocument, RequestContext&,
                                                std::function<void(std::size_t, std::size_t)>) override {
    co_return engine::PutOutcome{};
  }
  Task<Result<void>> remove_document(std::string, std::string, std::string, RequestContext&) override {
    co_return Result<void>();
  }
  Task<Result<void>> remove_file(std::string, std::string, RequestContext&) override { co_return Result<void>(); }
  Task<Result<storage::VectorStoreRecord>> update_store(storage::VectorStoreRecord record, RequestContext&) override {
    co_return record;
  }
  Task<Result<void>> remove_store(std::string, std::string, RequestContext&) override { co_return Result<void>(); }
  Task<Result<void>> set_attributes(std::string, std::string, std::string, Attributes, RequestContext&) override {
    co_return Result<void>();
  }
  void set_user_words(std::shared_ptr<const text::UserWords>) override {}
  bool embeds() const override { return false; }
  Statistics statistics() const override { return {}; }
  engine::IndexReport index_report(std::string_view) const override { return {}; }
  std::optional<std::int64_t> document_version(std::string_view, std::string_view file_id) const override {
    const auto found = versions.find(std::string(file_id));
    return found == versions.end() ? std::optional<std::int64_t>(0) : found->second;
  }
  Task<Result<void>> await_indexed(RequestContext&) override { co_return Result<void>(); }
  void settle() override {}

  std::map<std::string, std::optional<std::int64_t>> versions;  // By file id; 0 for those that are not here.

  engine::SearchResults results;
  std::optional<Error> failure;
  std::vector<engine::SearchRequest> requests;
};

// Says its deltas, then ends well or fails.
class FakeModel final : public llm::ChatModel {
 public:
  struct Script {
    std::vector<std::string> deltas;
    std::optional<Error> failure;
    llm::FinishReason finish_reason = llm::FinishReason::length;
    llm::ChatRequest asked;
    std::function<void()> before;
  };
  FakeModel(std::string name, Script& script) : name_(std::move(name)), script_(script) {}

  const std::string& name() const override { return name_; }

  Task<Result<llm::ChatOutcome>> answer(llm::ChatRequest request, llm::ChatSink sink, RequestContext&) override {
    script_.asked = std::move(request);
    if (script_.before) script_.before();
    for (const std::string& delta : script_.deltas) RAGTIME_CO_TRY_DONE(co_await sink(delta));
    if (script_.failure) co_return *script_.failure;
    llm::ChatOutcome outcome;
    outcome.finish_reason = script_.finish_reason;
    outcome.usage = {21, 22, false};
    co_return outcome;
  }

 private:
  const std::string name_;
  Script& script_;
};

// Writes down what happened as one line per event.
class EventLog final : public AnswerEvents {
 public:
  Task<Result<void>> on_search_start(const std::vector<std::string>& queries) override {
    return note("start " + queries.front());
  }
  Task<Result<void>> on_search_done(const engine::SearchResults& results) override {
    return note("done " + std::to_string(results.hits.size()));
  }
  Task<Result<void>> on_delta(std::string_view text) override { return note("text " + std::string(text)); }
  Task<Result<void>> on_citation(const Citation& citation) override {
    return note("cite " + citation.filename + " " + std::to_string(citation.index));
  }

  std::vector<std::string> lines;
  std::string refuses = "nothing";  // Events that start with this fail.

 private:
  Task<Result<void>> note(std::string line) {
    lines.push_back(line);
    if (line.starts_with(refuses)) co_return make_error(ErrorCode::cancelled, "the client is gone");
    co_return Result<void>();
  }
};

inline engine::SearchHit hit_of(std::string filename, std::string text) {
  engine::SearchHit hit;
  hit.file_id = "file-" + filename;
  hit.filename = std::move(filename);
  hit.chunk.text = std::move(text);
  hit.score = 1;
  return hit;
}

}  // namespace ragtime::rag

#include "rag/answer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "rag/delivery.h"
#include "rag/extractive.h"
#include "rag/prompt.h"
#include "rag/question.h"
#include "text/chunker.h"
#include "text/utf8.h"

namespace ragtime::rag {
namespace {

std::string needs_documents_text(std::string_view question) {
  const std::string name(kExtractiveModel);
  if (is_chinese(question)) {
    return name + " 是内置模型，只能用文档中的句子回答问题。请把模型名写成 " + name +
           "@向量库名 或在请求中使用 file_search 指定向量库；要自由对话，请在配置文件的 [[models]] 中添加聊天模型。";
  }
  return name +
         " is the built-in model and answers only with sentences of documents. Name a vector store, as the model " +
         name +
         "@STORE or with file_search in the request; for free conversation, add a chat model under [[models]] in "
         "the configuration.";
}

llm::ChatUsage estimate_usage(std::string_view question, std::string_view answer) {
  return {text::count_tokens(question), text::count_tokens(answer), true};
}

class DefaultAnswerer final : public Answerer {
 public:
  DefaultAnswerer(AnswererConfig config, engine::Engine& engine, std::vector<std::unique_ptr<llm::ChatModel>> models,
                  async::ThreadPool& compute)
      : config_(config),
        engine_(engine),
        models_(std::move(models)),
        compute_(compute),
        default_model_(models_.empty() ? std::string(kExtractiveModel) : models_.front()->name()) {}

  std::vector<ModelInfo> models() const override {
    std::vector<ModelInfo> infos;
    for (const auto& model : models_) infos.push_back({model->name(), false});
    infos.push_back({std::string(kExtractiveModel), true});
    return infos;
  }

  const std::string& default_model() const override { return default_model_; }

  Task<Result<Answer>> answer(AnswerRequest request, AnswerEvents& events, RequestContext& context) override {
    if (last_question(request.messages).empty()) {
      co_return make_error(ErrorCode::invalid_argument, "there is no user message to answer", "messages");
    }
    RAGTIME_CO_TRY(llm::ChatModel * model, find_model(request.model));
    Answer answer;
    if (request.search) RAGTIME_CO_TRY_DONE(co_await search(request, answer, events, context));
    if (model == nullptr) {
      RAGTIME_CO_TRY_DONE(co_await extract(request, answer, events, context));
    } else {
      RAGTIME_CO_TRY_DONE(co_await generate(*model, request, answer, events, context));
    }
    co_return answer;
  }

 private:
  // Null for the built-in one.
  Result<llm::ChatModel*> find_model(std::string_view wanted) const {
    const std::string_view name = wanted.empty() ? std::string_view(default_model_) : wanted;
    for (const auto& model : models_) {
      if (model->name() == name) return model.get();
    }
    if (name == kExtractiveModel) return static_cast<llm::ChatModel*>(nullptr);
    return make_error(ErrorCode::not_found, "the model '" + std::string(name) + "' does not exist", "model");
  }

  Task<Result<void>> search(AnswerRequest& request, Answer& answer, AnswerEvents& events, RequestContext& context) {
    if (request.search->queries.empty()) request.search->queries.push_back(derive_query(request.messages));
    answer.queries = request.search->queries;
    RAGTIME_CO_TRY_DONE(co_await events.on_search_start(answer.queries));
    engine::SearchRequest searched = *request.search;
    searched.widen = true;
    RAGTIME_CO_TRY(answer.search, co_await engine_.search(std::move(searched), context));
    if (answer.search.dense_failed) answer.degraded.push_back("embedding");
    if (answer.search.rerank_incomplete) answer.degraded.push_back("rerank");
    co_return co_await events.on_search_done(answer.search);
  }

  Task<Result<void>> generate(llm::ChatModel& model, AnswerRequest& request, Answer& answer, AnswerEvents& events,
                              RequestContext& context) {
    Prompt prompt = make_prompt(request, answer, context);
    Delivery delivery(std::move(prompt.sources), events, context);
    llm::ChatRequest chat = std::move(request.sampling);
    chat.messages = std::move(prompt.messages);
    llm::ChatSink sink = [&delivery](std::string_view delta) { return delivery.take(delta); };
    Result<llm::ChatOutcome> outcome = co_await model.answer(std::move(chat), std::move(sink), context);
    if (outcome.has_error()) {
      const bool replaceable =
          request.search && !delivery.began() && !delivery.refused() && context.check().has_value();
      if (!replaceable) co_return std::move(outcome).error();
      answer.degraded.push_back("model:" + model.name() + "→" + std::string(kExtractiveModel));
      co_return co_await extract(request, answer, events, context);
    }
    RAGTIME_CO_TRY_DONE(co_await delivery.finish());
    answer.model = outcome->model.empty() ? model.name() : outcome->model;
    for (auto& replaced : outcome->degraded) answer.degraded.push_back(std::move(replaced));
    answer.text = delivery.text();
    answer.citations = delivery.citations();
    answer.finish_reason = outcome->finish_reason;
    answer.usage = outcome->usage;
    co_return Result<void>();
  }

  Prompt make_prompt(const AnswerRequest& request, const Answer& answer, RequestContext& context) const {
    const StageTimer timer(context, "prompt");
    if (!request.search) return {build_plain_prompt(request.messages, request.instructions), {}};
    return build_prompt(request.messages, request.instructions, answer.search.hits, config_.context_tokens_max);
  }

  Task<Result<void>> extract(const AnswerRequest& request, Answer& answer, AnswerEvents& events,
                             RequestContext& context) {
    StageTimer timer(context, "generate");
    const std::string question = derive_query(request.messages);
    answer.model = kExtractiveModel;
    if (!request.search) {
      RAGTIME_CO_TRY_DONE(co_await say(needs_documents_text(question), answer, events));
    } else {
      RAGTIME_CO_TRY_DONE(co_await quote(question, answer, events, context));
    }
    answer.usage = estimate_usage(last_question(request.messages), answer.text);
    co_return Result<void>();
  }

  Task<Result<void>> quote(const std::string& question, Answer& answer, AnswerEvents& events, RequestContext& context) {
    auto job = [&]() -> Result<std::vector<ExtractedSentence>> {
      return extract_sentences(question, answer.search.hits, config_.sentences_max);
    };
    RAGTIME_CO_TRY(const auto sentences, co_await compute_.run(context, std::move(job)));
    if (sentences.empty()) co_return co_await say(no_answer_text(question), answer, events);
    for (const ExtractedSentence& sentence : sentences) {
      RAGTIME_CO_TRY_DONE(co_await say((answer.text.empty() ? "" : "\n") + sentence.text, answer, events));
      Citation citation = sentence.citation;
      citation.index = text::count_code_points(answer.text);
      answer.citations.push_back(citation);
      RAGTIME_CO_TRY_DONE(co_await events.on_citation(citation));
    }
    co_return Result<void>();
  }

  static Task<Result<void>> say(std::string text, Answer& answer, AnswerEvents& events) {
    answer.text += text;
    co_return co_await events.on_delta(text);
  }

  const AnswererConfig config_;
  engine::Engine& engine_;
  const std::vector<std::unique_ptr<llm::ChatModel>> models_;
  async::ThreadPool& compute_;
  const std::string default_model_;
};

}  // namespace

std::unique_ptr<Answerer> Answerer::create(AnswererConfig config, engine::Engine& engine,
                                           std::vector<std::unique_ptr<llm::ChatModel>> models,
                                           async::ThreadPool& compute) {
  return std::make_unique<DefaultAnswerer>(config, engine, std::move(models), compute);
}

}  // namespace ragtime::rag

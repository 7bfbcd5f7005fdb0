#include "rag/answer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "rag/answer_memory.h"
#include "rag/delivery.h"
#include "rag/extractive.h"
#include "rag/fallbacks.h"
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

constexpr std::string_view kDocumentsMissing =
    "The documents could not be searched this time. Where the question needs them, say so instead of guessing.";

llm::ChatUsage estimate_usage(std::string_view question, std::string_view answer) {
  return {text::count_tokens(question), text::count_tokens(answer), true};
}

class DefaultAnswerer final : public Answerer {
 public:
  DefaultAnswerer(AnswererConfig config, engine::Engine& engine, std::vector<std::unique_ptr<llm::ChatModel>> models,
                  async::ThreadPool& compute)
      : config_(std::move(config)),
        engine_(engine),
        models_(std::move(models)),
        compute_(compute),
        default_model_(models_.empty() ? std::string(kExtractiveModel) : models_.front()->name()),
        memory_(config_.degradation.memory, engine, config_.embedder) {}

  std::vector<ModelInfo> models() const override {
    std::vector<ModelInfo> infos;
    for (const auto& model : models_) infos.push_back({model->name(), false, false});
    if (!models_.empty() && !find_configured(kAutoModel)) infos.push_back({std::string(kAutoModel), false, true});
    infos.push_back({std::string(kExtractiveModel), true, false});
    return infos;
  }

  const std::string& default_model() const override { return default_model_; }

  bool has_message() const override {
    return !config_.degradation.message.empty() || !config_.degradation.message_chinese.empty();
  }

  RouteChoice route(const std::vector<llm::ChatMessage>& messages) const override {
    return choose_route(config_.routing, default_model_, messages, std::nullopt);
  }

  Task<Result<Answer>> answer(AnswerRequest request, AnswerEvents& events, RequestContext& context) override {
    if (last_question(request.messages).empty()) {
      co_return make_error(ErrorCode::invalid_argument, "there is no user message to answer", "messages");
    }
    const bool automatic = request.model == kAutoModel && !find_configured(kAutoModel);
    if (!automatic) RAGTIME_CO_TRY_DONE(find_model(request.model));
    Answer answer;
    answer.route = request.route;
    answer.degraded = request.degraded;
    std::optional<Error> search_failure;
    if (request.search) RAGTIME_CO_TRY_DONE(co_await search(request, answer, search_failure, events, context));
    if (automatic) choose(request, answer);
    RAGTIME_CO_TRY(llm::ChatModel * model, find_model(request.model));
    const std::string name = model == nullptr ? std::string(kExtractiveModel) : model->name();
    if (search_failure) {
      RAGTIME_CO_TRY_DONE(co_await without_documents(model, request, *search_failure, answer, events, context));
    } else if (model == nullptr) {
      RAGTIME_CO_TRY_DONE(co_await extract(request, answer, events, context));
    } else if (request.model_failure) {
      RAGTIME_CO_TRY_DONE(co_await without_model(name, request, *request.model_failure, answer, events, context));
    } else {
      RAGTIME_CO_TRY_DONE(co_await generate(*model, request, answer, events, context));
    }
    memory_.remember(request, name, answer, context);
    co_return answer;
  }

 private:
  llm::ChatModel* find_configured(std::string_view name) const {
    for (const auto& model : models_) {
      if (model->name() == name) return model.get();
    }
    return nullptr;
  }

  // Null for the built-in one.
  Result<llm::ChatModel*> find_model(std::string_view wanted) const {
    const std::string_view name = wanted.empty() ? std::string_view(default_model_) : wanted;
    if (llm::ChatModel* model = find_configured(name)) return model;
    if (name == kExtractiveModel) return static_cast<llm::ChatModel*>(nullptr);
    return make_error(ErrorCode::not_found, "the model '" + std::string(name) + "' does not exist", "model");
  }

  void choose(AnswerRequest& request, Answer& answer) const {
    std::optional<double> confidence;
    if (request.search) confidence = answer.search.hits.empty() ? 0 : answer.search.hits.front().score;
    answer.route = choose_route(config_.routing, default_model_, request.messages, confidence);
    request.model = answer.route->model;
  }

  // A failure that something else can stand in for is told apart from the errors that end the answer.
  Task<Result<void>> search(AnswerRequest& request, Answer& answer, std::optional<Error>& failure, AnswerEvents& events,
                            RequestContext& context) {
    if (request.search->queries.empty()) request.search->queries.push_back(derive_query(request.messages));
    answer.queries = request.search->queries;
    RAGTIME_CO_TRY_DONE(co_await events.on_search_start(answer.queries));
    engine::SearchRequest searched = *request.search;
    searched.widen = true;
    auto found = co_await engine_.search(std::move(searched), context);
    if (found.has_error()) {
      if (!is_replaceable_search(found.error()) || context.check().has_error()) co_return std::move(found).error();
      failure = std::move(found).error();
    } else {
      answer.search = std::move(*found);
    }
    if (answer.search.dense_failed) answer.degraded.push_back("embedding");
    if (answer.search.rerank_incomplete) answer.degraded.push_back("rerank");
    co_return co_await events.on_search_done(answer.search);
  }

  Task<Result<void>> generate(llm::ChatModel& model, AnswerRequest& request, Answer& answer, AnswerEvents& events,
                              RequestContext& context) {
    Prompt prompt = make_prompt(request, answer, context);
    Delivery delivery(std::move(prompt.sources), events, context);
    llm::ChatRequest chat = request.sampling;
    chat.messages = std::move(prompt.messages);
    llm::ChatSink sink = [&delivery](std::string_view delta) { return delivery.take(delta); };
    Result<llm::ChatOutcome> outcome = co_await model.answer(std::move(chat), std::move(sink), context);
    if (outcome.has_error()) {
      const bool replaceable = !delivery.began() && !delivery.refused() && context.check().has_value();
      if (!replaceable) co_return std::move(outcome).error();
      co_return co_await without_model(model.name(), request, outcome.error(), answer, events, context);
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

  Task<Result<void>> without_model(const std::string& model, const AnswerRequest& request, const Error& failure,
                                   Answer& answer, AnswerEvents& events, RequestContext& context) {
    const std::string_view kind = model_failure_kind(failure);
    if (kind == "llm_refused" && !request.search) co_return failure;
    if (auto recalled = co_await memory_.recall(request, model, context)) {
      answer.degraded.push_back(degraded_entry(kind, model, "cache"));
      co_return co_await repeat(std::move(*recalled), answer, events);
    }
    if (request.search) {
      answer.degraded.push_back(degraded_entry(kind, model, kExtractiveModel));
      co_return co_await extract(request, answer, events, context);
    }
    co_return co_await say_message(degraded_entry(kind, model, "message"), request, failure, answer, events);
  }

  Task<Result<void>> without_documents(llm::ChatModel* model, AnswerRequest& request, const Error& failure,
                                       Answer& answer, AnswerEvents& events, RequestContext& context) {
    const std::string name = model == nullptr ? std::string(kExtractiveModel) : model->name();
    if (auto recalled = co_await memory_.recall(request, name, context)) {
      answer.degraded.push_back(degraded_entry("search", "documents", "cache"));
      co_return co_await repeat(std::move(*recalled), answer, events);
    }
    request.search.reset();
    if (model == nullptr) {
      const std::string entry = degraded_entry("search", "documents", "message");
      co_return co_await say_message(entry, request, failure, answer, events);
    }
    answer.degraded.push_back(degraded_entry("search", "documents", "conversation"));
    if (!request.instructions.empty()) request.instructions += "\n\n";
    request.instructions += kDocumentsMissing;
    co_return co_await generate(*model, request, answer, events, context);
  }

  // `failure` where no message is configured.
  Task<Result<void>> say_message(std::string entry, const AnswerRequest& request, const Error& failure, Answer& answer,
                                 AnswerEvents& events) const {
    const std::string_view question = last_question(request.messages);
    std::string message = fallback_message(config_.degradation, question);
    if (message.empty()) co_return failure;
    answer.degraded.push_back(std::move(entry));
    answer.model = kMessageModel;
    RAGTIME_CO_TRY_DONE(co_await say(std::move(message), answer, events));
    answer.usage = estimate_usage(question, answer.text);
    co_return Result<void>();
  }

  // An earlier answer, told again with its citations where they were.
  static Task<Result<void>> repeat(Answer earlier, Answer& answer, AnswerEvents& events) {
    std::size_t told = 0;
    for (const Citation& citation : earlier.citations) {
      const std::size_t end = std::max(told, citation.index);
      const std::string piece(text::slice_code_points(earlier.text, told, end));
      if (!piece.empty()) RAGTIME_CO_TRY_DONE(co_await events.on_delta(piece));
      RAGTIME_CO_TRY_DONE(co_await events.on_citation(citation));
      told = end;
    }
    const std::size_t length = text::count_code_points(earlier.text);
    const std::string rest(text::slice_code_points(earlier.text, told, length));
    if (!rest.empty()) RAGTIME_CO_TRY_DONE(co_await events.on_delta(rest));
    answer.model = std::move(earlier.model);
    answer.text = std::move(earlier.text);
    answer.citations = std::move(earlier.citations);
    answer.finish_reason = earlier.finish_reason;
    answer.usage = earlier.usage;
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
  AnswerMemory memory_;
};

}  // namespace

std::unique_ptr<Answerer> Answerer::create(AnswererConfig config, engine::Engine& engine,
                                           std::vector<std::unique_ptr<llm::ChatModel>> models,
                                           async::ThreadPool& compute) {
  return std::make_unique<DefaultAnswerer>(std::move(config), engine, std::move(models), compute);
}

}  // namespace ragtime::rag

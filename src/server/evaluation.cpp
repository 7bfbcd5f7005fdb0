#include "server/evaluation.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <unordered_set>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "async/task_group.h"
#include "documents/file_parser.h"
#include "engine/script_coverage.h"
#include "server/module_settings.h"

namespace ragtime::server {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr const char* kStore = "evaluation";
constexpr std::string_view kFilePrefix = "file-";
constexpr std::size_t kIngestWorkers = 32;  // They share the database's commits and the encoder's batches.
constexpr std::size_t kSearchWorkers = 4;
constexpr std::size_t kResultsMax = 1000;  // The engine's.
// So little that words decide alone, and cosines come along.
constexpr float kAlmostLexical = 1e-6f;

std::string file_id(std::size_t document) {
  return fmt::format("{}{}", kFilePrefix, document);
}

engine::DocumentNumber document_of(const std::string& file_id) {
  engine::DocumentNumber number = 0;
  std::from_chars(file_id.data() + kFilePrefix.size(), file_id.data() + file_id.size(), number);
  return number;
}

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

struct ArmPlan {
  const char* name;
  engine::Arms arms;
  bool rerank;
};

bool reranks(const Runtime& runtime) {
  return engine_config(runtime.configuration).rerank.method != engine::RerankMethod::none;
}

std::vector<ArmPlan> plan_arms(const Runtime& runtime) {
  std::vector<ArmPlan> arms{{kLexicalArm, engine::Arms::lexical, false}};
  if (!runtime.engine->embeds()) return arms;
  arms.push_back({kDenseArm, engine::Arms::dense, false});
  if (reranks(runtime)) arms.push_back({kFusedArm, engine::Arms::both, false});
  arms.push_back({kHybridArm, engine::Arms::both, true});
  return arms;
}

// Everything that one evaluation shares; its coroutines all run on one event loop.
struct Run {
  Runtime& runtime;
  const EvaluationSet& set;
  const EvaluationOptions options;
  Terminal& terminal;
  RequestContext& context;
  std::vector<ArmPlan> arms;
  std::vector<engine::FusionSetting> settings;
  std::vector<storage::RankingSettings> rankings;
  SetResult result{};
  std::string store_id{};
  std::vector<bool> present{};     // Documents that a kept directory has already.
  std::optional<Error> failure{};  // The first.
  std::size_t ranking = 0;         // Of rankings, the one that is tried.
  std::size_t next = 0;            // Document or query.
  std::size_t done = 0;

  bool goes_on(std::size_t count) const { return next < count && !failure && !context.cancelled(); }
};

// Ingest. -------------------------------------------------------------------------------------------------------------

Result<engine::PutDocument> make_put(const Run& run, std::size_t place) {
  const auto& document = run.set.documents[place];
  const bool blank = document.text.find_first_not_of(" \t\r\n") == std::string::npos;
  engine::PutDocument put;
  put.tenant = kLocalTenant;
  put.document.store_id = run.store_id;
  put.document.path = document.id;
  put.file.emplace();
  put.file->id = file_id(place);
  put.file->purpose = "assistants";
  documents::ParseOptions options;
  RAGTIME_TRY(put.parsed, documents::parse_plain_text(blank ? document.title : document.text, options));
  put.parsed.title = document.title;
  return put;
}

Task<Result<void>> put_document(Run& run, std::size_t place) {
  if (run.present[place]) co_return Result<void>();
  auto put = make_put(run, place);
  if (put.has_error()) {
    Error error = std::move(put).error();
    error.message = fmt::format("document {}: {}", run.set.documents[place].id, error.message);
    co_return error;
  }
  auto putting = run.runtime.engine->put_document(std::move(*put), run.context);
  auto outcome = co_await std::move(putting);
  if (outcome.has_error()) co_return std::move(outcome).error();
  co_return Result<void>();
}

Task<Result<void>> prepare_store(Run& run) {
  auto ensuring = run.runtime.ingestor->ensure_store(std::string(kLocalTenant), kStore, run.context);
  RAGTIME_CO_TRY(const auto store, co_await std::move(ensuring));
  run.store_id = store.id;
  run.present.assign(run.set.documents.size(), false);
  const auto list = [&] { return run.runtime.database->list_documents_by_path(run.store_id, ""); };
  RAGTIME_CO_TRY(const auto documents, co_await run.runtime.blocking->run(run.context, list));
  for (const auto& document : documents) {
    const auto place = document_of(document.file_id);
    if (place < run.present.size()) run.present[place] = true;
  }
  co_return Result<void>();
}

// Both phases. --------------------------------------------------------------------------------------------------------

using Step = Task<Result<void>> (*)(Run& run, std::size_t place);

// One of a few that take places until none is left.
Task<> take_places(Run& run, std::size_t count, Step step, Progress& progress) {
  while (run.goes_on(count)) {
    const auto done = co_await step(run, run.next++);
    if (done.has_error() && !run.failure) run.failure = done.error();
    progress.update(++run.done, run.set.name);
  }
}

Task<Result<void>> do_all(Run& run, const char* unit, std::size_t count, std::size_t workers, Step step) {
  Progress progress(run.terminal, unit, count, run.options.quiet);
  run.next = run.done = 0;
  async::TaskGroup group(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < workers; ++i) group.spawn(take_places(run, count, step, progress));
  co_await group.join();
  if (run.failure) co_return *run.failure;
  co_return run.context.check();
}

// Search. -------------------------------------------------------------------------------------------------------------

engine::SearchRequest search_request(const Run& run, const EvaluationQuery& query) {
  engine::SearchRequest request;
  request.store_ids = {run.store_id};
  request.queries = {query.text};
  request.results = evaluation_depth(run.options.k);
  return request;
}

Error embedding_failed() {
  return make_error(ErrorCode::unavailable, "the embedding model failed; `ragtime doctor` says what is wrong with it");
}

std::vector<engine::DocumentNumber> documents_of(const std::vector<engine::SearchHit>& hits) {
  std::vector<engine::DocumentNumber> ranking;
  std::unordered_set<engine::DocumentNumber> seen;
  for (const auto& hit : hits) {
    const auto document = document_of(hit.file_id);
    if (seen.insert(document).second) ranking.push_back(document);
  }
  return ranking;
}

Task<Result<void>> search_arm(Run& run, std::size_t place, std::size_t arm) {
  const EvaluationQuery& query = run.set.queries[place];
  auto request = search_request(run, query);
  request.arms = run.arms[arm].arms;
  request.rerank = run.arms[arm].rerank;
  auto searching = run.runtime.engine->search(std::move(request), run.context);
  RAGTIME_CO_TRY(const auto found, co_await std::move(searching));
  if (found.dense_failed) co_return embedding_failed();
  run.result.rerank_incomplete += found.rerank_incomplete ? 1 : 0;
  auto ranking = documents_of(found.hits);
  auto& result = run.result.arms[arm];
  result.queries[place] = engine::measure_ranking(ranking, query.grades, run.options.k);
  if (run.options.rankings) result.rankings[place] = std::move(ranking);
  co_return Result<void>();
}

void add_candidates(const std::vector<engine::SearchHit>& hits, std::unordered_set<std::int64_t>& seen,
                    engine::TuningQuery& query) {
  for (const auto& hit : hits) {
    if (!seen.insert(hit.chunk_id).second) continue;
    query.candidates.push_back({hit.chunk_id, hit.dense_score, hit.lexical_score});
    query.documents.push_back(document_of(hit.file_id));
  }
}

// The fusion's candidates are the best of both arms: the best by meaning and the best by words, each with both scores.
Task<Result<void>> score_fusions(Run& run, std::size_t place) {
  const EvaluationQuery& query = run.set.queries[place];
  const auto config = engine_config(run.runtime.configuration);
  engine::TuningQuery tuning;
  std::unordered_set<std::int64_t> seen;
  for (const float weight : {1.0f, kAlmostLexical}) {
    auto request = search_request(run, query);
    request.results = std::clamp(config.candidates, request.results, kResultsMax);
    request.dense_weight = weight;
    request.rerank = false;
    auto searching = run.runtime.engine->search(std::move(request), run.context);
    RAGTIME_CO_TRY(const auto found, co_await std::move(searching));
    if (found.dense_failed) co_return embedding_failed();
    add_candidates(found.hits, seen, tuning);
  }
  tuning.grades = query.grades;
  tuning.coverage = engine::script_coverage(run.runtime.embedder->info(), query.text);
  run.result.settings[place] = engine::score_settings(tuning, run.settings, config.rrf_k, run.options.k);
  co_return Result<void>();
}

Task<Result<void>> search_query(Run& run, std::size_t place) {
  for (std::size_t arm = 0; arm < run.arms.size(); ++arm) {
    RAGTIME_CO_TRY_DONE(co_await search_arm(run, place, arm));
  }
  const bool tune = run.options.tune && run.runtime.engine->embeds();
  if (tune) RAGTIME_CO_TRY_DONE(co_await score_fusions(run, place));
  co_return Result<void>();
}

// BM25's settings. ----------------------------------------------------------------------------------------------------

Task<Result<void>> set_ranking(Run& run, const storage::RankingSettings& ranking) {
  const auto read = [&] { return run.runtime.database->get_store(kLocalTenant, run.store_id); };
  RAGTIME_CO_TRY(auto store, co_await run.runtime.blocking->run(run.context, read));
  store.ranking = ranking;
  auto updating = run.runtime.engine->update_store(std::move(store), run.context);
  const auto updated = co_await std::move(updating);
  if (updated.has_error()) co_return updated.error();
  co_return Result<void>();
}

Task<Result<void>> score_ranking(Run& run, std::size_t place) {
  const EvaluationQuery& query = run.set.queries[place];
  auto request = search_request(run, query);
  request.arms = engine::Arms::lexical;
  request.rerank = false;
  auto searching = run.runtime.engine->search(std::move(request), run.context);
  RAGTIME_CO_TRY(const auto found, co_await std::move(searching));
  const auto measures = engine::measure_ranking(documents_of(found.hits), query.grades, run.options.k);
  run.result.rankings[place][run.ranking] = measures.ndcg;
  co_return Result<void>();
}

// The same index under one ranking after the other; the store has none of its own again at the end.
Task<Result<void>> score_rankings(Run& run) {
  run.result.rankings.assign(run.set.queries.size(), std::vector<double>(run.rankings.size()));
  Result<void> done;
  for (run.ranking = 0; run.ranking < run.rankings.size() && done.has_value(); ++run.ranking) {
    done = co_await set_ranking(run, run.rankings[run.ranking]);
    if (done.has_error()) break;
    const std::string unit = fmt::format("questions, BM25 setting {} of {}", run.ranking + 1, run.rankings.size());
    done = co_await do_all(run, unit.c_str(), run.set.queries.size(), kSearchWorkers, score_ranking);
  }
  const auto restored = co_await set_ranking(run, {});
  co_return done.has_error() ? done : restored;
}

void prepare_results(Run& run) {
  const auto& set = run.set;
  auto& result = run.result;
  result.name = set.name;
  result.documents = set.documents.size();
  result.queries = set.queries.size();
  result.queries_unjudged = set.queries_unjudged;
  for (const auto& arm : run.arms) {
    auto& added = result.arms.emplace_back();
    added.name = arm.name;
    added.queries.resize(set.queries.size());
    if (run.options.rankings) added.rankings.resize(set.queries.size());
  }
  if (run.options.tune && run.runtime.engine->embeds()) result.settings.resize(set.queries.size());
}

Task<Result<void>> run_all(Run& run) {
  prepare_results(run);
  const auto start = SteadyClock::now();
  RAGTIME_CO_TRY_DONE(co_await prepare_store(run));
  RAGTIME_CO_TRY_DONE(co_await do_all(run, "documents", run.set.documents.size(), kIngestWorkers, put_document));
  run.result.ingest_s = seconds_since(start);
  run.result.passages = run.runtime.engine->statistics().chunks;
  const auto asked = SteadyClock::now();
  // A second stage has a time budget, which other searches must not use up.
  const std::size_t workers = reranks(run.runtime) ? 1 : kSearchWorkers;
  RAGTIME_CO_TRY_DONE(co_await do_all(run, "questions", run.set.queries.size(), workers, search_query));
  run.result.search_s = seconds_since(asked);
  if (run.options.tune) RAGTIME_CO_TRY_DONE(co_await score_rankings(run));
  co_return Result<void>();
}

}  // namespace

std::size_t evaluation_depth(std::size_t k) {
  return std::max<std::size_t>(100, k);
}

const ArmResult* SetResult::arm(std::string_view wanted) const {
  const auto found = std::find_if(arms.begin(), arms.end(), [&](const auto& arm) { return arm.name == wanted; });
  return found == arms.end() ? nullptr : &*found;
}

std::vector<engine::FusionSetting> tuning_settings(const Configuration& configuration) {
  const auto config = engine_config(configuration);
  return engine::fusion_settings({config.fusion, config.dense_weight});
}

std::vector<storage::RankingSettings> tuning_rankings(const Configuration& configuration) {
  const auto& retrieval = configuration.retrieval;
  std::vector<storage::RankingSettings> rankings{{retrieval.bm25_k1, retrieval.bm25_b, std::nullopt}};
  for (const double k1 : {0.6, 0.9, 1.2, 1.5, 2.0}) {
    for (const double b : {0.2, 0.4, 0.6, 0.75, 0.9}) rankings.push_back({k1, b, std::nullopt});
  }
  return rankings;
}

Task<Result<SetResult>> evaluate(std::unique_ptr<Runtime> runtime, const EvaluationSet& set, EvaluationOptions options,
                                 Terminal& terminal, RequestContext& context) {
  Run run{*runtime, set, options, terminal, context, plan_arms(*runtime), tuning_settings(runtime->configuration),
          tuning_rankings(runtime->configuration)};
  const auto done = co_await run_all(run);
  runtime.reset();
  if (done.has_error()) co_return done.error();
  co_return std::move(run.result);
}

}  // namespace ragtime::server

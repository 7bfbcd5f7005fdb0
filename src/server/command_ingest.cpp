#include <algorithm>
#include <fstream>
#include <set>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "async/task_group.h"
#include "base/hash.h"
#include "documents/parser.h"
#include "server/backend_command.h"
#include "server/exit_code.h"
#include "server/ingest_summary.h"
#include "server/module_settings.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using KnownDocuments = std::map<std::string, std::string>;  // Path → SHA-256 of the content in the store.

std::string hash_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  Sha256 hash;
  std::string buffer(1 << 20, '\0');
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    hash.update(std::string_view(buffer).substr(0, static_cast<std::size_t>(in.gcount())));
  }
  return hash.finish_hex();
}

std::string with_slash(const fs::path& directory) {
  std::string out = directory.string();
  if (!out.ends_with('/')) out += '/';
  return out;
}

// Everything that one run shares; its coroutines all run on one event loop.
struct Run {
  Backend& backend;
  RequestContext& context;
  const IngestOptions& options;
  WalkResult walked;
  KnownDocuments known;
  IngestSummary summary;
  Progress progress;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::size_t next = 0;
  std::size_t done = 0;
};

void show(Run& run) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - run.start).count();
  const auto& summary = run.summary;
  std::string details = fmt::format("{} chunks", format_count(summary.chunks));
  if (seconds > 0.5) details += fmt::format(" ({:.0f}/s)", static_cast<double>(summary.chunks) / seconds);
  if (!summary.failed.empty()) details += fmt::format(", {} failed", summary.failed.size());
  run.progress.update(run.done, details);
}

void note(Run& run, const WalkedFile& file, const Result<rag::IngestResult>& result) {
  if (result.has_error()) {
    if (result.error().code == ErrorCode::cancelled && run.context.cancelled()) {
      ++run.summary.not_begun;
    } else {
      run.summary.failed.push_back({file.path.string(), result.error().message});
    }
    return;
  }
  if (result->outcome == rag::IngestOutcome::unchanged) {
    ++run.summary.unchanged;
    return;
  }
  ++(result->outcome == rag::IngestOutcome::added ? run.summary.added : run.summary.replaced);
  run.summary.chunks += result->chunks;
  run.summary.bytes += file.bytes;
}

bool is_unchanged(const Run& run, const WalkedFile& file) {
  const auto known = run.known.find(file.path.string());
  return known != run.known.end() && known->second == hash_of(file.path);
}

// One of a few that take files until none is left.
Task<> take_files(Run& run) {
  while (run.next < run.walked.files.size() && !run.context.cancelled()) {
    const WalkedFile& file = run.walked.files[run.next++];
    if (is_unchanged(run, file)) {
      ++run.summary.unchanged;
    } else {
      auto putting = run.backend.put_document(run.options.store, file.path, run.context);
      note(run, file, co_await std::move(putting));
    }
    ++run.done;
    show(run);
  }
}

Task<Result<void>> learn_known(Run& run) {
  std::set<std::string> prefixes;
  for (const auto& directory : run.walked.directories) prefixes.insert(with_slash(directory));
  for (const auto& file : run.walked.files) {
    const std::string path = file.path.string();
    const bool covered =
        std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& p) { return path.starts_with(p); });
    if (!covered) prefixes.insert(path);
  }
  for (const auto& prefix : prefixes) {
    auto listing = run.backend.list_documents(run.options.store, prefix, run.context);
    RAGTIME_CO_TRY(const auto documents, co_await std::move(listing));
    for (const auto& document : documents) run.known.insert_or_assign(document.path, document.sha256);
  }
  co_return Result<void>();
}

// Documents of the walked directories whose file is gone: removed with --prune, else mentioned.
Task<Result<void>> handle_missing(Run& run) {
  for (const auto& [path, hash] : run.known) {
    std::error_code failure;
    const bool inside = std::any_of(run.walked.directories.begin(), run.walked.directories.end(),
                                    [&, &path = path](const auto& d) { return path.starts_with(with_slash(d)); });
    if (!inside || fs::exists(path, failure) || failure) continue;
    if (!run.options.prune) {
      run.summary.missing.push_back(path);
      continue;
    }
    auto removing = run.backend.remove_document(run.options.store, path, run.context);
    RAGTIME_CO_TRY_DONE(co_await std::move(removing));
    ++run.summary.removed;
  }
  co_return Result<void>();
}

Task<Result<void>> take_all(Run& run) {
  RAGTIME_CO_TRY_DONE(co_await learn_known(run));
  if (!run.walked.files.empty()) {
    auto ensuring = run.backend.ensure_store(run.options.store, run.context);
    RAGTIME_CO_TRY_DONE(co_await std::move(ensuring));
  }
  show(run);
  async::TaskGroup group(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < ingest_concurrency(); ++i) group.spawn(take_files(run));
  co_await group.join();
  run.summary.not_begun += run.walked.files.size() - run.next;
  co_return co_await handle_missing(run);
}

Task<int> ingest(Backend& backend, RequestContext& context, const IngestOptions& options, WalkResult walked,
                 Invocation& invocation) {
  const std::size_t total = walked.files.size();
  Run run{backend,
          context,
          options,
          std::move(walked),
          {},
          {},
          Progress(invocation.err, "documents", total, options.quiet || invocation.json)};
  run.summary.store = options.store;
  auto finished = co_await take_all(run);
  run.progress.clear();
  run.summary.skipped = std::move(run.walked.skipped);
  run.summary.elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - run.start);
  std::sort(run.summary.failed.begin(), run.summary.failed.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  if (invocation.json) {
    invocation.out.line(summary_json(run.summary));
  } else {
    print_summary(run.summary, invocation.out);
  }
  if (finished.has_error()) co_return report_failure(invocation, finished.error());
  co_return run.summary.failed.empty() ? kExitDone : kExitFailed;
}

}  // namespace

int ingest_command(const IngestOptions& options, Invocation& invocation) {
  WalkOptions walk;
  walk.excludes = options.excludes;
  walk.wanted = documents::is_supported_filename;
  auto walked = walk_files(options.paths, walk);
  if (walked.has_error()) return fail(invocation, walked.error().message, kExitUsage);
  return run_on_backend(
      [&](Backend& backend, RequestContext& context) {
        return ingest(backend, context, options, std::move(*walked), invocation);
      },
      invocation);
}

}  // namespace ragtime::server

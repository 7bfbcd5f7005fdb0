#include "documents/parser.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/semaphore.h"
#include "documents/file_bytes.h"
#include "documents/file_parser.h"
#include "documents/format.h"
#include "documents/worker_process.h"

namespace ragtime::documents {
namespace {

constexpr std::size_t kWaitersMax = 100'000;

// Formats whose parser is a few lines of this project, safe to run on any bytes.
bool is_parsed_in_process(Format format) {
  return format == Format::plain_text || format == Format::code || format == Format::delimited;
}

class JailedParser final : public Parser {
 public:
  JailedParser(ParserConfig config, async::ThreadPool& pool)
      : config_(std::move(config)), pool_(pool), places_(std::max<std::size_t>(config_.workers_max, 1), kWaitersMax) {}

  Task<Result<text::Document>> parse(std::filesystem::path path, std::string filename,
                                     RequestContext& context) override {
    auto inspect_job = [&] { return inspect(path, filename); };
    RAGTIME_CO_TRY(Inspected inspected, co_await pool_.run(context, std::move(inspect_job)));
    if (inspected.document) co_return std::move(*inspected.document);
    RAGTIME_CO_TRY(const auto place, co_await places_.acquire(context));
    ParseRequest request{inspected.format, std::filesystem::absolute(path).string(), filename, config_.text_bytes_max};
    auto parse_job = [&] { return parse_in_worker(request, context); };
    co_return co_await pool_.run(context, std::move(parse_job));
  }

 private:
  // The file's format, and its document where no worker is needed.
  struct Inspected {
    Format format = Format::plain_text;
    std::optional<text::Document> document;
  };

  Result<Inspected> inspect(const std::filesystem::path& path, const std::string& filename) const {
    RAGTIME_TRY(const std::int64_t bytes, regular_file_bytes(path));
    if (static_cast<std::uint64_t>(bytes) > config_.file_bytes_max) {
      return make_error(ErrorCode::too_large, "the file is larger than the limit of " +
                                                  std::to_string(config_.file_bytes_max >> 20) + " MiB");
    }
    RAGTIME_TRY(const std::string head, read_head(path, kHeadBytes));
    Inspected inspected;
    RAGTIME_TRY(inspected.format, detect_format(head, filename));
    if (!is_parsed_in_process(inspected.format)) return inspected;
    const ParseOptions options{filename, config_.text_bytes_max};
    RAGTIME_TRY(inspected.document, parse_file(inspected.format, path, options));
    return inspected;
  }

  Result<text::Document> parse_in_worker(const ParseRequest& request, const RequestContext& context) {
    std::unique_ptr<WorkerProcess> worker = take_idle();
    if (worker == nullptr) {
      RAGTIME_TRY(worker, WorkerProcess::start(config_, context));
    }
    auto document = worker->parse(request, context);
    if (worker->usable()) {
      const std::lock_guard lock(mutex_);
      idle_.push_back(std::move(worker));
    }
    return document;
  }

  // A worker in good health, or nothing.
  std::unique_ptr<WorkerProcess> take_idle() {
    std::vector<std::unique_ptr<WorkerProcess>> dead;  // Ended after the lock is released.
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<WorkerProcess> worker = std::move(idle_.back());
      idle_.pop_back();
      if (worker->usable()) return worker;
      dead.push_back(std::move(worker));
    }
    return nullptr;
  }

  const ParserConfig config_;
  async::ThreadPool& pool_;
  async::Semaphore places_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<WorkerProcess>> idle_;  // Guarded by mutex_.
};

}  // namespace

std::unique_ptr<Parser> Parser::create(ParserConfig config, async::ThreadPool& pool) {
  return std::make_unique<JailedParser>(std::move(config), pool);
}

bool is_supported_filename(std::string_view filename) {
  return hint_from_name(filename).known;
}

}  // namespace ragtime::documents

#include "server/model_hub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "async/thread_pool.h"
#include "async/wait.h"
#include "base/hash.h"
#include "encoder/text_encoder.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uint64_t kFileBytesMax = 32ull << 30;
constexpr std::size_t kFilesMax = 10'000;  // In the hub's list of one model.
constexpr std::size_t kNameCharsMax = 96;
constexpr int kAttemptsMax = 4;
constexpr std::string_view kWeights = "model.safetensors";

Error unavailable(std::string message) {
  return make_error(ErrorCode::unavailable, std::move(message));
}
Error corrupt(std::string message) {
  return make_error(ErrorCode::corrupt, std::move(message));
}

// --- Which files belong to a model ---

bool stays_inside(std::string_view file) {
  if (file.empty() || file.find('\\') != file.npos) return false;
  if (std::any_of(file.begin(), file.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; })) return false;
  const fs::path path(file);
  return path.is_relative() && std::none_of(path.begin(), path.end(), [](const fs::path& part) {
           return part.empty() || part == ".." || part == ".";
         });
}

// "1_Pooling": where sentence-transformers keeps its modules.
bool is_module_directory(std::string_view name) {
  const std::size_t digits = name.find_first_not_of("0123456789");
  return digits != name.npos && digits > 0 && name[digits] == '_';
}

// Other weights, ONNX exports, training notes and the like stay where they are.
bool is_needed(std::string_view file) {
  constexpr std::array<std::string_view, 9> kNeeded = {"config.json",
                                                       kWeights,
                                                       "tokenizer.json",
                                                       "vocab.txt",
                                                       "tokenizer_config.json",
                                                       "special_tokens_map.json",
                                                       "modules.json",
                                                       "sentence_bert_config.json",
                                                       "config_sentence_transformers.json"};
  const fs::path path(file);
  const auto directory = path.parent_path();
  if (!directory.empty() && (directory.has_parent_path() || !is_module_directory(directory.string()))) return false;
  return std::find(kNeeded.begin(), kNeeded.end(), path.filename().string()) != kNeeded.end();
}

Result<std::vector<fs::path>> needed_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code failure;
  for (fs::recursive_directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure)) {
    const fs::path relative = at->path().lexically_relative(directory);
    if (is_needed(relative.string()) && at->is_regular_file(failure)) files.push_back(relative);
    if (at.depth() > 0) at.disable_recursion_pending();
  }
  if (failure) return unavailable("cannot read " + directory.string() + ": " + failure.message());
  return files;
}

// --- Putting a model in place ---

Result<ModelSummary> load_summary(const fs::path& directory, std::string name) {
  async::ThreadPool one_thread({.name = "model check", .threads = 1});
  RAGTIME_TRY(const auto embedder, encoder::open_embedder(directory, name, one_thread));
  ModelSummary summary;
  summary.name = std::move(name);
  summary.directory = directory;
  summary.dimensions = embedder->info().dimensions;
  summary.tokens_max = embedder->info().tokens_max;
  summary.covers_cjk = embedder->info().covers_cjk;
  RAGTIME_TRY(const auto files, needed_files(directory));
  std::error_code ignored;
  for (const fs::path& file : files) summary.bytes += fs::file_size(directory / file, ignored);
  return summary;
}

Result<void> check_name_is_free(const fs::path& place) {
  std::error_code ignored;
  if (!fs::exists(place, ignored)) return {};
  return make_error(ErrorCode::conflict, "the model " + place.filename().string() + " is there already; delete " +
                                             place.string() + " to add it again");
}

fs::path work_directory(const fs::path& place) {
  return place.parent_path() / (".partial-" + place.filename().string());
}

Result<void> make_directory(const fs::path& directory) {
  std::error_code failure;
  fs::create_directories(directory, failure);
  if (failure) return unavailable("cannot make " + directory.string() + ": " + failure.message());
  return {};
}

Result<ModelSummary> move_into_place(ModelSummary summary, const fs::path& place) {
  std::error_code failure;
  fs::rename(summary.directory, place, failure);
  if (failure) return unavailable("cannot make " + place.string() + ": " + failure.message());
  summary.directory = place;
  return summary;
}

Result<void> copy_files(const fs::path& source, const fs::path& target) {
  RAGTIME_TRY(const auto files, needed_files(source));
  std::error_code failure;
  fs::remove_all(target, failure);
  for (const fs::path& file : files) {
    RAGTIME_TRY_DONE(make_directory((target / file).parent_path()));
    fs::copy_file(source / file, target / file, failure);
    if (failure) return unavailable("cannot copy " + (source / file).string() + ": " + failure.message());
  }
  return {};
}

std::string directory_name(const fs::path& source) {
  std::error_code ignored;
  fs::path path = fs::weakly_canonical(source, ignored);
  if (!path.has_filename()) path = path.parent_path();
  const std::string repository = path.parent_path().parent_path().filename().string();
  if (path.parent_path().filename() == "snapshots" && repository.starts_with("models--")) {
    return repository.substr(repository.rfind("--") + 2);
  }
  return path.filename().string();
}

// --- The hub ---

struct HubFile {
  std::string path;
  std::uint64_t bytes = 0;  // 0 when unknown.
  std::string sha256;       // Empty when unknown.
};

Result<void> check_model_name(std::string_view name) {
  const auto good = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  };
  std::string_view rest = name;
  int parts = 0;
  for (; !rest.empty() && parts < 3; ++parts) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part.empty() || part.starts_with('.') || !std::all_of(part.begin(), part.end(), good)) parts = 3;
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  if (parts >= 1 && parts <= 2 && name.size() <= kNameCharsMax && !name.ends_with('/')) return {};
  return make_error(ErrorCode::invalid_argument,
                    fmt::format("\"{}\" is neither a directory nor the name of a model like ORGANISATION/MODEL", name));
}

bool is_worth_retrying(int status) {
  return status == 429 || status == 408 || status >= 500;
}

// The error behind a status other than success.
Error status_error(int status, std::string_view model, std::string_view what) {
  switch (status) {
    case 401:
    case 403:
      return make_error(ErrorCode::permission_denied,
                        fmt::format("the hub does not give out {}: it does not exist, is private, or asks for an "
                                    "agreement first; download it by hand and add the directory",
                                    model));
    case 404:
      return make_error(ErrorCode::not_found, fmt::format("the hub has no {} of {}", what, model));
    default:
      return unavailable(fmt::format("the hub answered {} for {} of {}", status, what, model));
  }
}

std::uint64_t to_size(const json::value* value) {
  boost::system::error_code failure;
  const auto number = value == nullptr ? 0 : value->to_number<std::uint64_t>(failure);
  return failure ? 0 : number;
}

std::string to_text(const json::value* value) {
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->get_string().data(), value->get_string().size());
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

HubFile parse_file(const json::object& entry) {
  HubFile file;
  file.path = to_text(entry.if_contains("rfilename"));
  file.bytes = to_size(entry.if_contains("size"));
  const json::value* large = entry.if_contains("lfs");
  if (large != nullptr && large->is_object()) {
    const std::string sum = to_text(large->get_object().if_contains("sha256"));
    if (is_sha256(sum)) file.sha256 = sum;
    if (file.bytes == 0) file.bytes = to_size(large->get_object().if_contains("size"));
  }
  return file;
}

// The needed files out of the hub's description of a model.
Result<std::vector<HubFile>> parse_file_list(std::string_view body, std::string_view model) {
  boost::system::error_code failure;
  const json::value value = json::parse(json::string_view(body.data(), body.size()), failure);
  const json::object* description = failure ? nullptr : value.if_object();
  const json::value* siblings = description == nullptr ? nullptr : description->if_contains("siblings");
  if (siblings == nullptr || !siblings->is_array() || siblings->get_array().size() > kFilesMax) {
    return corrupt(fmt::format("the hub's description of {} is not what a hub sends", model));
  }
  std::vector<HubFile> files;
  for (const json::value& entry : siblings->get_array()) {
    if (!entry.is_object()) return corrupt(fmt::format("the hub's list of files of {} is malformed", model));
    HubFile file = parse_file(entry.get_object());
    if (!stays_inside(file.path)) {
      return corrupt(fmt::format("the hub names a file outside the model {}: \"{}\"", model, file.path));
    }
    if (is_needed(file.path)) files.push_back(std::move(file));
  }
  const auto is_weights = [](const HubFile& file) { return fs::path(file.path).filename() == kWeights; };
  if (std::none_of(files.begin(), files.end(), is_weights)) {
    return make_error(ErrorCode::unsupported,
                      fmt::format("the model {} has no {}; only models in that format can be added", model, kWeights));
  }
  return files;
}

Result<std::string> file_sha256(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  Sha256 sum;
  std::string buffer(1u << 20, '\0');
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    sum.update(std::string_view(buffer).substr(0, static_cast<std::size_t>(file.gcount())));
  }
  if (!file.eof()) return unavailable("cannot read " + path.string());
  return sum.finish_hex();
}

std::uint64_t size_or_zero(const fs::path& path) {
  std::error_code failure;
  const auto size = fs::file_size(path, failure);
  return failure ? 0 : size;
}

// Whether a 206 continues exactly where we are: "bytes 100-199/200".
bool continues_at(const http::Headers& headers, std::uint64_t offset) {
  const auto range = headers.find("content-range");
  return range && range->starts_with(fmt::format("bytes {}-", offset));
}

// What the reply says about the whole file, where the list of files was silent.
void learn_from_headers(const http::Headers& headers, HubFile& file) {
  if (const auto size = headers.find("x-linked-size"); size && file.bytes == 0) {
    std::from_chars(size->data(), size->data() + size->size(), file.bytes);
  }
  if (auto tag = headers.find("x-linked-etag"); tag && file.sha256.empty()) {
    if (tag->size() > 2 && tag->front() == '"') tag = tag->substr(1, tag->size() - 2);
    if (is_sha256(*tag)) file.sha256 = std::string(*tag);
  }
}

// One add_model_from_hub(): the files of a model, one after the other, into the work directory.
class Download {
 public:
  Download(HubDownload& download, http::Client& client, RequestContext& context)
      : download_(download), client_(client), context_(context) {}

  Task<Result<void>> run(fs::path target);

 private:
  Task<Result<std::vector<HubFile>>> list();
  Task<Result<void>> fetch(HubFile file, fs::path target);
  Task<Result<void>> fetch_once(HubFile& file, const fs::path& part);
  Task<Result<std::unique_ptr<http::ClientStream>>> open(const HubFile& file, std::uint64_t offset);
  Task<Result<void>> receive(http::ClientStream& stream, const HubFile& file, const fs::path& part, bool append);
  Result<void> verify(const HubFile& file, const fs::path& part) const;
  void report(std::uint64_t file_bytes, std::string_view file) const;

  HubDownload& download_;
  http::Client& client_;
  RequestContext& context_;
  std::uint64_t done_before_ = 0;  // Bytes of the files that are complete.
  std::uint64_t total_ = 0;
};

Task<Result<void>> Download::run(fs::path target) {
  RAGTIME_CO_TRY(const auto files, co_await list());
  for (const HubFile& file : files) total_ += file.bytes;
  for (const HubFile& file : files) {
    const fs::path path = target / file.path;
    RAGTIME_CO_TRY_DONE(make_directory(path.parent_path()));
    const bool kept = !file.sha256.empty() && fs::exists(path) && verify(file, path).has_value();
    if (!kept) RAGTIME_CO_TRY_DONE(co_await fetch(file, path));
    done_before_ += size_or_zero(path);
  }
  co_return Result<void>{};
}

Task<Result<std::vector<HubFile>>> Download::list() {
  http::ClientRequest request;
  request.url = download_.hub_url + "/api/models/" + download_.name + "?blobs=true";
  RAGTIME_CO_TRY(const auto response, co_await client_.send(std::move(request), context_));
  if (response.status == 404) {
    co_return make_error(ErrorCode::not_found, fmt::format("the hub has no model {}", download_.name));
  }
  if (response.status != 200) co_return status_error(response.status, download_.name, "description");
  co_return parse_file_list(response.body, download_.name);
}

// Continues where an earlier attempt was cut; a file without a known checksum always begins anew in a new call.
Task<Result<void>> Download::fetch(HubFile file, fs::path target) {
  const fs::path part = target.string() + ".part";
  std::error_code ignored;
  if (file.sha256.empty()) fs::remove(part, ignored);
  for (int attempt = 1;; ++attempt) {
    const bool resumed = size_or_zero(part) > 0;
    Result<void> done = co_await fetch_once(file, part);
    if (done.has_value()) done = verify(file, part);
    if (done.has_value()) break;
    const bool damaged = done.error().code == ErrorCode::corrupt;
    if (damaged) fs::remove(part, ignored);
    const bool retry = done.error().code == ErrorCode::unavailable || (damaged && resumed);
    if (!retry || attempt == kAttemptsMax) co_return done;
    RAGTIME_CO_TRY_DONE(co_await async::sleep_for(download_.retry_wait * (1 << (attempt - 1)), context_));
  }
  fs::rename(part, target, ignored);
  if (ignored) co_return unavailable("cannot make " + target.string() + ": " + ignored.message());
  co_return Result<void>{};
}

Task<Result<void>> Download::fetch_once(HubFile& file, const fs::path& part) {
  const std::uint64_t offset = size_or_zero(part);
  if (file.bytes > 0 && offset == file.bytes) co_return Result<void>{};
  RAGTIME_CO_TRY(const auto stream, co_await open(file, offset));
  const int status = stream->status();
  if (status == 416 || (status == 206 && !continues_at(stream->headers(), offset))) {
    co_return corrupt(fmt::format("the hub cannot continue {} of {}", file.path, download_.name));
  }
  if (is_worth_retrying(status)) co_return unavailable(fmt::format("the hub answered {} for {}", status, file.path));
  if (status != 200 && status != 206) co_return status_error(status, download_.name, file.path);
  learn_from_headers(stream->headers(), file);
  co_return co_await receive(*stream, file, part, status == 206);
}

Task<Result<std::unique_ptr<http::ClientStream>>> Download::open(const HubFile& file, std::uint64_t offset) {
  http::ClientRequest request;
  request.url = download_.hub_url + "/" + download_.name + "/resolve/main/" + file.path;
  if (offset > 0) request.headers.set("Range", fmt::format("bytes={}-", offset));
  co_return co_await client_.open(std::move(request), context_);
}

Task<Result<void>> Download::receive(http::ClientStream& stream, const HubFile& file, const fs::path& part,
                                     bool append) {
  std::ofstream out(part, std::ios::binary | (append ? std::ios::app : std::ios::trunc));
  std::uint64_t bytes = append ? size_or_zero(part) : 0;
  const std::uint64_t bytes_max = file.bytes > 0 ? file.bytes : kFileBytesMax;
  while (true) {
    RAGTIME_CO_TRY(const auto piece, co_await stream.read_some(context_));
    if (piece.empty()) break;
    bytes += piece.size();
    if (bytes > bytes_max) co_return corrupt(fmt::format("{} is longer than the hub said", file.path));
    if (!out.write(piece.data(), static_cast<std::streamsize>(piece.size()))) break;
    report(bytes, file.path);
  }
  out.close();
  if (!out)
    co_return make_error(ErrorCode::resource_exhausted, "cannot write " + part.string() + ": is the disk full?");
  co_return Result<void>{};
}

Result<void> Download::verify(const HubFile& file, const fs::path& part) const {
  const std::uint64_t bytes = size_or_zero(part);
  if (file.bytes > 0 && bytes < file.bytes) {
    return unavailable(fmt::format("{} ended after {} of {} bytes", file.path, bytes, file.bytes));
  }
  if (file.sha256.empty()) return {};
  RAGTIME_TRY(const auto sum, file_sha256(part));
  if (sum == file.sha256) return {};
  return corrupt(fmt::format("{} of {} has another checksum than the hub says; try again", file.path, download_.name));
}

void Download::report(std::uint64_t file_bytes, std::string_view file) const {
  if (download_.progress) download_.progress(done_before_ + file_bytes, total_, file);
}

}  // namespace

Result<ModelSummary> add_model_directory(const fs::path& source, const fs::path& models_directory) {
  const std::string name = directory_name(source);
  RAGTIME_TRY_DONE(load_summary(source, name));
  const fs::path place = models_directory / name;
  RAGTIME_TRY_DONE(check_name_is_free(place));
  const fs::path work = work_directory(place);
  RAGTIME_TRY_DONE(copy_files(source, work));
  RAGTIME_TRY(auto summary, load_summary(work, name));
  return move_into_place(std::move(summary), place);
}

Task<Result<ModelSummary>> add_model_from_hub(HubDownload download, http::Client& client, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(check_model_name(download.name));
  const std::string name = download.name.substr(download.name.find('/') + 1);
  const fs::path place = download.models_directory / name;
  RAGTIME_CO_TRY_DONE(check_name_is_free(place));
  const fs::path work = work_directory(place);
  Download fetched(download, client, context);
  RAGTIME_CO_TRY_DONE(co_await fetched.run(work));
  auto summary = load_summary(work, name);
  if (summary.has_error()) {
    std::error_code ignored;
    fs::remove_all(work, ignored);  // Complete and yet useless: nothing to continue.
    co_return summary.error();
  }
  co_return move_into_place(std::move(*summary), place);
}

}  // namespace ragtime::server

#include "api/file_form.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "text/utf8.h"

namespace ragtime::api {
namespace {

constexpr std::size_t kFieldBytesMax = 4096;
constexpr std::size_t kFieldsMax = 32;
constexpr std::size_t kFilenameBytesMax = 255;
constexpr std::int64_t kExpirySecondsMin = 3'600;
constexpr std::int64_t kExpirySecondsMax = 2'592'000;
constexpr std::array<std::string_view, 6> kPurposes = {"assistants", "batch",     "fine-tune",
                                                       "vision",     "user_data", "evals"};

Error bad_field(std::string message, std::string param) {
  return make_error(ErrorCode::invalid_argument, std::move(message), std::move(param));
}

// Takes the parser's events; everything but the file is collected in memory.
class FormReader {
 public:
  FormReader(Environment& env, RequestContext& context) : upload_(env, context) {}

  Task<Result<void>> take(http::MultipartParser::Event event) {
    using Kind = http::MultipartParser::Event::Kind;
    if (event.kind == Kind::part_begin) co_return begin_part(event);
    if (event.kind != Kind::part_data) co_return Result<void>();
    if (in_file_) co_return co_await upload_.write(event.data);
    co_return add_to_field(event.data);
  }

  Result<FileForm> check_fields() const;
  Task<Result<storage::BlobInfo>> finish() { return upload_.finish(); }

 private:
  Result<void> begin_part(const http::MultipartParser::Event& event) {
    in_file_ = event.name == "file";
    field_ = event.name;
    if (!in_file_) return {};
    if (has_file_) return bad_field("Only one 'file' may be sent at a time.", "file");
    has_file_ = true;
    filename_ = display_filename(event.filename);
    return {};
  }

  Result<void> add_to_field(std::string_view data) {
    std::string& value = fields_[field_];
    value.append(data);
    if (value.size() > kFieldBytesMax || fields_.size() > kFieldsMax) {
      return bad_field(fmt::format("The form field '{}' is too long.", text::truncate_utf8(field_, 64)), "");
    }
    return {};
  }

  std::string field(const std::string& name) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? std::string() : found->second;
  }

  Result<std::optional<std::int64_t>> expiry() const;

  BlobUpload upload_;
  std::map<std::string, std::string> fields_;
  std::string field_;
  std::string filename_;
  bool in_file_ = false;
  bool has_file_ = false;
};

Result<std::optional<std::int64_t>> FormReader::expiry() const {
  const std::string anchor = field("expires_after[anchor]");
  const std::string text = field("expires_after[seconds]");
  if (anchor.empty() && text.empty()) return std::optional<std::int64_t>();
  if (anchor != "created_at") {
    return bad_field("Invalid 'expires_after[anchor]': the supported value is 'created_at'.", "expires_after[anchor]");
  }
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < kExpirySecondsMin ||
      seconds > kExpirySecondsMax) {
    return bad_field(fmt::format("Invalid 'expires_after[seconds]': must be an integer between {} and {}.",
                                 kExpirySecondsMin, kExpirySecondsMax),
                     "expires_after[seconds]");
  }
  return std::optional<std::int64_t>(seconds);
}

Result<FileForm> FormReader::check_fields() const {
  if (!has_file_) return bad_field("Missing required parameter: 'file'.", "file");
  FileForm form;
  form.filename = filename_;
  form.purpose = field("purpose");
  if (form.purpose.empty()) return bad_field("Missing required parameter: 'purpose'.", "purpose");
  if (std::find(kPurposes.begin(), kPurposes.end(), form.purpose) == kPurposes.end()) {
    return bad_field(fmt::format("Invalid value for 'purpose': '{}'. Supported values are: 'assistants', 'batch', "
                                 "'fine-tune', 'vision', 'user_data', 'evals'.",
                                 text::is_valid_utf8(form.purpose) ? text::truncate_utf8(form.purpose, 64) : "?"),
                     "purpose");
  }
  RAGTIME_TRY(form.expires_after_s, expiry());
  return form;
}

Task<Result<void>> read_parts(http::Request& request, http::MultipartParser& parser, FormReader& reader) {
  while (true) {
    RAGTIME_CO_TRY(const std::string bytes, co_await request.body_reader->read_some());
    if (bytes.empty()) break;
    RAGTIME_CO_TRY(auto events, parser.feed(bytes));
    for (http::MultipartParser::Event& event : events) {
      RAGTIME_CO_TRY_DONE(co_await reader.take(std::move(event)));
    }
  }
  if (!parser.finished()) {
    co_return make_error(ErrorCode::invalid_argument, "The multipart body ends before its closing boundary.");
  }
  co_return Result<void>();
}

}  // namespace

std::string display_filename(std::string_view given) {
  if (const std::size_t slash = given.find_last_of("/\\"); slash != std::string_view::npos)
    given.remove_prefix(slash + 1);
  if (!text::is_valid_utf8(given)) return "file";
  std::string name;
  for (const char c : given) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) name.push_back(c);
  }
  name = std::string(text::truncate_utf8(name, kFilenameBytesMax));
  return name.empty() ? "file" : name;
}

Task<Result<FileForm>> read_file_form(Environment& env, http::Request& request, RequestContext& context) {
  const std::string content_type(request.headers.find("content-type").value_or(""));
  RAGTIME_CO_TRY(auto parser, http::MultipartParser::create(content_type));
  FormReader reader(env, context);
  RAGTIME_CO_TRY_DONE(co_await read_parts(request, parser, reader));
  RAGTIME_CO_TRY(FileForm form, reader.check_fields());
  RAGTIME_CO_TRY(form.blob, co_await reader.finish());
  co_return form;
}

}  // namespace ragtime::api

#include "documents/worker_protocol.h"

#include <concepts>
#include <optional>
#include <utility>

#include "documents/document_builder.h"
#include "text/utf8.h"

namespace ragtime::documents {
namespace {

constexpr std::size_t kMessageBytesMax = 4096;

class Writer {
 public:
  template <std::unsigned_integral T>
  void number(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xFF);
  }
  void string(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes_ += value;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// After a read past the end everything reads as zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <std::unsigned_integral T>
  T number() {
    const std::string_view raw = take(sizeof(T));
    T value = 0;
    for (std::size_t i = 0; i < raw.size(); ++i)
      value |= static_cast<T>(T(static_cast<unsigned char>(raw[i])) << (8 * i));
    return value;
  }
  std::string string() { return std::string(take(number<std::uint32_t>())); }
  std::size_t left() const { return bytes_.size(); }
  bool ok() const { return ok_; }
  bool ended() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view take(std::size_t count) {
    if (count > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view result = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return result;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

constexpr std::uint8_t kReplyDocument = 0;
constexpr std::uint8_t kReplyError = 1;
constexpr std::size_t kBlockBytesMin = 8 + 8 + 4 + 1 + 1 + 4;

void write_block(Writer& out, const text::Block& block) {
  out.number(static_cast<std::uint64_t>(block.begin));
  out.number(static_cast<std::uint64_t>(block.end));
  out.number(static_cast<std::uint32_t>(block.page));
  out.number(static_cast<std::uint8_t>(block.kind));
  out.number(static_cast<std::uint8_t>(block.heading_level));
  out.string(block.language);
}

text::Block read_block(Reader& in) {
  text::Block block;
  block.begin = in.number<std::uint64_t>();
  block.end = in.number<std::uint64_t>();
  block.page = static_cast<int>(in.number<std::uint32_t>());
  block.kind = static_cast<text::BlockKind>(in.number<std::uint8_t>());
  block.heading_level = in.number<std::uint8_t>();
  block.language = in.string();
  return block;
}

Error nonsense() {
  return make_error(ErrorCode::internal, "the parse worker answered nonsense");
}

// Codes that a worker may answer with; anything else is a defect.
bool is_answer(ErrorCode code) {
  return code == ErrorCode::invalid_argument || code == ErrorCode::unsupported || code == ErrorCode::too_large ||
         code == ErrorCode::unavailable || code == ErrorCode::deadline_exceeded || code == ErrorCode::internal;
}

Result<text::Document> read_document(Reader& in) {
  text::Document document;
  document.title = in.string();
  document.media_type = in.string();
  document.pages = static_cast<int>(in.number<std::uint32_t>());
  document.text = in.string();
  const std::uint32_t blocks = in.number<std::uint32_t>();
  if (blocks == 0 || blocks > in.left() / kBlockBytesMin) return nonsense();
  document.blocks.reserve(blocks);
  for (std::uint32_t i = 0; i < blocks; ++i) {
    document.blocks.push_back(read_block(in));
    if (document.blocks.back().kind > text::BlockKind::quote) return nonsense();
  }
  if (!in.ended() || document.pages < 0 || !is_well_formed(document)) return nonsense();
  return document;
}

}  // namespace

std::size_t reply_bytes_max(std::size_t text_bytes_max) {
  // Blocks take their share beside the text; a document of nothing but tiny ones is refused by the worker.
  return 4 * text_bytes_max + (1u << 20);
}

std::string frame(std::string_view body) {
  Writer out;
  out.string(body);
  return out.take();
}

std::uint32_t body_bytes(std::string_view header) {
  return Reader(header).number<std::uint32_t>();
}

std::string encode(const WorkerLimits& limits) {
  Writer out;
  out.number(limits.memory_bytes);
  out.number(limits.cpu_seconds);
  return out.take();
}

std::string encode(const ParseRequest& request) {
  Writer out;
  out.number(static_cast<std::uint8_t>(request.format));
  out.string(request.path);
  out.string(request.filename);
  out.number(request.text_bytes_max);
  return out.take();
}

std::string encode(const Result<text::Document>& reply) {
  Writer out;
  if (reply.has_error()) {
    out.number(kReplyError);
    out.number(static_cast<std::uint8_t>(reply.error().code));
    out.string(text::truncate_utf8(reply.error().message, kMessageBytesMax));
    return out.take();
  }
  out.number(kReplyDocument);
  out.string(reply->title);
  out.string(reply->media_type);
  out.number(static_cast<std::uint32_t>(reply->pages));
  out.string(reply->text);
  out.number(static_cast<std::uint32_t>(reply->blocks.size()));
  for (const text::Block& block : reply->blocks) write_block(out, block);
  return out.take();
}

Result<WorkerLimits> decode_limits(std::string_view body) {
  Reader in(body);
  WorkerLimits limits;
  limits.memory_bytes = in.number<std::uint64_t>();
  limits.cpu_seconds = in.number<std::uint32_t>();
  if (!in.ended()) return make_error(ErrorCode::corrupt, "not a worker's limits");
  return limits;
}

Result<ParseRequest> decode_request(std::string_view body) {
  Reader in(body);
  ParseRequest request;
  const auto format = in.number<std::uint8_t>();
  request.path = in.string();
  request.filename = in.string();
  request.text_bytes_max = in.number<std::uint64_t>();
  if (!in.ended() || format > static_cast<std::uint8_t>(kFormatLast)) {
    return make_error(ErrorCode::corrupt, "not a parse request");
  }
  request.format = static_cast<Format>(format);
  return request;
}

Result<text::Document> decode_reply(std::string_view body) {
  Reader in(body);
  const auto kind = in.number<std::uint8_t>();
  if (kind == kReplyDocument) return read_document(in);
  if (kind != kReplyError || !in.ok()) return nonsense();
  const auto code = static_cast<ErrorCode>(in.number<std::uint8_t>());
  std::string message = in.string();
  if (!in.ended() || !is_answer(code) || message.size() > kMessageBytesMax || !text::is_valid_utf8(message)) {
    return nonsense();
  }
  return make_error(code, std::move(message));
}

}  // namespace ragtime::documents

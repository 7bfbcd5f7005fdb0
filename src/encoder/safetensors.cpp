#include "encoder/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace ragtime::encoder {
namespace {

namespace json = boost::json;

static_assert(std::endian::native == std::endian::little, "safetensors data is read in place as little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kHeaderBytesMax = 100u << 20;  // The format's own limit.
constexpr std::size_t kDimensionsMax = 8;

constexpr std::array<std::pair<std::string_view, std::size_t>, 15> kDtypeBytes = {{{"BOOL", 1},
                                                                                   {"U8", 1},
                                                                                   {"I8", 1},
                                                                                   {"F8_E5M2", 1},
                                                                                   {"F8_E4M3", 1},
                                                                                   {"I16", 2},
                                                                                   {"U16", 2},
                                                                                   {"F16", 2},
                                                                                   {"BF16", 2},
                                                                                   {"I32", 4},
                                                                                   {"U32", 4},
                                                                                   {"F32", 4},
                                                                                   {"F64", 8},
                                                                                   {"I64", 8},
                                                                                   {"U64", 8}}};

std::optional<std::size_t> dtype_bytes(std::string_view dtype) {
  const auto found = std::find_if(kDtypeBytes.begin(), kDtypeBytes.end(), [&](auto& e) { return e.first == dtype; });
  if (found == kDtypeBytes.end()) return std::nullopt;
  return found->second;
}

std::optional<std::size_t> multiply(std::size_t a, std::size_t b) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) return std::nullopt;
  return a * b;
}

std::optional<std::size_t> as_size(const json::value& value) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<std::size_t>(value.get_int64());
  return std::nullopt;
}

std::optional<std::vector<std::size_t>> as_sizes(const json::object& entry, const char* key, std::size_t count_max) {
  const json::value* value = entry.if_contains(key);
  if (value == nullptr || !value->is_array() || value->get_array().size() > count_max) return std::nullopt;
  std::vector<std::size_t> sizes;
  for (const json::value& element : value->get_array()) {
    const auto size = as_size(element);
    if (!size) return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

std::optional<std::size_t> byte_size(const std::vector<std::size_t>& shape, std::size_t element_bytes) {
  std::optional<std::size_t> size = element_bytes;
  for (std::size_t dimension : shape) {
    size = multiply(*size, dimension);
    if (!size) return std::nullopt;
  }
  return size;
}

// On failure says what is wrong with the entry.
Result<Tensor> parse_entry(const json::value& value, std::string_view data) {
  const auto bad = [](ErrorCode code, std::string what) { return make_error(code, std::move(what)); };
  const json::object* entry = value.if_object();
  if (entry == nullptr) return bad(ErrorCode::corrupt, "is not described by an object");
  const json::value* dtype = entry->if_contains("dtype");
  if (dtype == nullptr || !dtype->is_string()) return bad(ErrorCode::corrupt, "has no dtype");
  Tensor tensor;
  tensor.dtype.assign(dtype->get_string().data(), dtype->get_string().size());
  const auto element_bytes = dtype_bytes(tensor.dtype);
  if (!element_bytes) return bad(ErrorCode::unsupported, "has the unknown dtype " + tensor.dtype);
  auto shape = as_sizes(*entry, "shape", kDimensionsMax);
  if (!shape) return bad(ErrorCode::corrupt, "has no valid shape");
  tensor.shape = std::move(*shape);
  const auto offsets = as_sizes(*entry, "data_offsets", 2);
  if (!offsets || offsets->size() != 2) return bad(ErrorCode::corrupt, "has no valid data_offsets");
  const auto [begin, end] = std::pair((*offsets)[0], (*offsets)[1]);
  if (begin > end || end > data.size()) return bad(ErrorCode::corrupt, "reaches outside the file (truncated?)");
  if (byte_size(tensor.shape, *element_bytes) != end - begin) {
    return bad(ErrorCode::corrupt, "has a length that does not fit its shape");
  }
  tensor.data = data.substr(begin, end - begin);
  return tensor;
}

bool covers_exactly(const std::map<std::string, Tensor, std::less<>>& tensors, std::string_view data) {
  std::vector<std::string_view> parts;
  for (const auto& [name, tensor] : tensors) parts.push_back(tensor.data);
  std::sort(parts.begin(), parts.end(), [](std::string_view a, std::string_view b) {
    return std::pair(a.data(), a.size()) < std::pair(b.data(), b.size());
  });
  const char* position = data.data();
  for (std::string_view part : parts) {
    if (part.data() != position) return false;
    position += part.size();
  }
  return position == data.data() + data.size();
}

float from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

float from_bfloat(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

template <class Convert>
std::vector<float> widen(std::string_view data, Convert convert) {
  std::vector<float> values(data.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, data.data() + 2 * i, 2);
    values[i] = convert(bits);
  }
  return values;
}

std::vector<float> copy_floats(std::string_view data) {
  std::vector<float> values(data.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), data.data(), data.size());
  return values;
}

std::string describe(std::span<const std::size_t> shape) {
  std::string text = "[";
  for (std::size_t dimension : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(dimension);
  return text + "]";
}

Result<json::object> parse_header(std::string_view bytes, const std::string& label) {
  const auto bad = [&](std::string what) { return make_error(ErrorCode::corrupt, label + ": " + std::move(what)); };
  if (bytes.size() < kLengthBytes) return bad("too short to be a safetensors file");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kHeaderBytesMax) return bad("not a safetensors file (header length " + std::to_string(length) + ")");
  if (length > bytes.size() - kLengthBytes) return bad("truncated inside the header");
  boost::system::error_code failure;
  auto header = json::parse(json::string_view(bytes.data() + kLengthBytes, length), failure);
  if (failure) return bad("the header is not valid JSON: " + failure.message());
  if (!header.is_object()) return bad("the header is not a JSON object");
  return std::move(header.get_object());
}

}  // namespace

Result<Safetensors> Safetensors::parse(std::string_view bytes, std::string label) {
  RAGTIME_TRY(const auto header, parse_header(bytes, label));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  const std::string_view data = bytes.substr(kLengthBytes + length);
  Safetensors file(std::move(label));
  for (const auto& entry : header) {
    const std::string name(entry.key().data(), entry.key().size());
    if (name == "__metadata__") continue;
    auto tensor = parse_entry(entry.value(), data);
    if (tensor.has_error()) return make_error(tensor.error().code, file.wrong(name, tensor.error().message).message);
    file.tensors_.emplace(name, std::move(*tensor));
  }
  if (!covers_exactly(file.tensors_, data)) {
    return make_error(ErrorCode::corrupt,
                      file.label_ + ": the tensors overlap or do not cover the data (truncated or damaged)");
  }
  return file;
}

Result<std::vector<float>> Safetensors::read(std::string_view name, std::span<const std::size_t> shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return wrong(name, "is missing");
  const Tensor& tensor = found->second;
  if (!std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end())) {
    return wrong(name, "has shape " + describe(tensor.shape) + ", expected " + describe(shape));
  }
  std::vector<float> values;
  if (tensor.dtype == "F32") {
    values = copy_floats(tensor.data);
  } else if (tensor.dtype == "F16") {
    values = widen(tensor.data, from_half);
  } else if (tensor.dtype == "BF16") {
    values = widen(tensor.data, from_bfloat);
  } else {
    return make_error(ErrorCode::unsupported,
                      wrong(name, "has dtype " + tensor.dtype + ", expected F32, F16 or BF16").message);
  }
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    return wrong(name, "holds a NaN or an infinity");
  }
  return values;
}

Error Safetensors::wrong(std::string_view name, std::string_view what) const {
  return make_error(ErrorCode::corrupt, label_ + ": tensor " + std::string(name) + " " + std::string(what));
}

}  // namespace ragtime::encoder

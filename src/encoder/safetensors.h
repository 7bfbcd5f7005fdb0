// Safetensors: tensors by name from the safetensors format (https://github.com/huggingface/safetensors).
//
// Layout: u64 little-endian header length N, N bytes of JSON {name: {dtype, shape, data_offsets}}, then the data.
// The header is checked completely before any tensor is read: every tensor lies inside the file, is as long as its
// shape says, and together they cover the data without gap or overlap, so that a cut file is noticed at once.
// Thread safety: immutable once parsed.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::encoder {

struct Tensor {
  std::string dtype;  // "F32", "BF16", …
  std::vector<std::size_t> shape;
  std::string_view data;
};

class Safetensors {
 public:
  // `bytes` is the whole file and must outlive the object; `label` names it in errors.
  // Errors: corrupt, unsupported (a dtype unknown to the format).
  static Result<Safetensors> parse(std::string_view bytes, std::string label);

  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }

  // The values as f32, converted from F16 and BF16.
  // Errors: corrupt (missing, another shape, a NaN or infinity), unsupported (another dtype); file and tensor named.
  Result<std::vector<float>> read(std::string_view name, std::span<const std::size_t> shape) const;

 private:
  explicit Safetensors(std::string label) : label_(std::move(label)) {}
  Error wrong(std::string_view name, std::string_view what) const;

  std::string label_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace ragtime::encoder

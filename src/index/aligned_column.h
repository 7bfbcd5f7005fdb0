// AlignedColumn: an array of fixed size that owns its memory or shares somebody else's, as that of a snapshot.
//
// Owned memory is for vector instructions and random access: on cache lines' borders, zeroed, and on huge pages where
// it is large, because a load through small pages costs a walk through the page table as well. Shared memory is only
// read; it lives as long as any column that shares it. How a segment uses this:
//   build:  AlignedColumn<float> values(count); values[i] = …      owned
//   build:  AlignedColumn<float>(std::move(vector))                owned, nothing copied
//   save:   writer.column(name, values.span())
//   load:   RAGTIME_TRY(values, reader.keep<float>(name))           shared with the snapshot, nothing copied
// so that after loading the segment alone holds what it reads, and the reader may go.
//
// Thread safety: as an array.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include "base/check.h"

namespace ragtime::index {

template <class T>
class AlignedColumn {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedColumn() = default;
  explicit AlignedColumn(std::size_t size) : size_(size) {
    if (size == 0) return;
    const std::size_t bytes = size * sizeof(T);
    const std::size_t border = bytes >= kHugePage ? kHugePage : kCacheLine;
    T* memory = static_cast<T*>(::operator new (bytes, std::align_val_t{border}));
    data_ = memory;
    owner_ = std::shared_ptr<T>(memory, [border](T* freed) { ::operator delete (freed, std::align_val_t{border}); });
    // Advice: where the kernel does not follow it, only speed is lost.
    if (border == kHugePage) (void)::madvise(static_cast<void*>(memory), bytes, MADV_HUGEPAGE);
    std::memset(static_cast<void*>(memory), 0, bytes);
  }
  explicit AlignedColumn(std::span<const T> values) : AlignedColumn(values.size()) {
    if (!values.empty()) std::copy(values.begin(), values.end(), data());
  }
  // Takes the vector's memory over, as it lies.
  explicit AlignedColumn(std::vector<T>&& values) : size_(values.size()) {
    auto taken = std::make_shared<std::vector<T>>(std::move(values));
    data_ = taken->data();
    owner_ = std::move(taken);
  }
  // Shares memory that `owner` keeps alive. Precondition: `owner` is not null.
  AlignedColumn(std::span<const T> values, std::shared_ptr<const void> owner)
      : data_(const_cast<T*>(values.data())), size_(values.size()), is_shared_(true), owner_(std::move(owner)) {
    RAGTIME_CHECK(owner_ != nullptr);
  }
  AlignedColumn(AlignedColumn&& other) noexcept { *this = std::move(other); }
  AlignedColumn& operator=(AlignedColumn&& other) noexcept {
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    is_shared_ = std::exchange(other.is_shared_, false);
    owner_ = std::move(other.owner_);
    return *this;
  }

  // Precondition of writing: the memory is owned. A mapped file's pages refuse it.
  T* data() { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T* data() const { return data_; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  const T& back() const { return data_[size_ - 1]; }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }
  bool is_shared() const { return is_shared_; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  static constexpr std::size_t kCacheLine = 64;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  T* data_ = nullptr;
  std::size_t size_ = 0;
  bool is_shared_ = false;
  std::shared_ptr<const void> owner_;
};

}  // namespace ragtime::index

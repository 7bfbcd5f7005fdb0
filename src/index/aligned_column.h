// AlignedColumn: an array of fixed size for vector instructions and random access: on cache lines' borders, zeroed, and
// on huge pages where it is large, because a load through small pages costs a walk through the page table as well.
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

#include <sys/mman.h>

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
    memory_ = Memory(static_cast<T*>(::operator new (bytes, std::align_val_t{border})), Delete{border});
    // Advice: where the kernel does not follow it, only speed is lost.
    if (border == kHugePage) (void)::madvise(static_cast<void*>(memory_.get()), bytes, MADV_HUGEPAGE);
    std::memset(static_cast<void*>(memory_.get()), 0, bytes);
  }
  explicit AlignedColumn(std::span<const T> values) : AlignedColumn(values.size()) {
    std::copy(values.begin(), values.end(), data());
  }
  AlignedColumn(AlignedColumn&& other) noexcept
      : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
  AlignedColumn& operator=(AlignedColumn&& other) noexcept {
    memory_ = std::move(other.memory_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  T* data() { return memory_.get(); }
  const T* data() const { return memory_.get(); }
  T& operator[](std::size_t i) { return memory_.get()[i]; }
  const T& operator[](std::size_t i) const { return memory_.get()[i]; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  static constexpr std::size_t kCacheLine = 64;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  struct Delete {
    std::size_t border = kCacheLine;
    void operator()(T* memory) const { ::operator delete (memory, std::align_val_t{border}); }
  };
  using Memory = std::unique_ptr<T, Delete>;

  Memory memory_;
  std::size_t size_ = 0;
};

}  // namespace ragtime::index

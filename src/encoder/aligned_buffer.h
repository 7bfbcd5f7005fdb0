// AlignedBuffer: memory for vector instructions that grows and is used again.
//
// Thread safety: none; owned by one call at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace ragtime::encoder {

template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // At least `size` elements on a cache line's border. Growing loses the content and zeroes the memory.
  T* reserve(std::size_t size) {
    if (size > size_) {
      memory_.reset(static_cast<T*>(::operator new(size * sizeof(T), kAlignment)));
      std::fill_n(memory_.get(), size, T{});
      size_ = size;
    }
    return memory_.get();
  }
  T* data() { return memory_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(T* memory) const { ::operator delete(memory, kAlignment); }
  };

  std::unique_ptr<T, Delete> memory_;
  std::size_t size_ = 0;
};

}  // namespace ragtime::encoder

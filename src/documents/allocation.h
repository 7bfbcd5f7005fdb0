// Memory for the C libraries that cannot live without it: when there is none, the program's new handler decides
// (the parse worker's ends the process with an exit code that its parent knows), and the program stops if it returns.
//
// Thread safety: safe from any thread.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace ragtime::documents {

[[noreturn]] inline void stop_without_memory() {
  if (const std::new_handler handler = std::get_new_handler()) handler();
  std::abort();
}

inline void* allocate_or_stop(std::size_t bytes) {
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) stop_without_memory();
  return memory;
}

inline void* allocate_zeroed_or_stop(std::size_t count, std::size_t bytes) {
  void* memory = std::calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes);
  if (memory == nullptr) stop_without_memory();
  return memory;
}

inline void* reallocate_or_stop(void* old, std::size_t bytes) {
  void* memory = std::realloc(old, bytes == 0 ? 1 : bytes);
  if (memory == nullptr) stop_without_memory();
  return memory;
}

}  // namespace ragtime::documents

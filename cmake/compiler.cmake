# Warnings, sanitizers and the compiler cache, for every target of the project.

find_program(RAGTIME_CCACHE ccache)
if(RAGTIME_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${RAGTIME_CCACHE}")
endif()

add_library(ragtime_compiler INTERFACE)
target_compile_options(ragtime_compiler INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -fno-omit-frame-pointer
  # GCC 12 reports false positives in optimised coroutine frames, std::variant and std::string's operator+.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-missing-field-initializers -Wno-restrict>)
target_include_directories(ragtime_compiler INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_definitions(ragtime_compiler INTERFACE
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>
  # Asio and Beast are compiled once, in async/asio.cpp and http/beast.cpp.
  BOOST_ASIO_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED
  BOOST_BEAST_SEPARATE_COMPILATION)

if(RAGTIME_SANITIZE)
  target_compile_options(ragtime_compiler INTERFACE -fsanitize=${RAGTIME_SANITIZE} -fno-sanitize-recover=all)
  # ThreadSanitizer does not see fences, of which GCC warns at each of Asio's; a mutex orders the same there.
  if(RAGTIME_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(ragtime_compiler INTERFACE -Wno-tsan)
  endif()
  target_link_options(ragtime_compiler INTERFACE -fsanitize=${RAGTIME_SANITIZE})
endif()

# Every module counts its branches for the fuzzers.
if(RAGTIME_FUZZ)
  target_compile_options(ragtime_compiler INTERFACE -fsanitize=fuzzer-no-link,address)
  target_link_options(ragtime_compiler INTERFACE -fsanitize=address)
endif()

# ragtime_module(NAME DEPENDS module... LIBRARIES library...)
#
# One static library from the folder's sources, and one test program from its *_test.cpp files.
# DEPENDS names modules of lower layers; tools/check_repository.py enforces the direction.
# Libraries that only the module's .cpp files use go to LIBRARIES, so they never reach other modules' headers.
function(ragtime_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench|fuzz)\\.cpp$|/main\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(TRANSFORM ARG_DEPENDS PREPEND "ragtime_")

  add_library(ragtime_${name} STATIC ${sources})
  target_link_libraries(ragtime_${name}
    PUBLIC ragtime_compiler ${ARG_DEPENDS}
    PRIVATE ${ARG_LIBRARIES})

  if(RAGTIME_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ragtime_${name} ${ARG_LIBRARIES} ${ARG_TEST_LIBRARIES} GTest::gmock_main)
    target_compile_definitions(${name}_test PRIVATE
      RAGTIME_SOURCE_DIR="${PROJECT_SOURCE_DIR}" RAGTIME_BINARY_DIR="${PROJECT_BINARY_DIR}")
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST)
  endif()
endfunction()

# nodekeep_library(name SOURCES ... DEPENDS ...): a static library of one folder.
function(nodekeep_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS})
endfunction()

# nodekeep_test(name SOURCES ... DEPENDS ...): one Catch2 binary; every case is a ctest test.
function(nodekeep_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} Catch2::Catch2WithMain)
  add_dependencies(unit_tests ${name})
  catch_discover_tests(${name} TEST_PREFIX "${name}: " DISCOVERY_MODE PRE_TEST
                       PROPERTIES TIMEOUT 120
                       ENVIRONMENT "TSAN_OPTIONS=ignore_noninstrumented_modules=1:suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
endfunction()

# nodekeep_fuzzer(name SOURCE file CORPUS dir DEPENDS ...): a libFuzzer target, or, without clang, a
# program that replays the corpus; the replay is a ctest test either way.
function(nodekeep_fuzzer name)
  cmake_parse_arguments(ARG "" "SOURCE;CORPUS" "DEPENDS" ${ARGN})
  if(NODEKEEP_LIBFUZZER)
    add_executable(${name} ${ARG_SOURCE})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    # Seconds for one input, megabytes for one allocation; budget.h has the bounds of the readers.
    set(replay_arguments -runs=0 -timeout=10 -malloc_limit_mb=50)
  else()
    add_executable(${name} ${ARG_SOURCE} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS})
  add_dependencies(unit_tests ${name})
  add_test(NAME "${name}: replays its corpus" COMMAND ${name} ${replay_arguments} ${ARG_CORPUS})
endfunction()

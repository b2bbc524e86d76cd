# add_provider(name): builds providers/<name>/ as library provider_<name>, test <name>_test and
# fuzzer <name>_fuzz_spc (fuzz_spc.cc with the corpus testdata/fuzz), registers the provider, and
# adds its conformance.cc to the conformance suite.
function(add_provider name)
  file(GLOB sources CONFIGURE_DEPENDS ${name}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${name}/*_test.cc)
  file(GLOB fuzzers CONFIGURE_DEPENDS ${name}/fuzz_*.cc)
  list(REMOVE_ITEM sources ${tests} ${fuzzers} ${CMAKE_CURRENT_SOURCE_DIR}/${name}/conformance.cc)
  nodekeep_library(provider_${name} SOURCES ${sources}
                   DEPENDS nodekeep_base nodekeep_http nodekeep_cloud nodekeep_secrets)
  if(tests)
    nodekeep_test(${name}_test SOURCES ${tests} DEPENDS provider_${name} nodekeep_mount nodekeep_fakes)
  endif()
  foreach(fuzzer ${fuzzers})
    get_filename_component(stem ${fuzzer} NAME_WE)
    nodekeep_fuzzer(${name}_${stem} SOURCE ${fuzzer} DEPENDS provider_${name} nodekeep_fakes
                    CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/testdata/fuzz)
  endforeach()
  set_property(GLOBAL APPEND PROPERTY NODEKEEP_PROVIDERS ${name})
endfunction()

# An explicit table, so that no static object and no whole-archive link is needed.
function(write_provider_registry)
  get_property(names GLOBAL PROPERTY NODEKEEP_PROVIDERS)
  set(includes "")
  set(rows "")
  set(libraries "")
  foreach(name ${names})
    string(APPEND includes "#include \"providers/${name}/factory.h\"\n")
    string(APPEND rows "      {\"${name}\", ${name}::kRuntimeName, ${name}::SettingsKeys, ${name}::Make},\n")
    list(APPEND libraries provider_${name})
  endforeach()
  configure_file(${CMAKE_SOURCE_DIR}/providers/registry.cc.in
                 ${CMAKE_BINARY_DIR}/generated/providers/registry.cc @ONLY)
  nodekeep_library(nodekeep_providers SOURCES ${CMAKE_BINARY_DIR}/generated/providers/registry.cc
                   DEPENDS ${libraries})
endfunction()

# Sets `result` to the sources of all subjects of the conformance suite: each provider's
# conformance.cc, and the table of them, which is written to `output`.
function(write_conformance_subjects template output result)
  get_property(names GLOBAL PROPERTY NODEKEEP_PROVIDERS)
  set(declarations "")
  set(rows "")
  set(sources ${output})
  foreach(name ${names})
    string(APPEND declarations
           "namespace ${name} {\nstd::unique_ptr<Subject> MakeSubject(FakeClock& clock, Logger& log);\n}\n")
    string(APPEND rows "      {\"${name}\", ${name}::MakeSubject},\n")
    list(APPEND sources ${CMAKE_SOURCE_DIR}/providers/${name}/conformance.cc)
  endforeach()
  configure_file(${template} ${output} @ONLY)
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

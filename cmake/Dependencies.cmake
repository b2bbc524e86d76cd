# The libraries of setup/packages, one target each.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(CURL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(jsoncons REQUIRED)
find_package(Protobuf REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Catch2 3 REQUIRED)
find_package(prometheus-cpp REQUIRED)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)

# One binary, static as far as Debian's archives go: gRPC, Protobuf, Abseil, RE2, c-ares and libyaml
# are linked in, which also saves the relocations of sixty shared libraries in resident memory.
# OpenSSL and libcurl (whose dependencies have no archives) and the C library stay shared, so that
# their security updates need no rebuild.
option(NODEKEEP_STATIC "Link the RPC libraries statically" ON)
if(NODEKEEP_STATIC)
  set(GRPC_TARGET nodekeep_grpc)
  add_library(nodekeep_grpc INTERFACE)
  set(archives "")
  # RE2 by name: a release that is built on Abseil needs more of Abseil's libraries than gRPC does.
  foreach(name ${GRPC_STATIC_LIBRARIES} ${RE2_STATIC_LIBRARIES} protobuf)
    find_library(ARCHIVE_${name} NAMES lib${name}.a)
    if(name MATCHES "^(ssl|crypto|z|dl|rt|atomic|pthread)$" OR NOT ARCHIVE_${name})
      list(APPEND archives -l${name})
    else()
      list(APPEND archives ${ARCHIVE_${name}})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES archives)
  target_link_libraries(nodekeep_grpc INTERFACE -Wl,--start-group ${archives} -Wl,--end-group
                        Threads::Threads)
else()
  set(GRPC_TARGET PkgConfig::GRPC protobuf::libprotobuf)
endif()

# RE2 alone, for libraries that need no RPC.
add_library(nodekeep_re2 INTERFACE)
set(archives "")
foreach(name ${RE2_STATIC_LIBRARIES})
  find_library(ARCHIVE_${name} NAMES lib${name}.a)
  if(NODEKEEP_STATIC AND ARCHIVE_${name})
    list(APPEND archives ${ARCHIVE_${name}})
  else()
    list(APPEND archives -l${name})
  endif()
endforeach()
target_link_libraries(nodekeep_re2 INTERFACE -Wl,--start-group ${archives} -Wl,--end-group
                      Threads::Threads)

include(Catch)

find_library(YAML_ARCHIVE NAMES libyaml.a)
if(NODEKEEP_STATIC AND YAML_ARCHIVE)
  set(YAML_TARGET ${YAML_ARCHIVE})
else()
  set(YAML_TARGET PkgConfig::YAML)
endif()
find_library(UTF8PROC_ARCHIVE NAMES libutf8proc.a REQUIRED)

# pam's own tests, examples and benchmarks. LibTorch's headers cost 20 to 30 seconds in every translation unit, so
# everything here shares one precompiled header and, where they are installed, ccache and lld.
option(PAM_UNITY "Compile the tests in batches: much faster from scratch, slower after editing one test" OFF)
set(PAM_LIBRARY_FLAGS "" CACHE STRING "Flags of pam::compiled alone, after those of everything, such as -O1")
option(PAM_CCACHE "Compile through ccache where it is installed" ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)  # the checks of headers and of misuse read it
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()

find_program(PAM_CCACHE_PROGRAM ccache)
if(PAM_CCACHE AND PAM_CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${PAM_CCACHE_PROGRAM})
endif()
find_program(PAM_LLD_PROGRAM ld.lld)
if(PAM_LLD_PROGRAM)
  # Several times as fast as the linker of binutils. Not mold: version 1.10 made programs that did not start, and without
  # RELRO, which mends that, it did not end for others.
  add_link_options(-fuse-ld=lld)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")  # else ccache never hits: the PCH holds a time stamp
endif()

# One message instead of CMake's eleven lines about a missing package.
macro(pam_need package wanted_by debian)
  find_package(${package} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${wanted_by} need ${package}; Debian: apt install ${debian}, or tools/install_dependencies.sh --for test")
  endif()
endmacro()
if(PAM_IO_PROBLEM AND (PAM_BUILD_TESTS OR PAM_BUILD_APPS))
  message(FATAL_ERROR "pam's tests and programs need the component io, which ${PAM_IO_PROBLEM}, or tools/install_dependencies.sh --for demo. Without it: -DPAM_BUILD_APPS=OFF -DPAM_BUILD_TESTS=OFF -DPAM_BUILD_GPU_TESTS=ON")
endif()
if(PAM_BUILD_TESTS)
  set(PAM_BUILD_GPU_TESTS ON)  # a part of them
endif()

# pam and every component this machine has, for targets of this project that want all of it: header-only, and compiled.
add_library(pam_all_headers INTERFACE)
target_link_libraries(pam_all_headers INTERFACE pam::pam)
foreach(component IN LISTS PAM_COMPONENTS)
  if(TARGET pam::${component})
    target_link_libraries(pam_all_headers INTERFACE pam::${component})
  endif()
endforeach()

# pam_pch is reused by every target, which therefore must not differ from it in flags, OpenMP or standard.
# No pam header may be in it: that would hide missing includes and rebuild everything after every edit.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/pch.cpp CONTENT "")
add_library(pam_pch OBJECT ${PROJECT_BINARY_DIR}/pch.cpp)
target_link_libraries(pam_pch PRIVATE pam_all_headers)
target_precompile_headers(pam_pch PRIVATE <torch/torch.h> <nlohmann/json.hpp> <fmt/format.h> <fmt/ranges.h>)
if(PAM_BUILD_GPU_TESTS)
  pam_need(Catch2 "pam's tests" catch2)
  target_link_libraries(pam_pch PRIVATE Catch2::Catch2)
  if(Catch2_VERSION VERSION_LESS 3)
    target_precompile_headers(pam_pch PRIVATE <catch2/catch.hpp>)
  else()
    target_precompile_headers(pam_pch PRIVATE <catch2/catch_all.hpp>)
  endif()
endif()

pam_add_compiled(${PROJECT_SOURCE_DIR}/include pam "${PAM_COMPILED_COMPONENTS}")
set_target_properties(pam_compiled PROPERTIES POSITION_INDEPENDENT_CODE OFF)  # as the precompiled header
if(PAM_LIBRARY_FLAGS)
  # The library holds all loops over pixels. What calls it is compiled without optimisation by the preset dev, which takes
  # a third of the time; a precompiled header is for one set of flags.
  target_compile_options(pam_compiled PRIVATE ${PAM_LIBRARY_FLAGS})
  target_precompile_headers(pam_compiled PRIVATE <torch/torch.h> <nlohmann/json.hpp> <fmt/format.h> <fmt/ranges.h>)
else()
  target_precompile_headers(pam_compiled REUSE_FROM pam_pch)
endif()
add_library(pam_everything INTERFACE)
target_link_libraries(pam_everything INTERFACE pam::compiled)

if(PAM_BUILD_TESTS)
  enable_testing()
endif()
# pam_add_test(name exit expected command...): a ctest entry whose command must end with the exit code `exit` and print
# what the regular expression `expected` matches. A target's program is written $<TARGET_FILE:target>.
function(pam_add_test name exit expected)
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -D EXIT=${exit} -D "MATCHES=${expected}"
                                -P ${pam_SOURCE_DIR}/tests/run_and_match.cmake -- ${ARGN})
endfunction()
# Every target of this project shares its precompiled header.
function(pam_share_pch target)
  target_precompile_headers(${target} REUSE_FROM pam_pch)
endfunction()
foreach(part IN ITEMS EXAMPLES APPS BENCHMARKS)
  if(PAM_BUILD_${part})
    string(TOLOWER ${part} folder)
    add_subdirectory(${folder})
  endif()
endforeach()
if(TARGET pam::io AND (PAM_BUILD_APPS OR PAM_BUILD_TESTS))
  add_subdirectory(tests/support)
endif()
if(PAM_BUILD_GPU_TESTS)
  add_subdirectory(tests)
endif()

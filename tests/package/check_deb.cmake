# Writes the Debian package of BUILD into OUT with CPACK, checks its fields and files, unpacks it, and builds and
# runs the project STRANGER with the unpacked copy.
cmake_minimum_required(VERSION 3.22)
find_program(DPKG_DEB dpkg-deb)
if(NOT DPKG_DEB OR NOT EXISTS "${CPACK}")
  message("SKIPPED: package/deb: needs dpkg-deb and cpack")
  return()
endif()
file(REMOVE_RECURSE "${OUT}")

# Runs a command; `result` becomes its standard output.
function(run result)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${status}:\n${out}${err}")
  endif()
  set(${result} "${out}" PARENT_SCOPE)
endfunction()
function(expect text part what)
  string(FIND "${text}" "${part}" position)
  if(position LESS 0)
    message(FATAL_ERROR "${what} lacks '${part}':\n${text}")
  endif()
endfunction()

run(log ${CPACK} --config ${BUILD}/CPackConfig.cmake -G DEB -B ${OUT})
set(package ${OUT}/libpam-attention-dev_${VERSION}_all.deb)
if(NOT EXISTS ${package})
  message(FATAL_ERROR "cpack wrote no ${package}:\n${log}")
endif()

run(fields ${DPKG_DEB} -I ${package})
expect("${fields}" "Architecture: all" "dpkg-deb -I")
expect("${fields}" "Version: ${VERSION}" "dpkg-deb -I")
foreach(dependency IN ITEMS libtorch-dev libfmt-dev nlohmann-json3-dev)
  if(NOT fields MATCHES "\n Depends: [^\n]*${dependency}")
    message(FATAL_ERROR "Depends lacks ${dependency}:\n${fields}")
  endif()
endforeach()
foreach(dependency IN ITEMS libopencv-imgcodecs-dev libopencv-imgproc-dev libniftiio-dev zlib1g-dev)
  if(NOT fields MATCHES "\n Recommends: [^\n]*${dependency}")
    message(FATAL_ERROR "Recommends lacks ${dependency}, which the component io needs:\n${fields}")
  endif()
endforeach()

run(contents ${DPKG_DEB} -c ${package})
foreach(file IN ITEMS include/pam/pam.hpp include/pam/nets/unet.hpp share/cmake/pam/pamConfig.cmake
                      share/cmake/pam/pamDependencies.cmake share/cmake/pam/pamTargets.cmake share/doc/pam/LICENSE
                      share/pam/python/pyproject.toml share/pam/python/pam_torch.py share/pam/python/export_weights.py
                      share/pam/weights/README.md share/pam/weights/hippocampus_fpa.safetensors
                      share/pam/weights/hippocampus_fpa.json)
  expect("${contents}" "./usr/${file}" "dpkg-deb -c")
endforeach()
string(REPLACE "\n" ";" contents "${contents}")
foreach(line IN LISTS contents)
  if(NOT line MATCHES "(/|/include/pam/.*\\.hpp|/share/cmake/pam/[^/]*\\.cmake|/share/doc/pam/LICENSE|/share/pam/(python|weights)/[^/]*)$" AND line)
    message(FATAL_ERROR "the package holds more than headers, the CMake package, the Python package, weights and the licence: ${line}")
  endif()
endforeach()

run(log ${DPKG_DEB} -x ${package} ${OUT}/root)
run(log ${CMAKE_COMMAND} -G ${GENERATOR} -S ${STRANGER} -B ${OUT}/stranger -DCMAKE_CXX_COMPILER=${COMPILER}
    "-DCMAKE_PREFIX_PATH=${OUT}/root/usr;${TORCH_ROOT}")
file(STRINGS ${OUT}/stranger/CMakeCache.txt found REGEX "^pam_DIR:")
expect("${found}" "${OUT}/root/usr/share/cmake/pam" "the stranger's pam_DIR")
run(log ${CMAKE_COMMAND} --build ${OUT}/stranger)
run(printed ${OUT}/stranger/stranger)
expect("${printed}" "a stranger's program with pam ${VERSION}" "the stranger's output")
message("package/deb: ${package}")

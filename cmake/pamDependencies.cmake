# What pam and its components need from the machine. CMakeLists.txt and the installed pamConfig.cmake both include
# this file, so a consumer gets the same search, the same checks and the same messages as pam's own build.
# Macros, not functions: a CUDA LibTorch calls enable_language, which must not happen inside a function.

set(PAM_COMPONENTS io distributed cuda)
# Link names and definitions of each component: names only, no paths, because they are exported.
set(PAM_IO_LIBRARIES opencv_core opencv_imgcodecs opencv_imgproc niftiio::niftiio)
set(PAM_IO_DEFINITIONS "")
set(PAM_DISTRIBUTED_LIBRARIES "")
set(PAM_DISTRIBUTED_DEFINITIONS USE_DISTRIBUTED USE_C10D_GLOO)
set(PAM_CUDA_LIBRARIES "")
set(PAM_CUDA_DEFINITIONS PAM_WITH_CUDA)

list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")
include("${CMAKE_CURRENT_LIST_DIR}/pamFindTorch.cmake")

# LibTorch, fmt, nlohmann_json; OpenMP if there is one. Sets PAM_PROBLEM to a message if pam cannot be used.
macro(pam_find_core)
  pam_find_torch()
  if(NOT PAM_PROBLEM)
    find_package(fmt QUIET)
    find_package(nlohmann_json 3.9 QUIET)
    if(NOT TARGET fmt::fmt-header-only)
      set(PAM_PROBLEM "pam needs fmt; Debian: apt install libfmt-dev")
    elseif(NOT TARGET nlohmann_json::nlohmann_json)
      set(PAM_PROBLEM "pam needs nlohmann_json 3.9 or newer; Debian: apt install nlohmann-json3-dev")
    endif()
  endif()
  if(NOT PAM_PROBLEM)
    find_package(OpenMP QUIET COMPONENTS CXX)
    if(NOT OpenMP_CXX_FOUND)
      # at::parallel_for in a translation unit compiled without OpenMP runs on one thread, silently.
      message(WARNING "pam: no OpenMP for this compiler, so pam's CPU kernels run on one thread "
                      "(clang on Debian: apt install libomp-dev)")
    endif()
  endif()
endmacro()

# Sets PAM_<COMPONENT>_PROBLEM: empty if the component can be used, else a message with the remedy.
macro(pam_find_component component)
  if("${component}" STREQUAL "io")
    set(PAM_IO_PROBLEM "")
    pam_find_opencv()
    find_package(niftiio QUIET MODULE)
    if(NOT TARGET opencv_imgcodecs OR NOT TARGET opencv_imgproc)
      set(PAM_IO_PROBLEM "needs OpenCV's core, imgcodecs and imgproc; Debian: apt install libopencv-imgcodecs-dev libopencv-imgproc-dev")
    elseif(NOT niftiio_FOUND)
      set(PAM_IO_PROBLEM "needs niftiio; Debian: apt install libniftiio-dev libnifti2-dev libznz-dev zlib1g-dev")
    endif()
  elseif("${component}" STREQUAL "distributed")
    set(PAM_DISTRIBUTED_PROBLEM "")
    find_path(PAM_GLOO_INCLUDE_DIR gloo/algorithm.h)
    if(NOT EXISTS "${PAM_TORCH_PREFIX}/include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp")
      set(PAM_DISTRIBUTED_PROBLEM "the LibTorch in ${PAM_TORCH_PREFIX} was built without gloo; Debian's and PyPI's have it: in a fresh build folder, -DCMAKE_PREFIX_PATH=<root of one that has>")
    elseif(NOT PAM_GLOO_INCLUDE_DIR)
      set(PAM_DISTRIBUTED_PROBLEM "needs gloo's headers; Debian: apt install libgloo-dev")
    endif()
  elseif("${component}" STREQUAL "cuda")
    set(PAM_CUDA_PROBLEM "")
    if(NOT TARGET torch_cuda)
      set(PAM_CUDA_PROBLEM "the LibTorch in ${PAM_TORCH_PREFIX} is built for the CPU only; in a fresh build folder, -DCMAKE_PREFIX_PATH=<root of one built for CUDA>")
    else()
      find_path(PAM_CUDA_INCLUDE_DIR cuda_runtime_api.h
                HINTS ${PAM_TORCH_CUDA_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS} $ENV{CUDA_HOME}/include
                /usr/local/cuda/include)
      if(NOT PAM_CUDA_INCLUDE_DIR)
        set(PAM_CUDA_PROBLEM "needs CUDA's headers (cuda_runtime_api.h); set CUDA_HOME")
      endif()
    endif()
  endif()
endmacro()

# OpenCV's three modules as the targets that its own config makes. Debian ships that config only in libopencv-dev,
# which is ten times the size of the three modules' packages, so without it they are looked for by name.
macro(pam_find_opencv)
  find_package(OpenCV QUIET CONFIG COMPONENTS core imgcodecs imgproc)
  if(NOT TARGET opencv_core)
    find_path(PAM_OPENCV_INCLUDE_DIR opencv2/core.hpp PATH_SUFFIXES opencv4)
    foreach(module IN ITEMS core imgcodecs imgproc)
      find_library(PAM_OPENCV_${module}_LIBRARY opencv_${module})
      if(PAM_OPENCV_INCLUDE_DIR AND PAM_OPENCV_${module}_LIBRARY)
        add_library(opencv_${module} SHARED IMPORTED)
        set_target_properties(opencv_${module} PROPERTIES
          IMPORTED_LOCATION "${PAM_OPENCV_${module}_LIBRARY}"
          INTERFACE_INCLUDE_DIRECTORIES "${PAM_OPENCV_INCLUDE_DIR}")
      endif()
    endforeach()
  endif()
endmacro()

# Appends to INTERFACE_<property>, once: where find_package(pam) is called in several folders, the targets are those of
# the first, on which target_link_libraries would fail. BUILD_INTERFACE keeps the value out of the exported files.
function(pam_attach target property value)
  get_target_property(values ${target} INTERFACE_${property})
  set(value $<BUILD_INTERFACE:${value}>)
  if(NOT value IN_LIST values)
    set_property(TARGET ${target} APPEND PROPERTY INTERFACE_${property} ${value})
  endif()
endfunction()

# Attaches what is particular to this machine to the targets: `core` is pam or pam::pam, `prefix` is pam_ or pam::.
macro(pam_attach_local core prefix)
  if(pam_wheel)
    # PyPI's libtorch exports a std::filesystem of its own, whose remove_all crashes in 2.11: the linker takes the first.
    get_target_property(pam_libraries ${core} INTERFACE_LINK_LIBRARIES)
    if(NOT "$<BUILD_INTERFACE:stdc++>" IN_LIST pam_libraries)
      set_property(TARGET ${core} PROPERTY INTERFACE_LINK_LIBRARIES $<BUILD_INTERFACE:stdc++> ${pam_libraries})
    endif()
  endif()
  if(OpenMP_CXX_FOUND)
    pam_attach(${core} LINK_LIBRARIES OpenMP::OpenMP_CXX)
  endif()
  if(PAM_TORCH_VERSION VERSION_GREATER_EQUAL 2.13)
    pam_attach(${core} COMPILE_FEATURES cxx_std_20)  # its headers demand it
  endif()
  foreach(dir IN LISTS PAM_TORCH_LIBRARY_DIRS)
    pam_attach(${core} LINK_OPTIONS -Wl,-rpath-link,${dir})
  endforeach()
  foreach(component IN LISTS PAM_COMPONENTS)
    if(TARGET ${prefix}${component})  # pam::compiled must have been built with it: pamCompiled.cmake
      set_property(TARGET ${prefix}${component} PROPERTY INTERFACE_pam_compiled_${component} ON)
    endif()
  endforeach()
  if(TARGET ${prefix}distributed AND NOT PAM_DISTRIBUTED_PROBLEM)
    pam_attach(${prefix}distributed INCLUDE_DIRECTORIES ${PAM_GLOO_INCLUDE_DIR})
    pam_attach(${prefix}distributed SYSTEM_INCLUDE_DIRECTORIES ${PAM_GLOO_INCLUDE_DIR})
  endif()
  if(TARGET ${prefix}cuda AND NOT PAM_CUDA_PROBLEM)
    pam_attach(${prefix}cuda INCLUDE_DIRECTORIES ${PAM_CUDA_INCLUDE_DIR})
    pam_attach(${prefix}cuda SYSTEM_INCLUDE_DIRECTORIES ${PAM_CUDA_INCLUDE_DIR})
  endif()
endmacro()

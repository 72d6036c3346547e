# pam::compiled: pam's definitions compiled once, in the build of whoever uses them, so that an installed pam stays
# independent of architecture, compiler and standard. CMakeLists.txt and the installed pamConfig.cmake include this file.

# pam_add_compiled(include_dir core components) makes the target pam_compiled, or adds the `components` (of io,
# distributed, cuda) that it lacks: a STATIC library with one generated source per folder of include/pam, which includes
# that folder's *-inl.hpp files. It links `core` and pam::<component> and defines PAM_COMPILED, both for its users too.
function(pam_add_compiled include_dir core components)
  set(folders core kernels layers attention nets losses metrics weights inference data train report)
  set(folders_of_io images datasets)
  set(folders_of_distributed train/distributed)
  if(NOT TARGET pam_compiled)
    add_library(pam_compiled STATIC EXCLUDE_FROM_ALL)
    add_library(pam::compiled ALIAS pam_compiled)
    set_target_properties(pam_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
    target_compile_definitions(pam_compiled PUBLIC PAM_COMPILED)
    target_link_libraries(pam_compiled PUBLIC ${core})
    if(NOT TARGET pam_pch)  # that of pam's own development build
      target_precompile_headers(pam_compiled PRIVATE <torch/torch.h>)  # most of what each source costs
    endif()
    foreach(component IN LISTS PAM_COMPONENTS)
      # A user of another component than those compiled in gets CMake's error that names the two targets, not the
      # linker's about missing functions (io, distributed) or two ideas of the same functions (cuda).
      set_property(TARGET pam_compiled APPEND PROPERTY COMPATIBLE_INTERFACE_BOOL pam_compiled_${component})
      set_property(TARGET pam_compiled PROPERTY INTERFACE_pam_compiled_${component} OFF)
    endforeach()
  else()
    set(folders "")
  endif()
  foreach(component IN LISTS components)
    get_target_property(known pam_compiled INTERFACE_pam_compiled_${component})
    if(NOT known)
      list(APPEND folders ${folders_of_${component}})
      set_property(TARGET pam_compiled PROPERTY INTERFACE_pam_compiled_${component} ON)
      target_link_libraries(pam_compiled PUBLIC pam::${component})
    endif()
  endforeach()
  foreach(folder IN LISTS folders)
    # An *-inl.hpp of a folder's detail/ belongs to the folder; train/distributed is a folder of its own.
    file(GLOB headers RELATIVE ${include_dir} CONFIGURE_DEPENDS ${include_dir}/pam/${folder}/*-inl.hpp
         ${include_dir}/pam/${folder}/detail/*-inl.hpp)
    # What of images/ works on tensors alone serves Predictor, which needs no component; what of inference/ reads files
    # belongs to io.
    set(tensors_alone "pam/images/(case|crop|image_resize|prepare_case|resize_labels|nifti_geometry|reorientation|detail/case_preparation)-inl")
    if(folder STREQUAL "images")
      list(FILTER headers EXCLUDE REGEX "${tensors_alone}")
      list(APPEND headers pam/inference/predict_case-inl.hpp)
    elseif(folder STREQUAL "inference")
      list(REMOVE_ITEM headers pam/inference/predict_case-inl.hpp)
      file(GLOB more RELATIVE ${include_dir} CONFIGURE_DEPENDS ${include_dir}/pam/images/*-inl.hpp
           ${include_dir}/pam/images/detail/*-inl.hpp)
      list(FILTER more INCLUDE REGEX "${tensors_alone}")
      list(APPEND headers ${more})
    endif()
    if(headers)
      list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>\n")
      string(JOIN "" text ${headers})
      string(REPLACE "/" "_" name ${folder})
      set(source ${CMAKE_BINARY_DIR}/pam_compiled/${name}.cpp)
      file(CONFIGURE OUTPUT ${source} CONTENT "// Written by pamCompiled.cmake.\n${text}" @ONLY)
      target_sources(pam_compiled PRIVATE ${source})
    endif()
  endforeach()
endfunction()

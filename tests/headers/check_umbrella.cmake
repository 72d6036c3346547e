# include/pam/pam.hpp includes every public header that needs no component, sorted, and nothing else.
# Left out: what needs a component after all.
# `cmake -D ROOT=include -D FIX=ON -P tests/headers/check_umbrella.cmake` writes the list anew.
cmake_minimum_required(VERSION 3.22)
set(left_out
  pam/inference/predict_case.hpp  # reads files: component io
)
get_filename_component(ROOT "${ROOT}" ABSOLUTE)
set(expected "")
foreach(folder IN ITEMS attention core data inference kernels layers losses metrics nets report train weights)
  file(GLOB headers RELATIVE "${ROOT}" "${ROOT}/pam/${folder}/*.hpp")
  foreach(header IN LISTS headers)
    if(NOT header IN_LIST left_out AND NOT header MATCHES "-inl\\.hpp$")
      list(APPEND expected "#include <${header}>")
    endif()
  endforeach()
endforeach()
list(SORT expected)
file(STRINGS "${ROOT}/pam/pam.hpp" found REGEX "^#include")
if(NOT found STREQUAL expected)
  list(JOIN expected "\n" lines)
  if(NOT FIX)
    message("${lines}")
    message(FATAL_ERROR "include/pam/pam.hpp must hold exactly the includes above; "
                        "cmake -D ROOT=include -D FIX=ON -P tests/headers/check_umbrella.cmake writes them.")
  endif()
  file(READ "${ROOT}/pam/pam.hpp" text)
  string(REGEX REPLACE "(begin_exports\n).*(// IWYU)" "\\1${lines}\n\\2" text "${text}")
  file(WRITE "${ROOT}/pam/pam.hpp" "${text}")
endif()

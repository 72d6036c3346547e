# Runs a command, which must end with exit code EXIT and print what the regular expression MATCHES finds. ctest's own
# PASS_REGULAR_EXPRESSION looks at the output alone: a program that crashes after the expected line would pass.
# usage: cmake -D EXIT=0 -D MATCHES=<regular expression> -P run_and_match.cmake -- COMMAND...
cmake_minimum_required(VERSION 3.22)
set(command "")
set(index 0)
while(index LESS CMAKE_ARGC)
  if(DEFINED marked)
    string(REPLACE ";" "\\;" argument "${CMAKE_ARGV${index}}")
    list(APPEND command "${argument}")
  elseif(CMAKE_ARGV${index} STREQUAL "--")
    set(marked TRUE)
  endif()
  math(EXPR index "${index} + 1")
endwhile()
execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output
                ECHO_OUTPUT_VARIABLE ECHO_ERROR_VARIABLE)
if(NOT result STREQUAL EXIT)
  message(FATAL_ERROR "ended with '${result}' instead of ${EXIT}")
endif()
if(NOT output MATCHES "${MATCHES}")
  message(FATAL_ERROR "nothing in the output matches: ${MATCHES}")
endif()

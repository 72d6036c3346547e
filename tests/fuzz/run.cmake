# Fuzzes one target and prints what it did in one line; fails with the crashing input's path where it crashes.
# A single allocation of more than 64 MiB counts as a crash, as does an input that takes more than 10 seconds.
set(log ${CORPUS}/${TARGET}.log)
execute_process(
  COMMAND ${CMAKE_COMMAND} -E env PAM_FUZZ=${TARGET} ${PROGRAM} -max_total_time=${SECONDS} -max_len=16384 -timeout=10
          -malloc_limit_mb=65 -rss_limit_mb=3072 -print_final_stats=1 -artifact_prefix=${CORPUS}/${TARGET}- ${CORPUS}/${TARGET}
  RESULT_VARIABLE result OUTPUT_FILE ${log} ERROR_FILE ${log})
file(READ ${log} text)
if(NOT result EQUAL 0)
  string(LENGTH "${text}" length)
  if(length GREATER 6000)
    math(EXPR begin "${length} - 6000")
    string(SUBSTRING "${text}" ${begin} -1 text)
  endif()
  message(FATAL_ERROR "${text}\npam_fuzz found an input that breaks the reader of ${TARGET} (result ${result}). Mend the "
                      "reader, and keep the input in ${CRASHES}/${TARGET}/ so that it is tried ever after.")
endif()
string(REGEX MATCH "stat::number_of_executed_units: *([0-9]+)" ignored "${text}")
set(executions ${CMAKE_MATCH_1})
string(REGEX MATCHALL "cov: [0-9]+ ft: [0-9]+ corp: [0-9]+" states "${text}")
list(POP_BACK states coverage)
message(STATUS "fuzz/${TARGET}: ${executions} executions in ${SECONDS} s, ${coverage}")

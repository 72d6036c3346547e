#!/usr/bin/env bash
# Runs ctest in a build folder; then names every test case that skipped itself; ctest's summary line comes last.
# usage: tools/run_tests.sh BUILD_DIR JOBS [ctest arguments]
set -uo pipefail
build=$1
jobs=$2
shift 2
log=$build/tests.log
ctest --test-dir "$build" --parallel "$jobs" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
# Catch2 2, through PAM_SKIP, says it in one line; Catch2 3 in three: "file:line: SKIPPED:", and the reason in the third.
skipped=$(sed -nE '/^SKIPPED: /p; /^[^ ].*: SKIPPED:$/{N;N;s/:\nexplicitly with message:\n */: /p}' \
  "$build"/Testing/Temporary/LastTest.log 2>/dev/null | sort -u)
if [ -n "$skipped" ]; then
  printf '\nTest cases that skipped themselves, with the reason:\n%s\n' "$skipped"
fi
echo
grep -E '^[0-9]+% tests passed' "$log" || echo "ctest did not finish"
exit "$status"

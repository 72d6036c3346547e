#!/usr/bin/env bash
# What a GPU must show, in one command of less than ten minutes: tests, compute-sanitizer, every kernel against the memory's
# bandwidth, and the networks against torch.compile; the table of goals comes last. docs/gpu.md
# usage: tools/gpu/check.sh [--dry] [tests|sanitizer|kernels|table|profile ...]   (all of them where none is named)
# --dry rehearses the same commands on a CPU with the smallest sizes. The programs are those in PAM_GPU_BIN, else those of
# tools/gpu/prebuild.sh, else they are built here. PYTHON: the rival's interpreter. PAM_GPU_SECONDS: when all must have ended
# (560). Logs are written to OUT (gpu-results) as they come. Exit code 1: a test failed, or a section did not end.
set -euo pipefail
cd "$(dirname "$0")/../.."

dry=
if [ "${1:-}" = --dry ]; then
  dry=yes
  shift
fi
sections=(tests sanitizer kernels table profile)
for section in "$@"; do
  if [[ " ${sections[*]} " != *" $section "* ]]; then
    echo "there is no section '$section'; there are: ${sections[*]}" >&2
    exit 2
  fi
done
[ $# -eq 0 ] || sections=("$@")
bin=${PAM_GPU_BIN:-$PWD/.gpu}
out=${OUT:-gpu-results}
deadline=$((SECONDS + ${PAM_GPU_SECONDS:-560}))
mkdir -p "$out"
rm -f "$out"/{load,tests,sanitizer,warm,profile}.log "$out"/{kernels,table}.jsonl
export PAM_PEER=$PWD/benchmarks/peer.py

running=() # processes to end when this ends
failed=0
report=
# What is known so far, also where this is cut short.
finish() {
  for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
  printf '\n%s\n' "${report:-no section ended}"
  python3 tools/gpu/tables.py goals "$out/table.jsonl"
}
trap finish EXIT
trap 'exit 143' TERM INT

# within SECONDS COMMAND...: the command, ended when its time or the time of all is over (status 124). In the background,
# since bash would handle a signal only after it.
within() {
  local left=$((deadline - SECONDS))
  [ "$left" -lt "$1" ] || left=$1
  shift
  if [ "$left" -le 0 ]; then
    echo "no time was left for $*"
    return 124
  fi
  timeout --kill-after=5 "$left" "$@" &
  running+=($!)
  wait $!
}

loads() { "$bin/gpu_tests" --libidentify && "$bin/pam_bench" --help && "$bin/kernels_bench" --help; }

load() {
  local version
  python=${PYTHON:-python3}
  "$python" -c 'import torch' 2>/dev/null || python=/usr/bin/python3 # Debian's
  if ! torch=$("$python" -c 'import os, torch; print(os.path.dirname(torch.__file__))' 2>/dev/null); then
    echo "rival: no Python here has torch"
    torch=
  fi
  [ -n "$torch" ] && echo "rival: $python, torch $(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py")"
  if [ -n "$dry" ]; then
    loads >"$out/load.log" 2>&1
    return
  fi
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  echo "$(nproc) cores, kernel $(uname -r), pam $(cat .gpu/commit 2>/dev/null || echo 'not prebuilt')"
  if [ -z "$torch" ]; then
    echo "check.sh needs the torch of this machine; PYTHON names the interpreter that has it" >&2
    return 1
  fi
  LD_LIBRARY_PATH=$(printf '%s:' "$torch/lib" "$torch"/../nvidia/*/lib)${LD_LIBRARY_PATH:-}
  export LD_LIBRARY_PATH
  version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py")
  if [ "$(cat .gpu/torch-version 2>/dev/null)" = "$version" ] && loads >"$out/load.log" 2>&1; then
    echo "the prebuilt programs load"
    return
  fi
  tail -n 3 "$out/load.log" 2>/dev/null || true
  echo "no prebuilt programs for torch $version; building them ..."
  local start=$SECONDS
  within 240 tools/gpu/prebuild.sh "$torch" >"$out/load.log" 2>&1 || { tail -n 20 "$out/load.log"; return 1; }
  bin=$PWD/.gpu
  loads >>"$out/load.log" 2>&1 || { tail -n 3 "$out/load.log"; return 1; }
  echo "built in $((SECONDS - start)) s"
}

tests() {
  local status=0 which='[gpu] ~*OnHost'
  [ -z "$dry" ] || which='[kernels][gpu] ~*OnHost'
  within 120 "$bin/gpu_tests" "$which" --durations yes >"$out/tests.log" 2>&1 || status=$?
  grep -E '^error |SKIPPED|FAILED:|\.cpp:[0-9]+' "$out/tests.log" | head -n 50
  grep -E 'test cases:|All tests passed|no time' "$out/tests.log" || echo "gpu_tests did not end: status $status"
  return "$status"
}

sanitizer() {
  local status=0
  if [ -n "$dry" ] || ! command -v compute-sanitizer >/dev/null; then
    echo "there is no compute-sanitizer here"
    return
  fi
  # Without LibTorch's caching allocator: what lies behind a tensor would be the allocator's, and an access no error.
  export PYTORCH_NO_CUDA_MEMORY_CACHING=1 PAM_SMALL_TESTS=1
  within 80 compute-sanitizer --tool memcheck --error-exitcode 9 "$bin/gpu_tests" '[kernels][gpu] ~*OnHost' \
    >>"$out/sanitizer.log" 2>&1 || status=$?
  within 40 compute-sanitizer --tool racecheck --error-exitcode 9 "$bin/gpu_tests" \
    '*instance norm*OnGpu,*dilated branch*OnGpu' >>"$out/sanitizer.log" 2>&1 || status=$?
  export -n PYTORCH_NO_CUDA_MEMORY_CACHING PAM_SMALL_TESTS
  grep -E 'SUMMARY|========= (Error|Device|Internal)|Invalid|no time' "$out/sanitizer.log" | head -n 20
  return "$status"
}

kernels() {
  local status=0
  bench() { within "$1" "$bin/kernels_bench" --json "${@:2}" >>"$out/kernels.jsonl" 2>"$out/kernels.err" || status=$?; }
  if [ -n "$dry" ]; then
    bench 60 --device cpu --dtype float32 --layout nhwc --only norm --mib 1 --runs 1
  else
    bench 60 --device cuda --dtype bfloat16 --layout nhwc --runs 7
    bench 20 --device cuda --dtype bfloat16 --layout nchw --runs 7 --only dilated_branch
    bench 20 --device cuda --dtype float32 --layout nhwc --runs 7 --only norm
  fi
  cat "$out/kernels.err"
  rm "$out/kernels.err"
  python3 tools/gpu/tables.py kernels "$out/kernels.jsonl"
  return "$status"
}

# rows infer|train|single SECONDS OPTIONS...: JSON lines of the networks and their rivals, one after another.
rows() {
  local task=infer images=50 weights=' cast' setting=(--device cuda --dtype bfloat16)
  case $1 in
    train) task=train weights= ;; # under autocast on both sides
    single) images=1 ;;
  esac
  local modes=("compile nhwc$weights" "reduce-overhead nhwc$weights")
  if [ -n "$dry" ]; then
    setting=(--device cpu --width 4 --size 72 72)
    modes=('eager nhwc' 'compile nhwc')
    [ $images -eq 1 ] || images=2
  fi
  within "$2" "$bin/pam_bench" --nets unet fpa rfna rfna_section33 --layout nhwc --tasks $task --batch $images \
    "${setting[@]}" --json --peer "$python" --peer-modes "${modes[@]}" "${@:3}"
}

# Compiles the rivals beside the tests; torch.compile keeps what it has compiled, and the table finds it.
warm_up() {
  for what in infer train single; do
    rows $what 180 --repeats 1 --peer-limit 120 >>"$out/warm.log" 2>&1 &
    running+=($!)
    warming+=($!)
  done
}

table() {
  local status=0 repeats=9
  [ -z "$dry" ] || repeats=1
  for what in infer train single; do
    rows $what 120 --backend fused reference --repeats $repeats --peer-limit 60 >>"$out/table.jsonl" 2>>"$out/warm.log" ||
      status=$?
  done
  return "$status"
}

profile() {
  if [ -n "$dry" ] || ! command -v ncu >/dev/null; then
    echo "there is no ncu here"
    return
  fi
  local status=0
  for kernel in $(python3 tools/gpu/tables.py worst "$out/kernels.jsonl"); do
    within 20 ncu --clock-control none --section SpeedOfLight --section MemoryWorkloadAnalysis --launch-count 6 \
      --kernel-name 'regex:^(norm|upsample|branch|depthwise|dice)_' "$bin/kernels_bench" --device cuda --dtype bfloat16 \
      --layout nhwc --runs 1 --only "$kernel" >>"$out/profile.log" 2>&1 || status=$?
  done
  grep -E '^  [a-z_]+ \(|Duration|DRAM Throughput|L1/TEX Cache Throughput|Compute \(SM\)|==ERROR' "$out/profile.log" | head -n 60
  return "$status"
}

echo "== load"
load
warming=()
[[ -n "$dry" || -z "$torch" || " ${sections[*]} " != *" table "* ]] || warm_up
for section in "${sections[@]}"; do
  if [ "$section" = kernels ] || [ "$section" = table ]; then # these must have the GPU for themselves
    [ ${#warming[@]} -eq 0 ] || wait "${warming[@]}" || true
    warming=()
  fi
  echo "== $section"
  start=$SECONDS
  status=0
  "$section" || status=$?
  [ "$status" -eq 0 ] || failed=1
  report+="$section: $((SECONDS - start)) s, status $status; "
done
exit $failed

#!/usr/bin/env bash
# What a GPU must show, in one command of less than ten minutes: tests, compute-sanitizer, every kernel against the
# memory's bandwidth, and the networks against torch.compile; the table of goals comes last. docs/gpu.md
# usage: tools/gpu/check.sh [--dry] [tests|sanitizer|kernels|table|profile|settings ...]   (all of them where none is named)
# --dry rehearses the same commands on a CPU with the smallest sizes. The programs are those in PAM_GPU_BIN, else those
# of tools/gpu/prebuild.sh, else they are built here. PYTHON: the rival's interpreter. PAM_GPU_SECONDS: when all must
# have ended (560). Logs are written to OUT (gpu-results) as they come. Exit code 1: a test failed, or a section did not
# end.
set -euo pipefail
cd "$(dirname "$0")/../.."

dry=
if [ "${1:-}" = --dry ]; then
  dry=yes
  shift
fi
sections=(tests sanitizer kernels table profile settings)
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
export PAM_PEER=$PWD/benchmarks/peer.py
mkdir -p "$out"
for section in load "${sections[@]}"; do rm -f "$out/$section".{log,jsonl}; done

exec 3>&1  # where a signal comes within a command whose output goes to a log
running=() # processes to end when this ends
report=    # the sections so far
# shellcheck disable=SC2317 # called by the traps
finish() {
  for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
  printf '\n%s\n' "${report:-no section ended}" >&3
  python3 tools/gpu/tables.py goals "$out/table.jsonl" >&3
}
trap finish EXIT # what is known by then, also where this is cut short
trap 'exit 143' TERM INT

# within SECONDS COMMAND...: the command, ended when its time or the time of all is over (status 124). In the
# background, since bash would not handle a signal before its end.
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

torch_version() { sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py"; }

loads() {
  { "$bin/gpu_tests" --libidentify && "$bin/kernels_bench" --help && "$bin/pam_bench" --help; } >>"$out/load.log" 2>&1
}

load() {
  python=${PYTHON:-python3}
  "$python" -c 'import torch' 2>/dev/null || python=/usr/bin/python3 # Debian's python3-torch
  torch=$("$python" -c 'import os, torch; print(os.path.dirname(torch.__file__))' 2>/dev/null) || torch=
  if [ -z "$torch" ]; then
    echo "rival: neither ${PYTHON:-python3} nor /usr/bin/python3 has torch"
    [ -n "$dry" ] || return 1 # the programs need it, too
  else
    echo "rival: $python, torch $(torch_version)"
  fi
  if [ -n "$dry" ]; then
    loads
    return
  fi
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  echo "$(nproc) cores, kernel $(uname -r), pam $(cat .gpu/commit 2>/dev/null || echo 'not prebuilt')"
  LD_LIBRARY_PATH=$torch/lib$(printf ':%s' "$torch"/../nvidia/*/lib):${LD_LIBRARY_PATH:-}
  export LD_LIBRARY_PATH
  if [ "$(cat "$bin/torch-version" 2>/dev/null)" = "$(torch_version)" ] && loads; then
    echo "the prebuilt programs load"
    return
  fi
  echo "no prebuilt programs for torch $(torch_version) load; building them ..."
  local start=$SECONDS
  bin=$PWD/.gpu
  if ! { within 240 tools/gpu/prebuild.sh "$torch" >>"$out/load.log" 2>&1 && loads; }; then
    tail -n 20 "$out/load.log"
    return 1
  fi
  echo "built in $((SECONDS - start)) s"
}

tests() {
  local status=0 which='[gpu] ~*OnHost'
  [ -z "$dry" ] || which='[kernels][gpu] ~*OnHost'
  within 150 "$bin/gpu_tests" "$which" --durations yes >"$out/tests.log" 2>&1 || status=$?
  grep -E '^error |SKIPPED|FAILED:|\.cpp:[0-9]+' "$out/tests.log" | head -n 50
  grep -E 'test cases:|All tests passed|no time' "$out/tests.log" || echo "gpu_tests did not end: status $status"
  return "$status"
}

sanitizer() {
  local status=0 tool=(compute-sanitizer --error-exitcode 9 --tool)
  if [ -n "$dry" ] || ! command -v compute-sanitizer >/dev/null; then
    echo "there is no compute-sanitizer here"
    return
  fi
  # Without LibTorch's caching allocator: what lies behind a tensor would be the allocator's, and an access no error.
  export PYTORCH_NO_CUDA_MEMORY_CACHING=1 PAM_SMALL_TESTS=1
  within 80 "${tool[@]}" memcheck "$bin/gpu_tests" '[kernels][gpu] ~*OnHost' >>"$out/sanitizer.log" 2>&1 || status=$?
  within 40 "${tool[@]}" racecheck "$bin/gpu_tests" '*instance norm*OnGpu,*dilated branch*OnGpu' \
    >>"$out/sanitizer.log" 2>&1 || status=$?
  unset PYTORCH_NO_CUDA_MEMORY_CACHING PAM_SMALL_TESTS
  grep -E 'SUMMARY|=== (Error|Device|Internal|Invalid)|no time' "$out/sanitizer.log" | head -n 20
  return "$status"
}

measure_kernels() { # SECONDS OPTIONS...
  within "$1" "$bin/kernels_bench" --json "${@:2}" >>"$out/kernels.jsonl" 2>>"$out/kernels.log"
}
kernels() {
  local status=0
  if [ -n "$dry" ]; then
    measure_kernels 60 --device cpu --dtype float32 --layout nhwc --only norm --mib 1 --runs 1 --threads 1 || status=$?
  else
    measure_kernels 60 --device cuda --dtype bfloat16 --layout nhwc --runs 7 || status=$?
    measure_kernels 20 --device cuda --dtype bfloat16 --layout nchw --runs 7 --only dilated_branch || status=$?
    measure_kernels 20 --device cuda --dtype float32 --layout nhwc --runs 7 --only norm || status=$?
  fi
  cat "$out/kernels.log"
  python3 tools/gpu/tables.py kernels "$out/kernels.jsonl"
  return "$status"
}

# set_networks infer|train|one [MODE...]: sets `networks` to the command that measures all networks (one: one image) and
# their rivals, of torch.compile's modes those named.
set_networks() {
  local task=infer images=50 weights=' cast' setting=(--device cuda --dtype bfloat16 --layout nhwc) modes
  case $1 in
    train) task=train weights= ;; # under autocast on both sides
    one) images=1 ;;
  esac
  modes=("${@:2}")
  modes=("${modes[@]/%/ nhwc$weights}")
  if [ -n "$dry" ]; then
    # Planes: with channels-last tensors Python's torch 1.13 crashes in the gradients of a narrow FPA (oneDNN's 1x1
    # convolutions, kernels/pointwise.hpp).
    setting=(--device cpu --layout nchw --width 4 --size 72 72 --threads 1)
    modes=("${modes[@]/% nhwc*/ nchw}")
    [ $images -eq 1 ] || images=2
  fi
  networks=("$bin/pam_bench" --nets unet fpa rfna rfna_section33 --tasks "$task" --batch "$images" "${setting[@]}"
    --json --peer "$python" --peer-modes "${modes[@]}")
}

# The rivals are compiled beside the tests; torch.compile keeps what it has compiled, and the table finds it. Of
# max-autotune, which takes minutes a network, as much as is done by then.
warm_up() {
  local process
  for what in infer train one; do
    set_networks "$what" "${quick[@]}"
    nice timeout --kill-after=5 180 "${networks[@]}" --repeats 1 --peer-limit 120 >>"$out/table.log" 2>&1 &
    process=$!
    running+=("$process")
    warming+=("$process")
    set_networks "$what" max-autotune
    (
      while kill -0 "$process" 2>/dev/null; do sleep 1; done
      exec nice timeout --kill-after=5 300 "${networks[@]}" --repeats 1 --peer-limit 300 >>"$out/table.log" 2>&1
    ) &
    running+=($!)
    tuning+=($!)
  done
}

table() {
  local status=0 repeats=9
  [ -z "$dry" ] || repeats=1
  for what in infer train one; do
    set_networks "$what" "${quick[@]}"
    within 120 "${networks[@]}" --backend fused reference --repeats "$repeats" --peer-limit 60 \
      >>"$out/table.jsonl" 2>>"$out/table.log" || status=$?
  done
  [ $status -eq 0 ] || tail -n 4 "$out/table.log"
  for what in infer train one; do # no goal fails for want of it: the goals' table says where it had no time
    [[ -z "$dry" || $what = one ]] || continue
    set_networks "$what" max-autotune
    within 60 "${networks[@]}" --repeats "$repeats" --peer-limit 30 >>"$out/table.jsonl" 2>>"$out/table.log" || true
  done
  return "$status"
}

profile() {
  local status=0
  if [ -n "$dry" ] || ! command -v ncu >/dev/null; then
    echo "there is no ncu here"
    return
  fi
  for kernel in $(python3 tools/gpu/tables.py worst "$out/kernels.jsonl"); do
    within 20 ncu --clock-control none --section SpeedOfLight --section MemoryWorkloadAnalysis --launch-count 6 \
      --kernel-name 'regex:^(norm|upsample|branch|depthwise|dice)_' "$bin/kernels_bench" --device cuda \
      --dtype bfloat16 --layout nhwc --runs 1 --only "$kernel" >>"$out/profile.log" 2>&1 || status=$?
  done
  grep -E '^  [a-z_]+ \(|Duration|DRAM Throughput|L1/TEX Cache Throughput|==ERROR|no time' "$out/profile.log" |
    head -n 60
  return "$status"
}

# What is chosen by measurement: 50 images or twice 25, cuDNN's algorithms guessed or measured, depth-wise convolutions.
settings() {
  local status=0 kernel=(--device cuda --dtype bfloat16 --layout nhwc --runs 7) batches=(50 25)
  local command=("$bin/pam_bench" --tasks infer train --device cuda --dtype bfloat16 --layout nhwc --repeats 7)
  local nets=(unet fpa rfna)
  if [ -n "$dry" ]; then
    kernel=(--device cpu --mib 1 --runs 1 --threads 1) batches=(2 1) nets=(unet)
    command=("$bin/pam_bench" --tasks infer --device cpu --width 4 --size 72 72 --threads 1 --repeats 1)
  fi
  command+=(--nets "${nets[@]}")
  within 40 "${command[@]}" --batch "${batches[@]}" >>"$out/settings.log" 2>&1 || status=$?
  within 30 "${command[@]}" --batch "${batches[0]}" --no-graphs >>"$out/settings.log" 2>&1 || status=$?
  within 30 "${command[@]}" --batch "${batches[0]}" --no-graphs --no-cudnn-benchmark >>"$out/settings.log" 2>&1 ||
    status=$?
  within 20 "$bin/kernels_bench" "${kernel[@]}" --only depthwise >>"$out/settings.log" 2>&1 || status=$?
  cat "$out/settings.log"
  return "$status"
}

echo "== load"
load
failed=0
quick=(compile reduce-overhead) # of torch.compile's modes
[ -z "$dry" ] || quick=(eager compile)
warming=() tuning=()
[[ -n "$dry" || " ${sections[*]} " != *" table "* ]] || warm_up
for section in "${sections[@]}"; do
  if [[ "kernels table profile settings" == *"$section"* ]]; then # they need the GPU for themselves
    [ ${#warming[@]} -eq 0 ] || wait "${warming[@]}" || true
    [ ${#tuning[@]} -eq 0 ] || kill "${tuning[@]}" 2>/dev/null || true
    warming=() tuning=()
  fi
  echo "== $section"
  start=$SECONDS
  status=0
  case $section in
    tests) tests ;;
    sanitizer) sanitizer ;;
    kernels) kernels ;;
    table) table ;;
    profile) profile ;;
    settings) settings ;;
  esac || status=$?
  [ $status -eq 0 ] || failed=1
  report+="$section: $((SECONDS - start)) s, status $status; "
done
exit $failed

#!/usr/bin/env bash
# Times the paper's networks in pam and in every engine that one could deploy on a CPU instead (PyTorch eager and
# torch.compile, OpenVINO, ONNX Runtime, ncnn), and writes the tables of docs/performance.md to build/peers/tables.md.
# usage: tools/bench_peers.sh [--quick] [JOBS]; --quick: the U-Net alone, in fewer rounds
# PAM_PEERS_VENV names another environment than ~/.cache/pam/peers-venv, PYTHON another interpreter for it, PAM_BENCH a
# pam_bench that is built already, such as one with the newest LibTorch. What is in the environment is not installed again:
# to save disk, put a torch without CUDA there before.
set -euo pipefail
cd "$(dirname "$0")/.."
nets=(unet fpa rfna_section33)
rounds=9
if [ "${1:-}" = --quick ]; then
  nets=(unet)
  rounds=3
  shift
fi
jobs=${1:-$(nproc)}
venv=${PAM_PEERS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/pam/peers-venv}
tables=build/peers/tables.md
tools/install_dependencies.sh --for peers

mkdir -p "$(dirname "$venv")" build/peers
exec 9>"$venv.lock"
flock 9 # two runs at once would break the environment, and each other's times
"$venv/bin/python" -c '' 2>/dev/null || "${PYTHON:-python3}" -m venv --clear "$venv"
for package in torch numpy onnx onnxruntime openvino ncnn pnnx; do
  "$venv/bin/python" -c "import importlib.util as u, sys; sys.exit(not u.find_spec('$package'))" && continue
  echo "Installing $package into $venv ..."
  # One that cannot be had is named in the tables, with its reason.
  "$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check "$package" </dev/null ||
    echo "$package could not be installed; the tables will say so" >&2
done

bench=${PAM_BENCH:-}
if [ -z "$bench" ]; then
  cmake --preset release
  cmake --build --preset release --parallel "$jobs" --target pam_bench
  bench=build/release/bin/pam_bench
fi
python=$venv/bin/python
measure() { # WHAT OPTIONS...
  echo "== $1" >&2
  printf '### %s\n\n' "$1" >>"$tables"
  shift
  "$bench" --device cpu --peer "$python" --peer-limit 240 --repeats "$rounds" --markdown "$@" >>"$tables"
  echo >>"$tables"
}
: >"$tables"
start=$SECONDS
measure 'Inference' --nets "${nets[@]}" --tasks infer --batch 4 1
measure 'Training step' --nets "${nets[@]}" --tasks train
measure 'One thread' --nets "${nets[@]}" --tasks infer --threads 1
measure 'bfloat16' --nets unet --tasks infer --dtype auto
measure 'AVX2 alone' --nets unet --tasks infer --avx2
cat "$tables"
echo "$((SECONDS - start)) s; the tables are in $tables"

#!/usr/bin/env bash
# Builds the core tests against PyPI's newest torch, in a virtual environment outside the tree (kept between runs).
# usage: tools/test_newest_torch.sh [JOBS]; PAM_TORCH_VENV names another environment, PYTHON another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${1:-$(nproc)}
venv=${PAM_TORCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/pam/torch-venv}
build=build/newest
tools/install_dependencies.sh --for newest

mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9 # two runs at once would break the environment
"$venv/bin/python" -c '' 2>/dev/null || "${PYTHON:-python3}" -m venv --clear "$venv"
torch_root() {
  "$venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null
}

echo "Asking PyPI for the newest torch (about 5.4 GB in $venv) ..."
if ! "$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --upgrade torch </dev/null; then
  if root=$(torch_root); then
    echo "PyPI could not be asked; the torch kept from an earlier run is used"
  elif "$venv/bin/pip" download --quiet --no-deps --no-cache-dir --dest "$(mktemp -d)" filelock </dev/null; then
    echo "PyPI is reachable, but torch could not be installed in $venv (see above; it needs about 9 GB of disk)" >&2
    exit 1
  else
    echo "SKIPPED: test-newest-torch: PyPI is not reachable, and no torch is kept in $venv"
    exit 0
  fi
fi
root=$(torch_root)

# Examples, programs and the checks of the source tree need no second LibTorch; the tests do.
cmake --preset dev -B "$build" -DCMAKE_PREFIX_PATH="$root" -DPAM_UNITY=ON -DPAM_BUILD_EXAMPLES=OFF -DPAM_BUILD_APPS=OFF \
  -DPAM_BUILD_BENCHMARKS=OFF -DPAM_BUILD_CHECKS=OFF
cmake --build "$build" --parallel "$jobs"
echo "Testing with torch $("$venv/bin/pip" show torch 2>/dev/null | sed -n 's/^Version: //p')"
tools/run_tests.sh "$build" "$jobs"

#!/usr/bin/env bash
# Builds what tools/gpu/check.sh runs (gpu_tests, kernels_bench, pam_bench) into .gpu/ on a machine without a GPU, so
# that no time on the GPU goes into it: eight minutes of processor time. docs/gpu.md
# usage: tools/gpu/prebuild.sh [TORCH]
# TORCH: the folder of a torch built for CUDA (site-packages/torch). Without it, torch PAM_GPU_TORCH (2.11.0) for
# CPython 3.12 is downloaded from PyPI to ~/.cache/pam, 530 MB, and the headers of its CUDA runtime, PAM_GPU_CUDART
# (13.0.96). It must be the version on the machine with the GPU. JOBS and CXX as usual.
set -euo pipefail
cd "$(dirname "$0")/../.."

download() { # FOLDER: a site-packages of torch and the CUDA runtime alone; enough to compile and link
  local wheels platforms=() platform wheel
  wheels=$(mktemp -d)
  for platform in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014; do
    platforms+=(--platform "${platform}_x86_64")
  done
  echo "Downloading torch $version into $1 ..."
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --only-binary=:all: \
    --python-version 3.12 --implementation cp "${platforms[@]}" --dest "$wheels" \
    "torch==$version" "nvidia-cuda-runtime==${PAM_GPU_CUDART:-13.0.96}"
  rm -rf "$1.part"
  for wheel in "$wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$1.part"; done
  rm -rf "$wheels"
  mv "$1.part" "$1"
}

version=${PAM_GPU_TORCH:-2.11.0}
torch=${1:-}
mkdir -p .gpu build/gpu
if [ -z "$torch" ]; then
  site=${XDG_CACHE_HOME:-$HOME/.cache}/pam/torch-$version
  [ -d "$site" ] || download "$site"
  torch=$site/torch
  # Packages that the machine with the GPU may lack, where it has to build for itself after all.
  dpkg -L libfmt-dev libfmt9 nlohmann-json3-dev libcli11-dev catch2 | grep -E '^/usr/(include|lib|share/cmake)/' |
    tar --create --absolute-names --no-recursion --files-from=- | tar --extract --directory=.gpu
fi

generator=()
if command -v ninja >/dev/null; then generator=(-G Ninja); fi
# Without the components io and distributed, whose libraries the machine with the GPU may lack. Those of torch and those
# that it needs are found there by LD_LIBRARY_PATH.
cmake -S . -B build/gpu "${generator[@]}" -DCMAKE_CXX_COMPILER="${CXX:-g++}" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_FLAGS_RELEASE='-O2 -DNDEBUG' -DCMAKE_PREFIX_PATH="$torch;$PWD/.gpu/usr" -DCMAKE_SKIP_RPATH=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_OpenCV=ON -DCMAKE_DISABLE_FIND_PACKAGE_niftiio=ON -DPAM_OPENCV_INCLUDE_DIR= \
  -DPAM_GLOO_INCLUDE_DIR= -DCMAKE_EXE_LINKER_FLAGS=-Wl,--allow-shlib-undefined -DPAM_UNITY=ON -DPAM_BUILD_TESTS=OFF \
  -DPAM_BUILD_EXAMPLES=OFF -DPAM_BUILD_APPS=OFF -DPAM_BUILD_GPU_TESTS=ON | tee build/gpu/configure.log
if ! grep -q 'pam: component cuda: yes' build/gpu/configure.log; then
  echo "$torch gives no component cuda; the lines above say why" >&2
  exit 1
fi
programs=(gpu_tests kernels_bench pam_bench)
cmake --build build/gpu --parallel "${JOBS:-$(nproc)}" --target "${programs[@]}"
for program in "${programs[@]}"; do strip -o ".gpu/$program" "build/gpu/bin/$program"; done
sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py" >.gpu/torch-version
git describe --always --dirty --abbrev=7 >.gpu/commit 2>/dev/null || echo unknown >.gpu/commit
ls -l .gpu

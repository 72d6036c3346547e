#!/usr/bin/env bash
# Installs the Debian packages that are missing, and says which and why. Through sudo where the user is not root.
# usage: tools/install_dependencies.sh --for demo|test|sanitize|newest|peers|docs [--dry-run]
set -euo pipefail

# package | who needs it | why
packages='
cmake                  | demo test sanitize newest peers | configures the build
ninja-build            | demo test sanitize newest peers | runs the build
clang                  | demo test sanitize newest peers | the compiler of the presets
libomp-dev             | demo test sanitize newest peers | OpenMP for clang: without it the CPU kernels are serial
lld                    | demo test sanitize newest peers | links several times as fast as the default
ccache                 | test sanitize newest            | keeps compiled objects between builds
build-essential        | test peers                      | g++, which the package test and torch.compile compile with
libtorch-dev           | demo test sanitize peers        | LibTorch 1.13
libopenblas0-openmp    | demo test sanitize peers        | a fast BLAS: the one LibTorch brings is 30 times slower
libfmt-dev             | demo test sanitize newest peers | messages
nlohmann-json3-dev     | demo test sanitize newest peers | options, configurations, reports
libcli11-dev           | demo test sanitize peers        | the command lines of the programs
libopencv-imgcodecs-dev| demo test sanitize newest peers | PNG, JPEG and TIFF
libopencv-imgproc-dev  | demo test sanitize newest peers | resizing and drawing
libniftiio-dev         | demo test sanitize newest peers | NIfTI files
libnifti2-dev          | demo test sanitize newest peers | the header that niftiio includes
libznz-dev             | demo test sanitize newest peers | compressed NIfTI files
zlib1g-dev             | demo test sanitize newest peers | compression
mricron-data           | demo test                       | a real MRI with labels: the data of the demo
catch2                 | test sanitize newest            | the test framework
libgloo-dev            | test sanitize newest            | headers for training over several processes
libclang-rt-dev        | sanitize                        | the sanitizers of clang
python3-venv           | newest peers                    | the virtual environment of the newest torch
python3-dev            | peers                           | Python.h, which torch.compile includes
python3-torch          | test                            | an independent source for tests: PyTorch
python3-scipy          | test                            | an independent source for tests: scipy
python3-numpy          | test                            | an independent source for tests: numpy
python3-nibabel        | test                            | an independent source for tests: nibabel, a reader of NIfTI
mkdocs                 | test docs                       | the documentation as a site
'

purpose=
dry_run=
while [ $# -gt 0 ]; do
  case $1 in
    --for) purpose=${2:-}; shift ;;
    --dry-run) dry_run=yes ;;
    *) echo "unknown argument '$1'; usage: $0 --for demo|test|sanitize|newest|peers|docs [--dry-run]" >&2; exit 2 ;;
  esac
  shift
done
case $purpose in
  demo | test | sanitize | newest | peers | docs) ;;
  *) echo "--for must be demo, test, sanitize, newest, peers or docs, not '$purpose'" >&2; exit 2 ;;
esac

# Another LibTorch, named in one of the usual ways, is used in place of Debian's.
own_torch() {
  local root
  [ -n "${Torch_DIR:-}" ] && return 0
  while read -r root; do
    [ -n "$root" ] && compgen -G "$root/lib*/libtorch.so" >/dev/null && return 0
  done < <(tr ':' '\n' <<<"${CMAKE_PREFIX_PATH:-}:${LIBTORCH:-}")
  return 1
}
installed() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }

missing=()
why=()
while IFS='|' read -r package users reason; do
  package=${package%% *}
  [ -n "$package" ] || continue
  [[ " $users " == *" $purpose "* ]] || continue
  if [ "$package" = libtorch-dev ] && own_torch; then
    echo "LibTorch: the one in CMAKE_PREFIX_PATH, Torch_DIR or LIBTORCH is used, not Debian's"
    continue
  fi
  if ! command -v dpkg-query >/dev/null || ! installed "$package"; then
    missing+=("$package")
    why+=("$(printf '  %-24s%s' "$package" "$reason")")
  fi
done <<<"$packages"

if [ ${#missing[@]} -eq 0 ]; then
  echo "Debian packages for '$purpose': all installed"
  exit 0
fi
echo "Debian packages missing for '$purpose':"
printf '%s\n' "${why[@]}"
[ -n "$dry_run" ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "There is no apt-get here. Install the equivalents of these packages, then run the cmake commands of the Makefile." >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Installing needs root and there is no sudo. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
echo "Installing them with apt-get${as_root:+, through sudo} ..."
apt update -qq || echo "apt-get update failed; trying with the package lists that are here" >&2
apt install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "Installed ${#missing[@]} packages"

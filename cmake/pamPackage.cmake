# The Debian package, by CPack: what `cmake --install` installs, under /usr, for every architecture.
# cpack --config build/<preset>/CPackConfig.cmake -B <folder> writes it from any configured build; nothing is compiled.
set(CPACK_GENERATOR DEB)
# Debian's libpam-dev is another PAM (Pluggable Authentication Modules), so the package has a longer name.
set(CPACK_PACKAGE_NAME libpam-attention-dev)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "The authors of pam <pam@pam.invalid>" CACHE STRING "Maintainer in the package: Name <mail>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "attention U-Nets on LibTorch, header-only C++17 library")
set(CPACK_PACKAGE_DESCRIPTION
"pam (Paying Attention to Mistakes): the attention blocks of Learning To Pay
Attention To Mistakes (BMVC 2020), the baselines of that paper, U-Nets over any
block, losses, metrics and a trainer. Headers, a CMake package, and the same
networks for Python (pip install /usr/share/pam/python).")
set(CPACK_PACKAGE_FILE_NAME "${CPACK_PACKAGE_NAME}_${PROJECT_VERSION}_all")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libtorch-dev (>= 1.13), libfmt-dev, nlohmann-json3-dev (>= 3.9)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS
  "libopenblas0-openmp, libopencv-imgcodecs-dev, libopencv-imgproc-dev, libniftiio-dev, libnifti2-dev, libznz-dev, zlib1g-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libgloo-dev, libomp-dev, python3-torch")
include(CPack)

# Finds niftiio (NIfTI-1 files, with znz for .nii.gz): niftiio_FOUND and the target niftiio::niftiio.
# Written because Debian's config (NIFTI, in libnifti2-dev) fails unless every NIfTI library is installed.
find_path(niftiio_INCLUDE_DIR nifti1_io.h PATH_SUFFIXES nifti)
find_path(niftiio_znz_INCLUDE_DIR znzlib.h PATH_SUFFIXES nifti)
find_path(niftiio_nifti1_INCLUDE_DIR nifti1.h PATH_SUFFIXES nifti)
find_library(niftiio_LIBRARY niftiio)
find_library(niftiio_znz_LIBRARY znz)
find_package(ZLIB QUIET)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(niftiio DEFAULT_MSG niftiio_LIBRARY niftiio_znz_LIBRARY niftiio_INCLUDE_DIR
                                  niftiio_znz_INCLUDE_DIR niftiio_nifti1_INCLUDE_DIR ZLIB_FOUND)
if(niftiio_FOUND AND NOT TARGET niftiio::niftiio)
  add_library(niftiio::niftiio UNKNOWN IMPORTED)
  set_target_properties(niftiio::niftiio PROPERTIES
    IMPORTED_LOCATION "${niftiio_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${niftiio_INCLUDE_DIR};${niftiio_znz_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${niftiio_znz_LIBRARY};ZLIB::ZLIB")
endif()
mark_as_advanced(niftiio_INCLUDE_DIR niftiio_znz_INCLUDE_DIR niftiio_nifti1_INCLUDE_DIR niftiio_LIBRARY niftiio_znz_LIBRARY)

// SPDX-License-Identifier: MIT
/// Internals of images/nifti.hpp: a NIfTI-1 header is checked here, field by field, before anything is allocated for
/// it. (niftiio trusts the header: it allocates what the header asks for, and prints to stderr instead of saying why.)
#pragma once

#include <pam/core/config.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <nifti1_io.h>

#include <array>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>

namespace pam::detail {

using NiftiHandle = std::unique_ptr<nifti_image, decltype(&nifti_image_free)>;

/// Silences niftiio, which prints to stderr by default; what it would print is thrown as an `Error` here.
void silence_niftiio();

/// What a checked header says about the voxels.
struct NiftiLayout {
  nifti_1_header header{};             ///< in this machine's byte order, lengths in mm
  bool swapped = false;                ///< the file is of the other byte order
  std::array<std::int64_t, 4> size{};  ///< x, y, z, t (1 where the file has fewer axes)
  std::int64_t bytes_per_voxel = 0;
  std::int64_t swap_size = 0;  ///< bytes of one number; 0 or 1 = nothing to swap
  std::int64_t offset = 0;     ///< of the first voxel in the (decompressed) file
  [[nodiscard]] std::int64_t voxels() const { return size[0] * size[1] * size[2] * size[3]; }
  [[nodiscard]] std::int64_t bytes() const { return voxels() * bytes_per_voxel; }
};

/// The data types that pam reads: every integer and float type of NIfTI-1.
bool is_scalar_type(int datatype);

/// Sizes (x, y, z, t): axes of length 1 beyond the third are dropped, so one longer axis beyond it is t.
std::array<std::int64_t, 4> checked_sizes(const std::string& file, const nifti_1_header& header);

/// The millimetres of NIFTI_UNITS_METER or NIFTI_UNITS_MICRON; 1 for all others.
double mm_of_unit(int space_units);

/// Multiplies every length of the header (pixdim, sform, qoffset) by `factor`: a header that was read holds
/// millimetres, so that the rest of pam knows one unit, and its xyzt_units say what the file held.
void scale_lengths(nifti_1_header& header, double factor);

/// Checks the 348 bytes at the start of `file`; throws `Error` naming the file and the field.
NiftiLayout checked_layout(const std::string& file, const nifti_1_header& raw);

/// The geometry of a checked header; niftiio turns the quaternion into a matrix. Throws where the affine is degenerate.
NiftiGeometry geometry_of(const std::string& file, const nifti_1_header& header);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/images/detail/nifti_header-inl.hpp>
#endif

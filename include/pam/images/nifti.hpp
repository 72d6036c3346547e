// SPDX-License-Identifier: MIT
/// Reads and writes NIfTI-1 volumes (.nii, .nii.gz), through niftiio (Debian: libniftiio-dev).
/// Format: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
/// niftiio decodes the header, the byte order and the transforms. pam checks the header before it allocates memory, and
/// afterwards that every voxel was read (niftiio does neither).
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/images/detail/nifti_header.hpp>
#include <pam/images/detail/nifti_stream.hpp>
#include <pam/images/detail/nifti_voxels.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>

namespace pam {

/// A volume and the grid it lies on.
struct NiftiImage : NiftiGeometry {
  torch::Tensor voxels;  ///< (Z, Y, X), or (T, Z, Y, X) where the fourth axis is longer than 1
  /// Between neighbouring values of integers that the header scales (|scl_slope|); 0 where they are not scaled.
  double slope = 0;
};

/// How `write_nifti` writes.
struct NiftiWriteOptions {
  int compression = 6;  ///< of .nii.gz: 1 (fast) … 9 (small)
};

/// True for names that end in .nii or .nii.gz (capitals too).
bool is_nifti_name(const std::filesystem::path& path);

namespace detail {

struct OpenNifti {
  NiftiInput input;
  NiftiLayout layout;
};

OpenNifti open_nifti(const std::filesystem::path& path);

}  // namespace detail

/// The geometry of a file, without its voxels; `size` (optional) gets (Z, Y, X). Throws as `read_nifti` does.
NiftiGeometry read_nifti_geometry(const std::filesystem::path& path, std::array<std::int64_t, 3>* size = nullptr);

/// Reads a volume. The tensor has the file's type (uint16 → int32, uint32 and uint64 → int64, float128 → float64);
/// where the header scales the voxels (scl_slope), it is float32, or float64 for types of more than 24 bits.
/// Either byte order; axes of length 1 beyond the third are dropped; NaN and infinities are kept.
/// The affine is the sform (unless that is all zeros and there is a qform), else the qform, else the spacing alone;
/// lengths are in mm whatever the file's unit, which `NiftiGeometry::space_units` keeps. Throws `Error` naming the
/// file: not NIfTI-1, a damaged header, voxels missing, a gzip stream cut short or damaged.
NiftiImage read_nifti(const std::filesystem::path& path);

namespace detail {

/// The header of a new file for `voxels` on this geometry.
nifti_1_header header_for(const std::string& file, const torch::Tensor& voxels, const NiftiGeometry& geometry,
                          int datatype);

}  // namespace detail

/// Writes `voxels`, (Z, Y, X) or (T, Z, Y, X), with the geometry of the volume they belong to (sform, qform and their
/// codes as they were read). The stored type is the tensor's: bool → uint8, half types → float32; a name that ends
/// in .nii.gz is compressed. Reading it back gives the same voxels and geometry, bit for bit. Atomic.
/// Throws `Error` naming the file: another extension, a shape or type that NIfTI-1 cannot hold, a failed write.
inline void write_nifti(const std::filesystem::path& path, const torch::Tensor& voxels,
                        const NiftiGeometry& geometry = {}, const NiftiWriteOptions& options = {}) {
  const auto file = path.string();
  check(is_nifti_name(path), "{}: a NIfTI file is named .nii or .nii.gz", file);
  check(voxels.defined() && (voxels.dim() == 3 || voxels.dim() == 4),
        "{}: a NIfTI volume is written from (Z, Y, X) or (T, Z, Y, X), got {}", file, shape_string(voxels));
  const auto datatype = detail::nifti_type_of(voxels.scalar_type());
  check(datatype.has_value(), "{}: NIfTI has no type for {} voxels; convert them to an integer or float type", file,
        c10::toString(voxels.scalar_type()));
  check(options.compression >= 1 && options.compression <= 9, "{}: compression must be 1 to 9, got {}", file,
        options.compression);
  auto stored = voxels.detach().to(torch::kCPU);
  if (*datatype == NIFTI_TYPE_FLOAT32) stored = stored.to(torch::kFloat);
  stored = stored.contiguous();
  const auto header = detail::header_for(file, stored, geometry, *datatype);
  const bool compress = std::tolower(static_cast<unsigned char>(path.extension().string().back())) == 'z';
  write_atomically(path, [&](std::ostream& stream) {
    detail::NiftiOutput output(stream, compress ? options.compression : 0);
    output.write(&header, sizeof(header));
    output.write("\0\0\0", 4);  // no header extensions
    output.write(stored.data_ptr(), static_cast<std::int64_t>(stored.nbytes()));
    output.finish();
  });
}

/// Writes an image as it was read.
inline void write_nifti(const std::filesystem::path& path, const NiftiImage& image,
                        const NiftiWriteOptions& options = {}) {
  write_nifti(path, image.voxels, image, options);
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/nifti-inl.hpp>
#endif

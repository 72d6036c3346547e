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

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

namespace pam {

/// A volume and the grid it lies on.
struct NiftiImage : NiftiGeometry {
  torch::Tensor voxels;  ///< (Z, Y, X), or (T, Z, Y, X) where the fourth axis is longer than 1
};

/// How `write_nifti` writes.
struct NiftiWriteOptions {
  int compression = 6;  ///< of .nii.gz: 1 (fast) … 9 (small)
};

/// True for names that end in .nii or .nii.gz (capitals too).
inline bool is_nifti_name(const std::filesystem::path& path) {
  auto name = path.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto ends_in = [&name](const std::string& end) {
    return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  return ends_in(".nii") || ends_in(".nii.gz");
}

namespace detail {

struct OpenNifti {
  NiftiInput input;
  NiftiLayout layout;
};

inline OpenNifti open_nifti(const std::filesystem::path& path) {
  OpenNifti opened{NiftiInput(path), {}};
  nifti_1_header header{};
  static_assert(sizeof(header) == 348, "NIfTI-1 headers have 348 bytes");
  opened.input.read(&header, sizeof(header), "header");
  opened.layout = checked_layout(path.string(), header);
  return opened;
}

}  // namespace detail

/// The geometry of a file, without its voxels; `size` (optional) gets (Z, Y, X). Throws as `read_nifti` does.
inline NiftiGeometry read_nifti_geometry(const std::filesystem::path& path,
                                         std::array<std::int64_t, 3>* size = nullptr) {
  const auto opened = detail::open_nifti(path);
  const auto& lengths = opened.layout.size;
  if (size != nullptr) *size = {lengths[2], lengths[1], lengths[0]};
  return detail::geometry_of(path.string(), opened.layout.header);
}

/// Reads a volume. The tensor has the file's type (uint16 → int32, uint32 and uint64 → int64, float128 → float64);
/// where the header scales the voxels (scl_slope), it is float32, or float64 for types of more than 24 bits.
/// Either byte order; axes of length 1 beyond the third are dropped; NaN and infinities are kept.
/// The affine is the sform, else the qform, else the spacing alone; lengths are in mm whatever the file's unit.
/// Throws `Error` naming the file: not NIfTI-1, a damaged header, voxels missing, a gzip stream cut short or damaged.
inline NiftiImage read_nifti(const std::filesystem::path& path) {
  auto [input, layout] = detail::open_nifti(path);
  const auto& header = layout.header;
  NiftiImage image;
  static_cast<NiftiGeometry&>(image) = detail::geometry_of(path.string(), header);
  input.skip(layout.offset - 348, "header extensions");
  auto block = input.voxels(layout.bytes(), layout.offset);
  input.check_end();
  if (layout.swap_size > 1) {
    nifti_swap_Nbytes(static_cast<std::size_t>(layout.bytes() / layout.swap_size), static_cast<int>(layout.swap_size),
                      block.bytes());
  }
  const auto flat = detail::scaled(detail::to_tensor(std::move(block), layout.voxels(), header.datatype),
                                   header.scl_slope, header.scl_inter);
  const auto& n = layout.size;
  image.voxels = n[3] > 1 ? flat.view({n[3], n[2], n[1], n[0]}) : flat.view({n[2], n[1], n[0]});
  return image;
}

namespace detail {

/// The header of a new file for `voxels` on this geometry.
inline nifti_1_header header_for(const std::string& file, const torch::Tensor& voxels, const NiftiGeometry& geometry,
                                 int datatype) {
  silence_niftiio();
  const auto axes = voxels.dim();
  int dims[8] = {static_cast<int>(axes), 1, 1, 1, 1, 1, 1, 1};
  for (std::int64_t axis = 0; axis < axes; ++axis) {
    const auto length = voxels.size(axes - 1 - axis);
    check(length >= 1 && length <= 32767, "{}: NIfTI-1 holds 1 to 32767 voxels an axis, got shape {}", file,
          shape_string(voxels));
    dims[axis + 1] = static_cast<int>(length);
  }
  const NiftiHandle image(nifti_make_new_nim(dims, datatype, 0), nifti_image_free);
  check(image != nullptr, "{}: niftiio cannot make a header for shape {}", file, shape_string(voxels));
  auto header = nifti_convert_nim2nhdr(image.get());
  std::memcpy(header.magic, "n+1", 4);
  for (auto axis = axes + 1; axis < 8; ++axis) header.dim[axis] = 1;  // niftiio leaves 0, which some readers refuse
  header.vox_offset = 352;
  header.scl_slope = 1;
  header.scl_inter = 0;
  header.pixdim[0] = geometry.qfac;
  for (std::size_t axis = 0; axis < 3; ++axis) header.pixdim[axis + 1] = static_cast<float>(geometry.spacing[2 - axis]);
  header.pixdim[4] = geometry.time_step;
  header.xyzt_units = static_cast<char>(SPACE_TIME_TO_XYZT(NIFTI_UNITS_MM, geometry.time_units));
  header.sform_code = static_cast<short>(geometry.sform_code);
  header.qform_code = static_cast<short>(geometry.qform_code);
  for (std::size_t column = 0; column < 4; ++column) {
    header.srow_x[column] = geometry.sform[column];
    header.srow_y[column] = geometry.sform[4 + column];
    header.srow_z[column] = geometry.sform[8 + column];
  }
  const auto& q = geometry.qform;
  header.quatern_b = q[0], header.quatern_c = q[1], header.quatern_d = q[2];
  header.qoffset_x = q[3], header.qoffset_y = q[4], header.qoffset_z = q[5];
  return header;
}

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

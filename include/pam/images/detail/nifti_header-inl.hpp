// SPDX-License-Identifier: MIT
/// The definitions of nifti_header.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/nifti_header.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <nifti1_io.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <string>
#include <tuple>

namespace pam::detail {

PAM_FUNC void silence_niftiio() {
  static std::once_flag once;
  std::call_once(once, [] { nifti_set_debug_level(0); });
}

PAM_FUNC bool is_scalar_type(int datatype) {
  switch (datatype) {
    case NIFTI_TYPE_UINT8:
    case NIFTI_TYPE_INT8:
    case NIFTI_TYPE_UINT16:
    case NIFTI_TYPE_INT16:
    case NIFTI_TYPE_UINT32:
    case NIFTI_TYPE_INT32:
    case NIFTI_TYPE_UINT64:
    case NIFTI_TYPE_INT64:
    case NIFTI_TYPE_FLOAT32:
    case NIFTI_TYPE_FLOAT64:
    case NIFTI_TYPE_FLOAT128:
      return true;
    default:
      return false;
  }
}

PAM_FUNC std::array<std::int64_t, 4> checked_sizes(const std::string& file, const nifti_1_header& header) {
  const int axes = header.dim[0];
  check(
      axes >= 1 && axes <= 7,
      "{}: field dim[0] is {}, but a NIfTI file has 1 to 7 axes; the header is damaged: fetch or write the file again",
      file, axes);
  std::array<std::int64_t, 4> size{1, 1, 1, 1};
  for (int axis = 1; axis <= axes; ++axis) {
    const std::int64_t length = header.dim[axis];
    check(length >= 1,
          "{}: field dim[{}] is {}, but every axis has at least 1 voxel; the header is damaged: fetch or write the "
          "file again",
          file, axis, length);
    if (axis <= 3) {
      size[static_cast<std::size_t>(axis - 1)] = length;
    } else if (length > 1) {
      check(size[3] == 1, "{}: more than four axes are longer than 1 (dim[{}] = {}); pam reads 3-D and 4-D volumes",
            file, axis, length);
      size[3] = length;
    }
  }
  return size;
}

PAM_FUNC double mm_of_unit(int space_units) {
  return space_units == NIFTI_UNITS_METER ? 1000 : space_units == NIFTI_UNITS_MICRON ? 0.001 : 1;
}

PAM_FUNC void scale_lengths(nifti_1_header& header, double factor) {
  if (factor == 1) return;
  const auto scale = [factor](float& value) { value = static_cast<float>(static_cast<double>(value) * factor); };
  for (int axis = 1; axis <= 3; ++axis) scale(header.pixdim[axis]);
  for (float* value : {&header.qoffset_x, &header.qoffset_y, &header.qoffset_z}) scale(*value);
  for (float* row : {header.srow_x, header.srow_y, header.srow_z}) {
    for (int column = 0; column < 4; ++column) scale(row[column]);
  }
}

PAM_FUNC NiftiLayout checked_layout(const std::string& file, const nifti_1_header& raw) {
  NiftiLayout layout;
  layout.header = raw;
  auto& header = layout.header;
  if (header.sizeof_hdr != 348) {
    silence_niftiio();
    swap_nifti_header(&header, 1);
    layout.swapped = true;
  }
  check(raw.sizeof_hdr != 540 && header.sizeof_hdr != 540,
        "{}: is a NIfTI-2 file; pam reads NIfTI-1 (convert it, for example with nifti_tool or nibabel)", file);
  check(header.sizeof_hdr == 348, "{}: is not a NIfTI file (its first number is {}, not 348)", file, raw.sizeof_hdr);
  check(std::memcmp(header.magic, "ni1", 4) != 0,
        "{}: is one half of a .hdr/.img pair; pam reads single files: convert it to .nii or .nii.gz", file);
  check(std::memcmp(header.magic, "n+1", 4) == 0,
        "{}: is not a NIfTI-1 file: field magic is not \"n+1\" (an Analyze 7.5 file?); convert it to .nii or .nii.gz",
        file);
  layout.size = checked_sizes(file, header);
  check(is_scalar_type(header.datatype),
        "{}: field datatype is {} ({}); pam reads integers and floats, not complex, RGB or 1-bit voxels", file,
        header.datatype, nifti_datatype_string(header.datatype));
  int bytes = 0, swap = 0;
  nifti_datatype_sizes(header.datatype, &bytes, &swap);
  layout.bytes_per_voxel = bytes;
  layout.swap_size = layout.swapped ? swap : 0;
  // 32767^4 voxels of 16 bytes are 2^64: too many for the product below.
  const double total = static_cast<double>(bytes) * static_cast<double>(layout.size[0]) *
                       static_cast<double>(layout.size[1]) * static_cast<double>(layout.size[2]) *
                       static_cast<double>(layout.size[3]);
  check(total < 1e15,
        "{}: the header promises {} x {} x {} x {} voxels of {} bytes, {:.0f} bytes in all; it is damaged: fetch or "
        "write the file again",
        file, layout.size[0], layout.size[1], layout.size[2], layout.size[3], bytes, total);
  const float offset = header.vox_offset;
  check(std::isfinite(offset) && (offset == 0 || offset >= 348) && offset < 2e9F && offset == std::floor(offset),
        "{}: field vox_offset is {}, but voxels start at byte 352 or later; the header is damaged: fetch or write the "
        "file again",
        file, offset);
  layout.offset = offset == 0 ? 352 : static_cast<std::int64_t>(offset);
  check(!std::isfinite(header.scl_slope) || header.scl_slope == 0 || std::isfinite(header.scl_inter),
        "{}: field scl_inter is {} while scl_slope is {}; the voxels cannot be scaled", file, header.scl_inter,
        header.scl_slope);
  scale_lengths(header, mm_of_unit(XYZT_TO_SPACE(header.xyzt_units)));
  return layout;
}

PAM_FUNC NiftiGeometry geometry_of(const std::string& file, const nifti_1_header& header) {
  silence_niftiio();
  nifti_1_header usable = header;
  std::array<bool, 3> has_spacing{};
  for (int axis = 1; axis <= 3; ++axis) {
    float& length = usable.pixdim[axis];
    has_spacing[static_cast<std::size_t>(axis - 1)] = std::isfinite(length) && length != 0;
    length = has_spacing[static_cast<std::size_t>(axis - 1)] ? std::abs(length) : 1.0F;
  }
  const NiftiHandle handle(nifti_convert_nhdr2nim(usable, nullptr), nifti_image_free);
  check(handle != nullptr, "{}: niftiio cannot read this header; it is damaged: fetch or write the file again", file);

  const auto all_finite = [](std::initializer_list<float> values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  };
  const auto& [x, y, z] = std::tie(header.srow_x, header.srow_y, header.srow_z);
  check(header.sform_code <= 0 || all_finite({x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3], z[0], z[1], z[2], z[3]}),
        "{}: the sform (srow_x, srow_y, srow_z) holds numbers that are not finite; the header is damaged: fetch or "
        "write the file again",
        file);
  check(header.qform_code <= 0 || all_finite({header.quatern_b, header.quatern_c, header.quatern_d, header.qoffset_x,
                                              header.qoffset_y, header.qoffset_z}),
        "{}: the qform (quatern_*, qoffset_*) holds numbers that are not finite; the header is damaged: fetch or write "
        "the file again",
        file);
  const auto is_zero = [](float value) { return value == 0; };
  NiftiGeometry geometry;
  // Some tools leave an sform of zeros beside a good qform; ITK reads such a file by the qform, and so does pam.
  const bool is_empty =
      std::all_of(&x[0], &x[3], is_zero) && std::all_of(&y[0], &y[3], is_zero) && std::all_of(&z[0], &z[3], is_zero);
  const int sform_code = is_empty && header.qform_code > 0 ? 0 : handle->sform_code;
  const auto& chosen = sform_code > 0 ? handle->sto_xyz : handle->qto_xyz;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) geometry.affine[row][column] = chosen.m[row][column];
  }
  geometry.spacing = affine_spacing(geometry.affine);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (has_spacing[axis]) geometry.spacing[2 - axis] = static_cast<double>(usable.pixdim[axis + 1]);
  }
  try {
    static_cast<void>(inverse_affine(geometry.affine));
  } catch (const Error&) {
    fail("{}: the {} is degenerate (its axes span no volume); correct it, or set its code to 0", file,
         sform_code > 0 ? "sform (srow_x, srow_y, srow_z)" : "qform");
  }
  geometry.sform_code = sform_code;
  geometry.qform_code = handle->qform_code;
  for (std::size_t column = 0; column < 4; ++column) {
    geometry.sform[column] = header.srow_x[column];
    geometry.sform[4 + column] = header.srow_y[column];
    geometry.sform[8 + column] = header.srow_z[column];
  }
  geometry.qform = {header.quatern_b, header.quatern_c, header.quatern_d,
                    header.qoffset_x, header.qoffset_y, header.qoffset_z};
  geometry.qfac = header.pixdim[0] < 0 ? -1.0F : 1.0F;
  geometry.time_step = std::isfinite(header.pixdim[4]) ? header.pixdim[4] : 0.0F;
  geometry.time_units = XYZT_TO_TIME(header.xyzt_units);
  const int unit = XYZT_TO_SPACE(header.xyzt_units);
  geometry.space_units = mm_of_unit(unit) == 1 ? NIFTI_UNITS_MM : unit;
  return geometry;
}

}  // namespace pam::detail

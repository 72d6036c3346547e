// SPDX-License-Identifier: MIT
/// The definitions of nifti.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/images/detail/nifti_header.hpp>
#include <pam/images/detail/nifti_stream.hpp>
#include <pam/images/detail/nifti_voxels.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

namespace pam {

PAM_FUNC bool is_nifti_name(const std::filesystem::path& path) {
  auto name = path.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto ends_in = [&name](const std::string& end) {
    return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  return ends_in(".nii") || ends_in(".nii.gz");
}

namespace detail {

PAM_FUNC OpenNifti open_nifti(const std::filesystem::path& path) {
  OpenNifti opened{NiftiInput(path), {}};
  nifti_1_header header{};
  static_assert(sizeof(header) == 348, "NIfTI-1 headers have 348 bytes");
  opened.input.read(&header, sizeof(header), "header");
  opened.layout = checked_layout(path.string(), header);
  return opened;
}

}  // namespace detail
PAM_FUNC NiftiGeometry read_nifti_geometry(const std::filesystem::path& path, std::array<std::int64_t, 3>* size) {
  const auto opened = detail::open_nifti(path);
  const auto& lengths = opened.layout.size;
  if (size != nullptr) *size = {lengths[2], lengths[1], lengths[0]};
  return detail::geometry_of(path.string(), opened.layout.header);
}

PAM_FUNC NiftiImage read_nifti(const std::filesystem::path& path) {
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
  const auto stored = detail::to_tensor(std::move(block), layout.voxels(), header.datatype);
  const auto flat = detail::scaled(stored, header.scl_slope, header.scl_inter);
  if (!stored.is_floating_point() && flat.is_floating_point()) {
    image.slope = std::abs(static_cast<double>(header.scl_slope));
  }
  const auto& n = layout.size;
  image.voxels = n[3] > 1 ? flat.view({n[3], n[2], n[1], n[0]}) : flat.view({n[2], n[1], n[0]});
  return image;
}

namespace detail {

PAM_FUNC nifti_1_header header_for(const std::string& file, const torch::Tensor& voxels, const NiftiGeometry& geometry,
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
  header.xyzt_units = static_cast<char>(SPACE_TIME_TO_XYZT(geometry.space_units, geometry.time_units));
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
  scale_lengths(header, 1 / mm_of_unit(geometry.space_units));
  return header;
}

}  // namespace detail
}  // namespace pam

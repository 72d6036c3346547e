// SPDX-License-Identifier: MIT
/// `read_label_volume`: a NIfTI file whose numbers are labels.
#pragma once

#include <pam/core/config.hpp>
#include <pam/images/nifti.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam {

/// `read_nifti` for labels. Where the header scales integers (scl_slope), as tools do that save integers from floating
/// point, a voxel such as 70.9996 is rounded to 71 if it is closer to it than half a slope and than 0.5; `notices`
/// gets a warning that says so. With `zero_non_finite`, NaN and infinity become 0, the background, with a warning.
/// Throws `Error` naming the file: NaN or infinity without `zero_non_finite`, and whatever `read_nifti` refuses. Other
/// fractions stay; `LabelMap::apply` refuses them.
[[nodiscard]] NiftiImage read_label_volume(const std::filesystem::path& path, bool zero_non_finite,
                                           std::vector<std::string>& notices);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/label_volume-inl.hpp>
#endif

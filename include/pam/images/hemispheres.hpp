// SPDX-License-Identifier: MIT
/// One brain as two cases: the left hemisphere ("NAME_left") and the right one ("NAME_right"), cut where world x = 0.
#pragma once

#include <pam/core/config.hpp>
#include <pam/data/case_files.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <cstdint>
#include <vector>

namespace pam {

/// The cases `NAME_left` and `NAME_right` of a volume. Each is loaded as its half alone, so that nothing of one half
/// (not even its mean intensity) influences the other.
std::vector<CaseFiles> hemisphere_cases(const CaseFiles& whole);

/// A range of indices along one axis of (Z, Y, X).
struct HemisphereRange {
  std::int64_t dimension = 2, start = 0, length = 0;
};

/// The indices of the left or right half of a volume of `size` (Z, Y, X): voxels whose centre has world x < 0 are left,
/// the others (the midline too) right. In oblique volumes the cut goes through the plane's centre, along the grid.
/// Throws if less than a tenth of the planes lies on one side (BRATS puts x = 0 at the volume's edge, not between the
/// hemispheres), or if the header gives no orientation.
HemisphereRange hemisphere_range(const NiftiGeometry& geometry, const std::array<std::int64_t, 3>& size, CasePart part,
                                 const std::string& file);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/hemispheres-inl.hpp>
#endif

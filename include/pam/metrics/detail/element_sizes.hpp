// SPDX-License-Identifier: MIT
/// The areas of marching cubes' pieces of a surface, and the lengths of its lines in 2-D; metrics/surface_elements.hpp
/// says which choices they follow from.
#pragma once

#include <pam/core/config.hpp>

#include <vector>

namespace pam::detail {

/// The size of the surface's piece in a cell of `steps`, by the set of its corners inside: 256 areas for three steps,
/// 16 lengths for two. Corner c of a cell lies at (c >> 2 & 1, c >> 1 & 1, c & 1) in (z, y, x); a cell of pixels has
/// the first four. A set of corners is a number with bit c set for corner c.
std::vector<double> element_sizes(const std::vector<double>& steps);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/metrics/detail/element_sizes-inl.hpp>
#endif

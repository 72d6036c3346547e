// SPDX-License-Identifier: MIT
/// The flags for the preparation of images.
#pragma once

#include <pam/data/normalise.hpp>
#include <pam/data/plane_size.hpp>

#include <string>

namespace pam::apps {

/// "auto", "zscore", "unit" or "none"; throws `Error` naming the flag for anything else.
Normalise parse_normalise(const std::string& name);

/// "160x160" as height and width; empty: not given. Throws `Error` naming the flag.
PlaneSize parse_plane(const std::string& flag, const std::string& text);

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
/// The flags for the preparation of images.
#pragma once

#include <pam/data/normalise.hpp>
#include <pam/data/plane_size.hpp>
#include <pam/images/case_options.hpp>

#include <string>

namespace pam::apps {

constexpr const char* kNormaliseNames = "auto, zscore, zscore-nonzero, window:LOW:HIGH, minmax, unit or none";

/// Sets `CaseOptions::normalise`, and the window: "zscore" is over all voxels, "zscore-nonzero" over those that are not
/// 0. Throws `Error` naming the flag for anything but `kNormaliseNames`.
void parse_normalise(const std::string& name, CaseOptions& options);

/// What is done with the intensities, for the log.
std::string normalise_sentence(const CaseOptions& options, bool volumes);

/// "160x160" as height and width; empty: not given. Throws `Error` naming the flag.
PlaneSize parse_plane(const std::string& flag, const std::string& text);

}  // namespace pam::apps

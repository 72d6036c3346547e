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

constexpr const char* kOrientHelp = "bring all volumes to this orientation, such as RAS; results have the input's";

/// "RAS" for `CaseOptions::orient`; empty: not given. Throws `Error` naming the flag.
std::string parse_orient(const std::string& code);

constexpr const char* kLabelThresholdHelp =
    "values from this on are foreground, such as 128: for blurred or compressed masks, instead of --label-values";
constexpr const char* kMaskChannelHelp = "of mask pictures: grey (default), red, green, blue or alpha holds the labels";

/// `CaseOptions::mask_channel` by its name. Throws `Error` naming the flag.
MaskChannel parse_mask_channel(const std::string& name);

/// "160x160" as height and width; empty: not given. Throws `Error` naming the flag.
PlaneSize parse_plane(const std::string& flag, const std::string& text);

}  // namespace pam::apps

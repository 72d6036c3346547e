// SPDX-License-Identifier: MIT
/// `load_labels`: the truth of a case on its own grid, for scores.
#pragma once

#include <pam/core/config.hpp>
#include <pam/data/case_files.hpp>
#include <pam/images/labels.hpp>
#include <pam/images/mask_channel.hpp>

namespace pam {

/// The label file of `files` with its values mapped by `map`, on the file's own grid, whatever crop or size a net sees:
/// (D, H, W) int64 on the CPU, values as in `Sample::labels`; a picture has D = 1. Throws `Error`, naming the file:
/// no label file, one that cannot be read or lacks `channel`, values that `map` refuses,
/// NaN and infinity unless `zero_non_finite` makes them background.
[[nodiscard]] torch::Tensor load_labels(const CaseFiles& files, const LabelMap& map, bool zero_non_finite = false,
                                        MaskChannel channel = MaskChannel::Grey);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/load_labels-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
#pragma once

#include <pam/images/load_case.hpp>
#include <pam/images/load_labels.hpp>

#include <string>
#include <vector>

namespace pam {

PAM_FUNC torch::Tensor load_labels(const CaseFiles& files, const LabelMap& map, bool zero_non_finite,
                                   MaskChannel channel) {
  check(!files.labels.empty(), "case {}: has no label file", files.name);
  try {
    std::vector<std::string> notices;  // of rounding and of zeros: `load_case` passes them on
    CaseOptions options;
    options.labels = map;
    options.mask_channel = channel;
    options.zero_non_finite = zero_non_finite;
    const auto file = detail::load_label_file(files.labels, options, notices);
    return map.apply(file.values[0], files.labels.string(), torch::kShort).to(torch::kLong);
  } catch (const Error& error) {
    fail("case {}: {}", files.name, error.what());
  }
}

}  // namespace pam

// SPDX-License-Identifier: MIT
#pragma once

#include <pam/images/load_case.hpp>
#include <pam/images/load_labels.hpp>

namespace pam {

PAM_FUNC torch::Tensor load_labels(const CaseFiles& files, const LabelMap& map) {
  check(!files.labels.empty(), "case {}: has no label file", files.name);
  try {
    const auto file = detail::load_label_file(files.labels);
    return map.apply(file.values[0], files.labels.string(), torch::kShort).to(torch::kLong);
  } catch (const Error& error) {
    fail("case {}: {}", files.name, error.what());
  }
}

}  // namespace pam

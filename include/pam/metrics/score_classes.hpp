// SPDX-License-Identifier: MIT
/// `score_classes`: the scores of each foreground class of one case.
#pragma once

#include <pam/metrics/case_scores.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam {

/// `score_case` for each of the classes 1 … `classes` - 1, one against all others: element c - 1 is class c. `classes`
/// counts the background (as channels of logits do) and is at least 2; the class_index and classes of `options` are
/// ignored. Throws as `score_case` does.
[[nodiscard]] inline std::vector<CaseScores> score_classes(const torch::Tensor& prediction, const torch::Tensor& truth,
                                                           std::int64_t classes, torch::ArrayRef<double> spacing,
                                                           const std::string& name, ScoreOptions options = {}) {
  check(classes >= 2, "score_classes: classes counts the background and must be at least 2, got {}", classes);
  options.classes = classes;
  std::vector<CaseScores> scores;
  for (options.class_index = 1; options.class_index < classes; ++options.class_index) {
    scores.push_back(score_case(prediction, truth, spacing, name, options));
  }
  return scores;
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Labels for nets that train on the background (RFNA): 1 - label. A prediction is then p < 0.5.
#pragma once

#include <pam/core/error.hpp>

namespace pam {

/// `labels` (any shape, integer) with 0 and 1 swapped and `ignore` kept. Throws `Error` for any other value: with more
/// than one class "the reverse" has no meaning.
inline torch::Tensor reversed_labels(const torch::Tensor& labels, std::int64_t ignore = -1) {
  if (labels.numel() == 0) return labels.clone();
  const auto ignored = labels == ignore;
  const auto wrong = ((labels != 0) & (labels != 1) & ignored.logical_not()).any().item<bool>();
  check(!wrong,
        "reversed labels: labels must be 0, 1 or {} (ignored), got values from {} to {}; reversed training is binary, "
        "so map the classes to 0 and 1 or switch `reversed` off",
        ignore, labels.min().item<std::int64_t>(), labels.max().item<std::int64_t>());
  return torch::where(ignored, labels, 1 - labels);
}

/// Throws `Error` unless `logits` has one channel, as reversed training needs.
inline void check_reversible(const torch::Tensor& logits) {
  check(logits.dim() >= 2 && logits.size(1) == 1,
        "reversed labels: the net must have one logit channel, got {} (logits {}); reversed training is binary: build "
        "the net with one class or switch `reversed` off",
        logits.dim() >= 2 ? logits.size(1) : 0, shape_string(logits));
}

}  // namespace pam

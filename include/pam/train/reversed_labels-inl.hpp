// SPDX-License-Identifier: MIT
/// The definitions of reversed_labels.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/train/reversed_labels.hpp>

namespace pam {

namespace detail {

PAM_FUNC void check_binary_labels(const torch::Tensor& labels, std::int64_t ignore) {
  const auto known = (labels == 0) | (labels == 1) | (labels == ignore);
  check(known.all().item<bool>(),
        "reversed labels: labels must be 0, 1 or {} (ignored), got values from {} to {}; reversed training is binary, "
        "so map the classes to 0 and 1 or switch `reversed` off",
        ignore, labels.min().item<std::int64_t>(), labels.max().item<std::int64_t>());
}

PAM_FUNC torch::Tensor swapped_labels(const torch::Tensor& labels, std::int64_t ignore) {
  return torch::where(labels == ignore, labels, 1 - labels);
}

}  // namespace detail

PAM_FUNC torch::Tensor reversed_labels(const torch::Tensor& labels, std::int64_t ignore) {
  if (labels.numel() == 0) return labels.clone();
  detail::check_binary_labels(labels, ignore);
  return detail::swapped_labels(labels, ignore);
}

PAM_FUNC void check_reversible(const torch::Tensor& logits) {
  check(logits.dim() >= 2 && logits.size(1) == 1,
        "reversed labels: the net must have one logit channel, got {} (logits {}); reversed training is binary: build "
        "the net with one class or switch `reversed` off",
        logits.dim() >= 2 ? logits.size(1) : 0, shape_string(logits));
}

}  // namespace pam

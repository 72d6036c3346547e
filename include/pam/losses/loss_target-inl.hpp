// SPDX-License-Identifier: MIT
#pragma once

#include <pam/losses/loss_target.hpp>

#include <algorithm>

namespace pam {

PAM_FUNC torch::Tensor LossTarget::pixels() const {
  const auto all = torch::full({}, static_cast<double>(target.numel() / target.size(1)), target.options());
  return ignored.defined() ? all - ignored.sum() : all;
}

PAM_FUNC torch::Tensor LossTarget::masked(const torch::Tensor& values) const {
  return ignored.defined() ? values.masked_fill(ignored, 0) : values;
}

namespace detail {

PAM_FUNC torch::Tensor widened(const torch::Tensor& logits) {
  return logits.scalar_type() == torch::kDouble ? logits : logits.to(torch::kFloat);
}

PAM_FUNC torch::Tensor reduced(const torch::Tensor& sums, const LossOptions& options) {
  return options.reduce_sums ? options.reduce_sums(sums) : sums;
}

PAM_FUNC torch::Tensor pixel_mean(const torch::Tensor& sum, const LossTarget& target, const LossOptions& options) {
  const auto sums = reduced(torch::stack({sum, target.pixels()}), options);
  return sums[0] / sums[1].clamp_min(1);
}

PAM_FUNC void check_label_range(const torch::Tensor& min_max_all, std::int64_t classes, const LossOptions& options,
                                const char* who) {
  const auto least = min_max_all[0].item<std::int64_t>(), most = min_max_all[1].item<std::int64_t>();
  check(least >= 0 && most < classes,
        "{}: labels must be 0 to {} or the ignore label {} for {}, got {}; map the label values first, or build the "
        "net with more classes",
        who, classes - 1, options.ignore_label,
        classes == 2 ? "binary logits (one channel) or two classes" : formatted("{} classes", classes),
        least < 0 ? least : most);
}

/// Whole-number labels (N, H, W): the mask of those that are not ignored, and 0/1 or one-hot targets.
PAM_FUNC LossTarget hard_target(const torch::Tensor& logits, const torch::Tensor& labels, torch::ScalarType type,
                                const LossOptions& options, const char* who) {
  const auto channels = logits.size(1);
  check(labels.dim() == 3 && labels.size(0) == logits.size(0) && labels.size(1) == logits.size(2) &&
            labels.size(2) == logits.size(3),
        "{}: whole-number labels must be (N, H, W) = [{}, {}, {}] for logits {}, got {}", who, logits.size(0),
        logits.size(2), logits.size(3), shape_string(logits), shape_string(labels));
  const auto wide = labels.to(torch::kLong).unsqueeze(1);
  LossTarget result;
  result.ignored = wide == options.ignore_label;
  const auto known = wide.masked_fill(result.ignored, 0);
  if (options.check_labels) {
    const auto seen = torch::stack({known.min(), known.max(), result.ignored.any().to(torch::kLong)}).cpu();
    check_label_range(seen, std::max<std::int64_t>(channels, 2), options, who);
    if (seen[2].item<std::int64_t>() == 0) result.ignored = torch::Tensor();
  }
  if (channels == 1) {
    result.target = (options.reversed ? 1 - known : known).to(type);
  } else {
    // An unchecked label may be out of range, where scatter_ throws and, on a GPU, ruins the process's CUDA context.
    const auto index = options.check_labels ? known : known.clamp(0, channels - 1);
    result.target = torch::zeros(logits.sizes(), logits.options().dtype(type)).scatter_(1, index, 1);
  }
  if (channels > 1 || options.reversed) result.target = result.masked(result.target);  // else `known` is 0 there
  return result;
}

/// Float labels of the logits' shape.
PAM_FUNC LossTarget soft_target(const torch::Tensor& logits, const torch::Tensor& labels, torch::ScalarType type,
                                const LossOptions& options, const char* who) {
  check(labels.sizes() == logits.sizes(),
        "{}: float labels must have the logits' shape {}, got {}; whole-number labels are (N, H, W)", who,
        shape_string(logits), shape_string(labels));
  if (options.check_labels) {
    // Written so that NaN fails too.
    check(labels.ge(0).logical_and(labels.le(1)).all().item<bool>(),
          "{}: float labels must lie in [0, 1]; to ignore pixels pass whole-number labels with {}", who,
          options.ignore_label);
  }
  return {(options.reversed ? 1 - labels : labels).to(type), torch::Tensor()};
}

}  // namespace detail

PAM_FUNC LossTarget make_target(const torch::Tensor& logits, const torch::Tensor& labels, const LossOptions& options,
                                const char* who) {
  check(logits.defined() && logits.dim() == 4 && logits.numel() > 0 && logits.is_floating_point(),
        "{}: logits must be a floating tensor (N, C, H, W) with at least one entry, got {}", who, shape_string(logits));
  check(labels.defined() && labels.device() == logits.device(),
        "{}: labels must be on the logits' device {}, got {}; move them with .to(device)", who, logits.device().str(),
        labels.defined() ? labels.device().str() : "an undefined tensor");
  check(!options.reversed || logits.size(1) == 1,
        "{}: reversed labels are defined for binary nets (one logit channel), got {} channels; train without reversed "
        "labels or with one class",
        who, logits.size(1));
  const auto type = logits.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
  torch::NoGradGuard no_grad;
  return labels.is_floating_point() ? detail::soft_target(logits, labels, type, options, who)
                                    : detail::hard_target(logits, labels, type, options, who);
}

}  // namespace pam

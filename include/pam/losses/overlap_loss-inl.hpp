// SPDX-License-Identifier: MIT
#pragma once

#include <pam/kernels/dice.hpp>
#include <pam/losses/overlap_loss.hpp>

#include <vector>

namespace pam::detail {

PAM_FUNC torch::Tensor overlap_sums(const torch::Tensor& logits, const LossTarget& target,
                                    const OverlapLossOptions& options, bool squared) {
  const bool binary = logits.size(1) == 1;
  if (binary && !options.per_image && !squared) {
    // sigmoid(-3e4) is 0 with a gradient of 0 in every floating type, so one mask-free kernel serves ignored pixels
    // too.
    const auto kept = target.ignored.defined() ? logits.masked_fill(target.ignored, -3e4) : logits;
    return kernels::dice_sums(kept, target.target, kernels::default_backend()).unsqueeze(1);
  }
  const auto z = widened(target.masked(logits));
  auto p = target.masked(binary ? torch::sigmoid(z) : torch::softmax(z, 1)), t = target.target;
  if (!binary && !options.include_background) p = p.slice(1, 1), t = t.slice(1, 1);
  const auto pixels = options.per_image ? std::vector<std::int64_t>{2, 3} : std::vector<std::int64_t>{0, 2, 3};
  const auto total = [&](const torch::Tensor& x) { return x.sum(pixels); };
  const auto sums = torch::stack({total(p * t), total(squared ? p.square() : p), total(squared ? t.square() : t)});
  return binary || options.per_class ? sums : sums.sum(-1, /*keepdim=*/true);
}

PAM_FUNC torch::Tensor overlap_loss(const torch::Tensor& logits, const torch::Tensor& labels,
                                    const OverlapLossOptions& options, bool squared, const char* who,
                                    const std::function<torch::Tensor(const torch::Tensor& sums)>& loss_of) {
  check(options.smooth > 0, "{}: smooth must be positive (an empty batch would be 0/0), got {}", who, options.smooth);
  const auto target = make_target(logits, labels, options, who);
  const auto sums = overlap_sums(logits, target, options, squared);
  if (!options.per_image) {
    const auto losses = loss_of(reduced(sums, options));
    return losses.numel() == 1 ? losses.reshape({}) : losses.mean();
  }
  // Sums of one image never cross processes: what is summed over them is the images' losses, and the images.
  const auto losses = loss_of(sums).mean(1);
  const auto images = torch::full({}, static_cast<double>(losses.size(0)), losses.options().requires_grad(false));
  const auto total = reduced(torch::stack({losses.sum(), images}), options);
  return total[0] / total[1];
}

}  // namespace pam::detail

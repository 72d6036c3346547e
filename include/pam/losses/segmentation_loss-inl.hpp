// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/nearest.hpp>
#include <pam/losses/segmentation_loss.hpp>

#include <utility>

namespace pam {
namespace detail {

using NamedLoss = torch::Tensor (*)(const torch::Tensor&, const torch::Tensor&, const SegmentationLossOptions&);

/// The part of `options` that is a `Shared`, as the options of one loss.
template <typename Shared, typename LossType>
LossType loss_options(const SegmentationLossOptions& options) {
  LossType result;
  static_cast<Shared&>(result) = options;
  return result;
}

PAM_FUNC torch::Tensor named_dice(const torch::Tensor& logits, const torch::Tensor& labels,
                                  const SegmentationLossOptions& options) {
  auto own = loss_options<OverlapLossOptions, DiceOptions>(options);
  own.squared_pred = options.squared_pred;
  own.jaccard = options.jaccard;
  return dice_loss(logits, labels, own);
}

PAM_FUNC torch::Tensor named_bce(const torch::Tensor& logits, const torch::Tensor& labels,
                                 const SegmentationLossOptions& options) {
  return bce_loss(logits, labels, loss_options<LossOptions, BceOptions>(options));
}

PAM_FUNC torch::Tensor named_dice_bce(const torch::Tensor& logits, const torch::Tensor& labels,
                                      const SegmentationLossOptions& options) {
  auto own = loss_options<OverlapLossOptions, DiceBceOptions>(options);
  own.squared_pred = options.squared_pred;
  own.jaccard = options.jaccard;
  own.dice_weight = options.dice_weight;
  own.bce_weight = options.bce_weight;
  return dice_bce_loss(logits, labels, own);
}

PAM_FUNC torch::Tensor named_focal(const torch::Tensor& logits, const torch::Tensor& labels,
                                   const SegmentationLossOptions& options) {
  auto own = loss_options<LossOptions, FocalOptions>(options);
  own.gamma = options.focal_gamma;
  own.alpha = options.focal_alpha;
  return focal_loss(logits, labels, own);
}

PAM_FUNC torch::Tensor named_tversky(const torch::Tensor& logits, const torch::Tensor& labels,
                                     const SegmentationLossOptions& options) {
  auto own = loss_options<OverlapLossOptions, TverskyOptions>(options);
  own.alpha = options.tversky_alpha;
  own.beta = options.tversky_beta;
  return tversky_loss(logits, labels, own);
}

PAM_FUNC NamedLoss find_loss(const std::string& name) {
  const NamedLoss losses[] = {&named_dice, &named_bce, &named_dice_bce, &named_focal, &named_tversky};
  const auto& names = segmentation_loss_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return losses[i];
  }
  fail("there is no loss \"{}\"; did you mean {}? The losses are {}", name, nearest_names(name, names, 1).front(),
       joined(names, ", "));
}

}  // namespace detail

PAM_FUNC const std::vector<std::string>& segmentation_loss_names() {
  static const std::vector<std::string> names{"dice", "bce", "dice_bce", "focal", "tversky"};
  return names;
}

PAM_FUNC SegmentationLoss::SegmentationLoss(std::string name, SegmentationLossOptions options)
    : name_(std::move(name)), options_(std::move(options)), loss_(detail::find_loss(name_)) {}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// `SegmentationLoss`: any of the losses, chosen by name, for programs and configuration files.
#pragma once

#include <pam/losses/dice_bce_loss.hpp>
#include <pam/losses/focal_loss.hpp>
#include <pam/losses/tversky_loss.hpp>

#include <string>
#include <vector>

namespace pam {

/// The options of all losses; each loss reads its own. `visit` lists those that belong in a configuration file
/// (core/options_json.hpp); the others follow from the net and the machine.
struct SegmentationLossOptions : OverlapLossOptions {  // the overlap's: dice, dice_bce, tversky
  bool squared_pred = false;                           ///< dice, dice_bce
  bool jaccard = false;                                ///< dice, dice_bce
  double dice_weight = 1;                              ///< dice_bce; 0 or more
  double bce_weight = 1;                               ///< dice_bce; 0 or more
  double focal_gamma = 2;                              ///< focal; 0 or more
  double focal_alpha = 0.25;                           ///< focal; at most 1, negative: no weights
  double tversky_alpha = 0.3;                          ///< tversky: weight of a false positive; 0 or more
  double tversky_beta = 0.7;                           ///< tversky: weight of a false negative; 0 or more

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("smooth", self.smooth);
    field("per_class", self.per_class);
    field("include_background", self.include_background);
    field("per_image", self.per_image);
    field("squared_pred", self.squared_pred);
    field("jaccard", self.jaccard);
    field("dice_weight", self.dice_weight);
    field("bce_weight", self.bce_weight);
    field("focal_gamma", self.focal_gamma);
    field("focal_alpha", self.focal_alpha);
    field("tversky_alpha", self.tversky_alpha);
    field("tversky_beta", self.tversky_beta);
  }
};

/// "dice", "bce", "dice_bce", "focal", "tversky".
const std::vector<std::string>& segmentation_loss_names();

/// A loss by name, called as `loss(logits, labels)`; logits and labels as in losses/loss_target.hpp.
/// Example: `SegmentationLoss loss("dice"); loss.options().reversed = true;`
class SegmentationLoss {
 public:
  /// Throws on an unknown name, listing the nearest. Options are checked at the call, by the loss that uses them.
  explicit SegmentationLoss(std::string name, SegmentationLossOptions options = {});

  /// -> scalar, float32 (float64 for float64 logits). Throws as the named loss does.
  torch::Tensor operator()(const torch::Tensor& logits, const torch::Tensor& labels) const {
    return loss_(logits, labels, options_);
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const SegmentationLossOptions& options() const { return options_; }
  SegmentationLossOptions& options() { return options_; }

 private:
  std::string name_;
  SegmentationLossOptions options_;
  torch::Tensor (*loss_)(const torch::Tensor&, const torch::Tensor&, const SegmentationLossOptions&);
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/segmentation_loss-inl.hpp>
#endif

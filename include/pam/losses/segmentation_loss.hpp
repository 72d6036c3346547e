// SPDX-License-Identifier: MIT
/// `SegmentationLoss`: any of the losses, chosen by name, for programs and configuration files.
#pragma once

#include <pam/core/nearest.hpp>
#include <pam/losses/dice_bce_loss.hpp>
#include <pam/losses/focal_loss.hpp>
#include <pam/losses/tversky_loss.hpp>

#include <string>
#include <utility>
#include <vector>

namespace pam {

/// The options of all losses; each loss reads its own. `visit` lists those that belong in a configuration file
/// (core/options_json.hpp); the others follow from the net and the machine.
struct SegmentationLossOptions : LossOptions {
  double smooth = 1;           ///< dice, dice_bce, tversky
  bool per_class = false;      ///< dice, dice_bce, tversky
  double dice_weight = 1;      ///< dice_bce
  double bce_weight = 1;       ///< dice_bce
  double focal_gamma = 2;      ///< focal
  double focal_alpha = 0.25;   ///< focal
  double tversky_alpha = 0.3;  ///< tversky: weight of a false positive
  double tversky_beta = 0.7;   ///< tversky: weight of a false negative

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("smooth", self.smooth);
    field("per_class", self.per_class);
    field("dice_weight", self.dice_weight);
    field("bce_weight", self.bce_weight);
    field("focal_gamma", self.focal_gamma);
    field("focal_alpha", self.focal_alpha);
    field("tversky_alpha", self.tversky_alpha);
    field("tversky_beta", self.tversky_beta);
  }
};

/// "dice", "bce", "dice_bce", "focal", "tversky".
inline const std::vector<std::string>& segmentation_loss_names() {
  static const std::vector<std::string> names{"dice", "bce", "dice_bce", "focal", "tversky"};
  return names;
}

/// A loss by name, called as `loss(logits, labels)`; logits and labels as in losses/detail/loss_target.hpp.
/// Example: `SegmentationLoss loss("dice"); loss.options().reversed = true;`
class SegmentationLoss {
 public:
  /// Throws on an unknown name, listing the nearest. Options are checked at the call, by the loss that uses them.
  explicit SegmentationLoss(std::string name, SegmentationLossOptions options = {})
      : name_(std::move(name)), options_(std::move(options)), loss_(find(name_)) {}

  /// -> scalar, float32 (float64 for float64 logits). Throws as the named loss does.
  torch::Tensor operator()(const torch::Tensor& logits, const torch::Tensor& labels) const {
    return loss_(logits, labels, options_);
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const SegmentationLossOptions& options() const { return options_; }
  SegmentationLossOptions& options() { return options_; }

 private:
  using Options = SegmentationLossOptions;
  using Function = torch::Tensor (*)(const torch::Tensor&, const torch::Tensor&, const Options&);

  /// The shared part of the options as those of one loss.
  template <typename LossType>
  static LossType common(const Options& options) {
    LossType result;
    static_cast<LossOptions&>(result) = options;
    return result;
  }
  template <typename LossType>
  static LossType overlap(const Options& options) {
    auto result = common<LossType>(options);
    result.smooth = options.smooth;
    result.per_class = options.per_class;
    return result;
  }

  static torch::Tensor dice(const torch::Tensor& logits, const torch::Tensor& labels, const Options& options) {
    return dice_loss(logits, labels, overlap<DiceOptions>(options));
  }
  static torch::Tensor bce(const torch::Tensor& logits, const torch::Tensor& labels, const Options& options) {
    return bce_loss(logits, labels, common<BceOptions>(options));
  }
  static torch::Tensor dice_bce(const torch::Tensor& logits, const torch::Tensor& labels, const Options& options) {
    auto own = overlap<DiceBceOptions>(options);
    own.dice_weight = options.dice_weight;
    own.bce_weight = options.bce_weight;
    return dice_bce_loss(logits, labels, own);
  }
  static torch::Tensor focal(const torch::Tensor& logits, const torch::Tensor& labels, const Options& options) {
    auto own = common<FocalOptions>(options);
    own.gamma = options.focal_gamma;
    own.alpha = options.focal_alpha;
    return focal_loss(logits, labels, own);
  }
  static torch::Tensor tversky(const torch::Tensor& logits, const torch::Tensor& labels, const Options& options) {
    auto own = overlap<TverskyOptions>(options);
    own.alpha = options.tversky_alpha;
    own.beta = options.tversky_beta;
    return tversky_loss(logits, labels, own);
  }

  static Function find(const std::string& name) {
    const Function functions[] = {&dice, &bce, &dice_bce, &focal, &tversky};
    const auto& names = segmentation_loss_names();
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return functions[i];
    }
    fail("there is no loss \"{}\"; did you mean {}? The losses are {}", name, nearest_names(name, names, 1).front(),
         joined(names, ", "));
  }

  std::string name_;
  SegmentationLossOptions options_;
  Function loss_;
};

}  // namespace pam

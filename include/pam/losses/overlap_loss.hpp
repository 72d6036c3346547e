// SPDX-License-Identifier: MIT
/// What the losses made of the sums Σ p·t, Σ p and Σ t share (Dice and Tversky): which pixels, images and classes go
/// into one sum, and how the losses of several sums become one number.
#pragma once

#include <pam/losses/loss_target.hpp>

#include <functional>

namespace pam {

/// Options of the Dice and Tversky losses. The defaults are those of the paper's released code; MONAI's are named in
/// docs/losses.md.
struct OverlapLossOptions : LossOptions {
  double smooth = 1;       ///< added to numerator and denominator; above 0
  bool per_class = false;  ///< several classes: false = one quotient over all classes, as released; true = the mean
                           ///< over the classes of one quotient each
  bool include_background = true;  ///< several classes: false leaves out class 0; one logit channel: no effect
  bool per_image = false;  ///< false = sums over the whole batch; true = the mean over the images of a loss each, where
                           ///< an image whose every pixel is ignored has loss 0
};

namespace detail {

/// [Σ p·t, Σ p, Σ t] over the pixels that are not ignored, in the shape (3, classes) or with `per_image` (3, N,
/// classes); one class where all go into one quotient. `squared`: Σ p² and Σ t² in place of Σ p and Σ t.
torch::Tensor overlap_sums(const torch::Tensor& logits, const LossTarget& target, const OverlapLossOptions& options,
                           bool squared);

/// The mean over classes and images of `loss_of(sums)`, of the global batch where `LossOptions::reduce_sums` is set.
/// `loss_of` maps sums of `overlap_sums` to one loss per class and image. Throws as `make_target` does, and on
/// `smooth` <= 0.
torch::Tensor overlap_loss(const torch::Tensor& logits, const torch::Tensor& labels, const OverlapLossOptions& options,
                           bool squared, const char* who,
                           const std::function<torch::Tensor(const torch::Tensor& sums)>& loss_of);

}  // namespace detail
}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/overlap_loss-inl.hpp>
#endif

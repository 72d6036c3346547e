// SPDX-License-Identifier: MIT
/// What every loss shares: options, the checks of logits and labels, and labels as the tensor a loss compares with.
/// A loss takes logits (N, 1, H, W), read through a sigmoid, or (N, C, H, W), read through a softmax over channels with
/// channel 0 the background; and labels, either whole numbers (N, H, W) or a float tensor of the logits' shape.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>
#include <functional>

namespace pam {

/// Takes a tensor of sums over this process's batch and returns the sums over the global batch.
///
/// A loss is a function of such sums (Dice: of p·t, p and t; BCE: of the terms and of the pixels). With several
/// processes, the value must be that of the global batch, and so must be the gradient. If gradients are averaged over
/// `world_size` processes afterwards, return `sums * world_size + (total - sums * world_size).detach()`, where `total`
/// holds the all-reduced values: the forward value is `total`, and the factor undoes the average. All processes call it
/// equally often per loss, in the same order.
using ReduceSums = std::function<torch::Tensor(torch::Tensor)>;

/// Options that every loss has.
struct LossOptions {
  bool reversed = false;           ///< train on 1 - label (RFNA); binary only
  std::int64_t ignore_label = -1;  ///< whole-number labels of this value enter neither the sums nor the gradients
  bool check_labels = true;        ///< refuse unknown labels, at the price of one wait for the device per call. Without
                                   ///< it the loss of an unknown label is arbitrary (with classes: the nearest one's)
  ReduceSums reduce_sums = nullptr;  ///< null: the loss is of this process's batch
};

/// Labels made ready for a loss.
struct LossTarget {
  torch::Tensor
      target;  ///< of the logits' shape, in [0, 1]; 0 in ignored pixels; float64 for float64 logits, else float32
  torch::Tensor ignored;  ///< (N, 1, H, W) bool, true in ignored pixels; undefined where every pixel counts

  /// The number of pixels that are not ignored, as a scalar of `target`'s type.
  [[nodiscard]] torch::Tensor pixels() const;
  /// `values` (N, any, H, W) with 0 in ignored pixels. Logits go through this before anything is computed of them, so
  /// that no infinity or NaN of an ignored pixel becomes 0 · NaN in a gradient; what is computed goes through it again.
  [[nodiscard]] torch::Tensor masked(const torch::Tensor& values) const;
};

namespace detail {

/// Losses compute in float32 where logits are narrower: a sum over a batch overflows in float16, and in bfloat16 it
/// stops growing.
torch::Tensor widened(const torch::Tensor& logits);

/// `sums` through `LossOptions::reduce_sums`, where there is one.
torch::Tensor reduced(const torch::Tensor& sums, const LossOptions& options);

/// sum / pixels, both over the global batch; 0 where every pixel is ignored.
torch::Tensor pixel_mean(const torch::Tensor& sum, const LossTarget& target, const LossOptions& options);

}  // namespace detail

/// Checks `logits` and `labels` and makes the target of a loss; `who` names the loss in messages.
/// Throws on logits that are not floating (N, C, H, W) or hold nothing, on labels of another shape or device, unknown
/// labels, float labels outside [0, 1], and reversed labels with more than one channel.
LossTarget make_target(const torch::Tensor& logits, const torch::Tensor& labels, const LossOptions& options,
                       const char* who);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/losses/loss_target-inl.hpp>
#endif

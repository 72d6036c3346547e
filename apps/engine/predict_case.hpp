// SPDX-License-Identifier: MIT
/// From a network to the labels of a whole case.
#pragma once

#include <pam/core/precision.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/nets/network.hpp>

#include <cstdint>
#include <functional>

namespace pam::apps {

/// How a net computes.
struct Computation {
  torch::Device device = torch::kCPU;
  Precision precision = Precision::Float32;
  bool channels_last = false;  ///< the images are laid out so; `to_memory_format` does it for the weights
};

/// Classes of each pixel, (D, H, W) int64 on the CPU, for `images` (D, C, H, W) of any size: slices smaller than the
/// net's `min_size()` are padded with zeros, evenly on both sides, and the prediction is cropped back. Reversed nets
/// come out right. The net is put in eval mode and moved to nowhere: it must be on `how.device`.
torch::Tensor predict_case(const Network& net, const torch::Tensor& images, std::int64_t batch, const Computation& how);

/// The net as a function of images (N, C, H, W) on its device in plain float32 order, to float32 probabilities.
/// Refers to `net`.
std::function<torch::Tensor(const torch::Tensor&)> probabilities_of(const Network& net, const Computation& how);

/// FGSM's direction (train/fgsm.hpp) for a case: sign(∂ loss / ∂ images), (D, C, H, W) on the CPU, where `loss` is of
/// each `batch` slices with `labels` (D, H, W), as in training, reversed for reversed nets. What `predict_case` would
/// pad is padded here too, without a say in the loss.
torch::Tensor fgsm_direction_of_case(const Network& net, const SegmentationLoss& loss, const torch::Tensor& images,
                                     const torch::Tensor& labels, std::int64_t batch, torch::Device device);

}  // namespace pam::apps

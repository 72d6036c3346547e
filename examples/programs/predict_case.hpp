// SPDX-License-Identifier: MIT
/// From a network to the labels of a whole case.
#pragma once

#include <pam/losses/segmentation_loss.hpp>
#include <pam/nets/network.hpp>

#include <cstdint>

namespace pam::programs {

/// Classes of each pixel, (D, H, W) int64 on the CPU, for `images` (D, C, H, W) of any size: slices smaller than the
/// net's `min_size()` are padded with zeros, evenly on both sides, and the prediction is cropped back. Reversed nets
/// come out right. The net is put in eval mode and moved to nowhere: it must be on `device`.
torch::Tensor predict_case(const Network& net, const torch::Tensor& images, std::int64_t batch, torch::Device device);

/// FGSM's direction (train/fgsm.hpp) for a case: sign(∂ loss / ∂ images), (D, C, H, W) on the CPU, where `loss` is of
/// each `batch` slices with `labels` (D, H, W), as in training, reversed for reversed nets. What `predict_case` would
/// pad is padded here too, without a say in the loss.
torch::Tensor fgsm_direction_of_case(const Network& net, const SegmentationLoss& loss, const torch::Tensor& images,
                                     const torch::Tensor& labels, std::int64_t batch, torch::Device device);

}  // namespace pam::programs

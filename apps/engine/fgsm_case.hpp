// SPDX-License-Identifier: MIT
/// The direction of FGSM for a whole case.
#pragma once

#include <pam/losses/segmentation_loss.hpp>
#include <pam/nets/network.hpp>

#include <cstdint>

namespace pam::apps {

/// FGSM's direction (train/fgsm.hpp) for a case: sign(∂ loss / ∂ images), (D, C, H, W) on the CPU, where `loss` is of
/// each `batch` slices with `labels` (D, H, W), as in training, reversed for reversed nets. What a prediction
/// would pad is padded here too, and ignored by the loss.
torch::Tensor fgsm_direction_of_case(const Network& net, const SegmentationLoss& loss, const torch::Tensor& images,
                                     const torch::Tensor& labels, std::int64_t batch, torch::Device device);

}  // namespace pam::apps

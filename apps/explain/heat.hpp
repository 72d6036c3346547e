// SPDX-License-Identifier: MIT
/// Numbers as colours, and captions on pictures, through OpenCV. Pictures are (H, W, 3) uint8 tensors, RGB.
#pragma once

#include <pam/core/torch.hpp>

#include <string>

namespace pam::apps {

/// values (H, W), 0 dark to 1 bright (the map viridis, readable in grey and for the colour-blind) -> (H, W, 3) uint8.
torch::Tensor heat_colours(const torch::Tensor& values);

/// `picture` under a line of text on a dark ground.
torch::Tensor captioned(const torch::Tensor& picture, const std::string& text);

}  // namespace pam::apps

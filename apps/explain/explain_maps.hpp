// SPDX-License-Identifier: MIT
/// `explain maps`: the attention maps of networks on one case (the paper's figure 4), and their errors side by side,
/// with an enlarged part (figures 5 and 6).
#pragma once

#include "engine/networks.hpp"

#include <pam/images/load_case.hpp>
#include <pam/report/overlay.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// The attention of one module over a case, on the grid of the network's input.
struct AttentionVolume {
  std::string module;    ///< "stage1" … "bridge", as in the network
  torch::Tensor values;  ///< (D, H, W) float32: A, the mean over its channels
};

/// The attention and the prediction of one network for a case.
struct ExplainedNetwork {
  std::string name;
  std::vector<AttentionVolume> attention;  ///< of the encoder; empty for networks without attention there
  torch::Tensor labels;                    ///< (D, H, W) int64
};

/// Runs `net` over every slice of `source` once, `batch` at a time, keeping each encoder module's attention.
ExplainedNetwork explain_network(const Network& net, const Case& source, std::int64_t batch);

/// Figure 4 for one slice: the image, then each module's attention over it; one row per network.
torch::Tensor attention_sheet(const std::vector<ExplainedNetwork>& networks, const torch::Tensor& shown, std::int64_t z,
                              const OverlayOptions& view);

/// Figures 5 and 6 for one slice: the image, then each network's prediction against the truth, with the part around the
/// foreground enlarged in a corner.
torch::Tensor error_sheet(const std::vector<ExplainedNetwork>& networks, const torch::Tensor& shown,
                          const torch::Tensor& truth, std::int64_t z, const OverlayOptions& view);

}  // namespace pam::apps

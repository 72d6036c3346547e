// SPDX-License-Identifier: MIT
/// The weights of all convolutions in a narrower type at once, for a step under autocast on a GPU.
#pragma once

#include <pam/core/torch.hpp>

#include <vector>

namespace pam::detail {

/// During its lifetime the convolutions of `module` have their float32 weights in `type`, as autocast would give them
/// one by one, each in a kernel of its own, and cast each gradient back likewise. Here they are cast as one tensor, of
/// which each convolution has a view; the gradients reach the parameters as usual, also after its lifetime. Depth-wise
/// convolutions keep their weights: pam's kernels read those in float32.
class CastWeights {
 public:
  CastWeights(torch::nn::Module& module, torch::ScalarType type) {
    std::vector<torch::Tensor> rows;
    std::vector<std::int64_t> lengths;
    for (const auto& each : module.modules()) {
      auto* conv = dynamic_cast<torch::nn::Conv2dImpl*>(each.get());
      if (conv == nullptr || conv->options.groups() > 1 || conv->weight.scalar_type() != torch::kFloat) continue;
      convolutions_.push_back(conv), weights_.push_back(conv->weight);
      rows.push_back((in_pixels(conv->weight) ? conv->weight.permute({0, 2, 3, 1}) : conv->weight).reshape({-1}));
      lengths.push_back(rows.back().numel());
    }
    if (rows.empty()) return;
    const auto cast = torch::cat(rows).to(type).split_with_sizes(lengths);
    for (std::size_t i = 0; i < cast.size(); ++i) {
      const auto& like = weights_[i];
      const auto o = like.size(0), c = like.size(1), h = like.size(2), w = like.size(3);
      convolutions_[i]->weight =
          in_pixels(like) ? cast[i].view({o, h, w, c}).permute({0, 3, 1, 2}) : cast[i].view({o, c, h, w});
    }
  }
  CastWeights(const CastWeights&) = delete;
  CastWeights& operator=(const CastWeights&) = delete;
  ~CastWeights() {
    for (std::size_t i = 0; i < convolutions_.size(); ++i) convolutions_[i]->weight = weights_[i];
  }

 private:
  /// By the strides: LibTorch takes a convolution's layout from them even where a weight's elements lie alike in both.
  static bool in_pixels(const torch::Tensor& weight) {
    return weight.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  }

  std::vector<torch::nn::Conv2dImpl*> convolutions_;
  std::vector<torch::Tensor> weights_;
};

}  // namespace pam::detail

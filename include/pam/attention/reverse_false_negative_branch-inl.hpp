// SPDX-License-Identifier: MIT
/// Definitions of reverse_false_negative_branch.hpp (core/config.hpp).
#pragma once

#include <pam/attention/reverse_false_negative_branch.hpp>
#include <pam/kernels/pointwise.hpp>
#include <pam/kernels/upsample.hpp>

namespace pam {

PAM_FUNC void ReverseFalseNegativeBranchImpl::check_options(const Options& options) {
  const auto r = options.ratio();
  check(r == 1 || r == 2 || r == 4 || r == 8, "ReverseFalseNegativeBranch: ratio must be 1, 2, 4 or 8, got {}", r);
  check(options.expansion() > 0, "ReverseFalseNegativeBranch: expansion must be positive, got {}", options.expansion());
  check(!options.residual() || (r <= 2 && steps(options) == 2),
        "ReverseFalseNegativeBranch: residual needs D2 and D3 to keep the size (ratio 1, or 2 with "
        "prune_convolutions=false), got ratio={}, prune_convolutions={}",
        r, options.prune_convolutions());
}

PAM_FUNC void ReverseFalseNegativeBranchImpl::reset() {
  check_options(options);
  const auto r = options.ratio();
  const auto channels = reads_features() ? options.out_channels() : options.in_channels();
  const auto width = options.expansion() * options.out_channels();
  const auto stride = (reads_features() ? 1 : options.stride()) * (r >= 2 ? 2 : 1);
  const auto step = ConvNormActOptions(width, width).depthwise(options.depthwise());
  expand = this->register_module(
      "expand",
      ConvNormAct(ConvNormActOptions(channels, width).kernel_size(1).stride(stride).norm_act(options.expand_norm())));
  down2 = nullptr, down3 = nullptr, shortcut = nullptr;
  if (steps() > 0) {
    // A name of its own where it is alone: with shared weights, parameters of D3(D2(.)) have the same shapes.
    down2 = this->register_module(steps() == 1 ? "down" : "down2",
                                  ConvNormAct(ConvNormActOptions(step).stride(r >= 4 ? 2 : 1)));
  }
  if (steps() > 1 && !options.share_weights()) {
    down3 = this->register_module("down3", ConvNormAct(ConvNormActOptions(step).stride(last_stride())));
  }
  project = this->register_module(
      "project", torch::nn::Conv2d(torch::nn::Conv2dOptions(width, options.out_channels(), 1).bias(false)));
  if (!reads_features()) {
    shortcut = this->register_module(
        "shortcut", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.in_channels(), options.out_channels(), 1)
                                          .stride(options.stride())
                                          .bias(false)));
  }
}

PAM_FUNC torch::Tensor ReverseFalseNegativeBranchImpl::forward(const torch::Tensor& x) {
  check_nchw(x, reads_features() ? options.out_channels() : options.in_channels(), "ReverseFalseNegativeBranch");
  const auto plus = added(x);
  return torch::sigmoid(kernels::upsample(logits(x), plus.sizes().slice(2)) + plus);
}

PAM_FUNC torch::Tensor ReverseFalseNegativeBranchImpl::pooled(const torch::Tensor& x) {
  auto y = expand(x);
  if (steps() == 0) return y;
  y = options.residual() ? y + down2(y) : down2(y);
  if (steps() == 1) return y;
  const auto z = options.share_weights() ? down2->forward_with_stride(y, last_stride()) : down3(y);
  return options.residual() ? y + z : z;
}

PAM_FUNC torch::Tensor ReverseFalseNegativeBranchImpl::added(const torch::Tensor& x) {
  return reads_features() ? x : kernels::pointwise(x, shortcut->weight, options.stride());
}

PAM_FUNC void ReverseFalseNegativeBranchImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "ReverseFalseNegativeBranch", options, 2);
}

}  // namespace pam

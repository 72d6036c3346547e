// SPDX-License-Identifier: MIT
/// Definitions of false_positive_branch.hpp (core/config.hpp).
#pragma once

#include <pam/attention/false_positive_branch.hpp>
#include <pam/kernels/inverted_bottleneck.hpp>
#include <pam/kernels/pointwise.hpp>

namespace pam {

PAM_FUNC void FalsePositiveBranchImpl::check_options(const Options& options) {
  check(options.expansion() > 0, "FalsePositiveBranch: expansion must be positive, got {}", options.expansion());
}

PAM_FUNC void FalsePositiveBranchImpl::reset() {
  check_options(options);
  const auto width = options.expansion() * options.out_channels();
  const auto step = ConvNormActOptions(width, width).dilation(options.dilation()).depthwise(options.depthwise());
  expand = this->register_module(
      "expand", torch::nn::Conv2d(
                    torch::nn::Conv2dOptions(options.in_channels(), width, 1).stride(options.stride()).bias(false)));
  dilated = this->register_module("dilated", ConvNormAct(step));
  dilated2 = nullptr;
  if (!options.share_weights()) dilated2 = this->register_module("dilated2", ConvNormAct(step));
  project = this->register_module(
      "project", torch::nn::Conv2d(torch::nn::Conv2dOptions(width, options.out_channels(), 1).bias(false)));
}

PAM_FUNC torch::Tensor FalsePositiveBranchImpl::logits(const torch::Tensor& input, kernels::Backend backend) {
  check_nchw(input, options.in_channels(), "FalsePositiveBranch");
  auto& second = options.share_weights() ? dilated : dilated2;
  const auto stride = options.stride();
  if (!options.depthwise()) return project(second(dilated(kernels::pointwise(input, expand->weight, stride))));
  const auto step = [](const ConvNormAct& d) {
    return kernels::DepthwiseStep{d->conv->weight, d->norm->weight, d->norm->bias};
  };
  return kernels::inverted_bottleneck(
      input, {expand->weight, stride, step(dilated), step(second), options.dilation(), project->weight},
      ConvNormActImpl::kEps, backend);
}

PAM_FUNC void FalsePositiveBranchImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "FalsePositiveBranch", options, 2);
}

}  // namespace pam

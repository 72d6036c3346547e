// SPDX-License-Identifier: MIT
/// Definitions of false_positive_branch.hpp (core/config.hpp).
#pragma once

#include <pam/attention/false_positive_branch.hpp>
#include <pam/kernels/dilated_branch.hpp>
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
  const bool planes = kernels::wants_planes(input, backend);
  const auto expanded = planes ? kernels::pointwise_to(input, expand->weight, stride, at::MemoryFormat::Contiguous)
                               : kernels::pointwise(input, expand->weight, stride);
  const auto z = kernels::dilated_branch(expanded, {dilated->conv->weight, dilated->norm->weight, dilated->norm->bias},
                                         {second->conv->weight, second->norm->weight, second->norm->bias},
                                         options.dilation(), ConvNormActImpl::kEps, backend);
  return planes ? kernels::pointwise_to(z, project->weight, 1, at::MemoryFormat::ChannelsLast) : project(z);
}

PAM_FUNC void FalsePositiveBranchImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "FalsePositiveBranch", options, 2);
}

}  // namespace pam

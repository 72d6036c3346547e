// SPDX-License-Identifier: MIT
/// Definitions of conv_norm_act.hpp (core/config.hpp).
#pragma once

#include <pam/kernels/depthwise_step.hpp>
#include <pam/kernels/pointwise.hpp>
#include <pam/layers/conv_norm_act.hpp>

namespace pam {

PAM_FUNC void ConvNormActImpl::reset() {
  check(options.in_channels() > 0 && options.out_channels() > 0,
        "ConvNormAct: in_channels and out_channels must be positive, got {} and {}", options.in_channels(),
        options.out_channels());
  check(options.kernel_size() > 0 && options.kernel_size() % 2 == 1,
        "ConvNormAct: kernel_size must be odd and positive, got {}", options.kernel_size());
  check(options.stride() > 0 && options.dilation() > 0,
        "ConvNormAct: stride and dilation must be positive, got stride={} and dilation={}", options.stride(),
        options.dilation());
  check(!options.depthwise() || options.in_channels() == options.out_channels(),
        "ConvNormAct: a depth-wise convolution keeps the channels, got in_channels={} and out_channels={}",
        options.in_channels(), options.out_channels());
  conv = this->register_module(
      "conv",
      torch::nn::Conv2d(torch::nn::Conv2dOptions(options.in_channels(), options.out_channels(), options.kernel_size())
                            .stride(options.stride())
                            .dilation(options.dilation())
                            .padding(options.dilation() * (options.kernel_size() - 1) / 2)
                            .groups(options.depthwise() ? options.in_channels() : 1)
                            .bias(false)));
  norm = nullptr;
  if (options.norm_act()) {
    norm = this->register_module(
        "norm",
        torch::nn::InstanceNorm2d(torch::nn::InstanceNorm2dOptions(options.out_channels()).eps(kEps).affine(true)));
  }
}

PAM_FUNC kernels::Activation ConvNormActImpl::forward_activation(const kernels::Activation& input,
                                                                 std::int64_t stride) {
  if (!options.norm_act()) return convolve(input.tensor(), stride);
  check_input(input.sizes(), stride);
  if (options.depthwise() && options.kernel_size() == 3) {
    return kernels::depthwise_step(input.tensor(), {conv->weight, norm->weight, norm->bias}, stride, options.dilation(),
                                   kEps, backend());
  }
  const kernels::InstanceNorm of_output{norm->weight, norm->bias, kEps};
  if (!is_plain3x3()) return {apply_weights(input.tensor(), stride), of_output, backend()};
  return kernels::conv3x3_norm_relu(input, conv->weight, of_output, weights_, backend(), stride);
}

PAM_FUNC torch::Tensor ConvNormActImpl::convolve(const torch::Tensor& input, std::int64_t stride) {
  check_input(kernels::Activation(input).sizes(), stride);
  return apply_weights(input, stride);
}

PAM_FUNC void ConvNormActImpl::check_input(at::IntArrayRef input, std::int64_t stride) const {
  check_nchw(input, options.in_channels(), "ConvNormAct");
  check(!options.norm_act() || input[2] > stride || input[3] > stride,
        "ConvNormAct: instance norm needs more than one pixel, but an input of {} gives a map of 1x1; feed a larger "
        "image (a net's min_size() says how large)",
        shape_string(input));
}

PAM_FUNC torch::Tensor ConvNormActImpl::apply_weights(const torch::Tensor& input, std::int64_t stride) {
  const auto side = options.kernel_size(), dilation = options.dilation();
  if (!options.depthwise() && side == 1) return kernels::pointwise(input, conv->weight, stride);
  if (is_plain3x3() && stride == 1) return kernels::conv3x3(input, conv->weight, {}, weights_, backend());
  return torch::conv2d(input, conv->weight, {}, stride, dilation * (side - 1) / 2, dilation, conv->options.groups());
}

PAM_FUNC void ConvNormActImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "ConvNormAct", options, 2);
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Definitions of conv_block.hpp (core/config.hpp).
#pragma once

#include <pam/layers/conv_block.hpp>

namespace pam {

PAM_FUNC void ConvBlockImpl::reset() {
  conv1 = this->register_module(
      "conv1", ConvNormAct(ConvNormActOptions(options.in_channels(), options.out_channels()).stride(options.stride())));
  conv2 =
      this->register_module("conv2", ConvNormAct(ConvNormActOptions(options.out_channels(), options.out_channels())));
}

PAM_FUNC void ConvBlockImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "ConvBlock", options, 2);
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Definitions of dilated_block.hpp (core/config.hpp).
#pragma once

#include <pam/layers/dilated_block.hpp>

namespace pam {

PAM_FUNC void DilatedBlockImpl::reset() {
  conv1 = this->register_module("conv1", ConvNormAct(ConvNormActOptions(options.in_channels(), options.out_channels())
                                                         .stride(options.stride())
                                                         .dilation(options.dilation())));
  conv2 = this->register_module(
      "conv2",
      ConvNormAct(ConvNormActOptions(options.out_channels(), options.out_channels()).dilation(options.dilation())));
}

PAM_FUNC void DilatedBlockImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "DilatedBlock", options, 2);
}

}  // namespace pam

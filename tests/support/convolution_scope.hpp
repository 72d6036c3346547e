// SPDX-License-Identifier: MIT
/// How 3x3 convolutions are computed, for the time of a scope.
#pragma once

#include <pam/kernels/conv3x3.hpp>

namespace pam::test {

class ConvolutionScope {
 public:
  explicit ConvolutionScope(kernels::Convolution choice) : before_(kernels::default_convolution()) {
    kernels::set_default_convolution(choice);
  }
  ConvolutionScope(const ConvolutionScope&) = delete;
  ConvolutionScope& operator=(const ConvolutionScope&) = delete;
  ~ConvolutionScope() { kernels::set_default_convolution(before_); }

 private:
  kernels::Convolution before_;
};

}  // namespace pam::test

// SPDX-License-Identifier: MIT
/// ConcatSkip: how an encoder's features join the decoder in a plain U-Net.
///
/// A skip is a module with Options{deep_channels, skip_channels} and forward(deep, skip), which joins the decoder's
/// features from one level below with the encoder's features of this level, for the decoder's block to read. A skip
/// that needs `skip` to have more than one pixel per side declares `std::int64_t min_size() const`.
#pragma once

#include <pam/core/module.hpp>
#include <pam/core/options.hpp>
#include <pam/kernels/activation.hpp>
#include <pam/kernels/upsample.hpp>

namespace pam {

struct ConcatSkipOptions {
  ConcatSkipOptions() = default;
  ConcatSkipOptions(std::int64_t deep_channels, std::int64_t skip_channels)
      : deep_channels_(deep_channels), skip_channels_(skip_channels) {}
  TORCH_ARG(std::int64_t, deep_channels) = 0;
  TORCH_ARG(std::int64_t, skip_channels) = 0;

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("deep_channels", self.deep_channels_);
    field("skip_channels", self.skip_channels_);
  }
};

/// deep (N, D, h, w), skip (N, S, H, W) -> [upsampled deep, skip]: (N, D + S, H, W); bilinear, align_corners=true.
class ConcatSkipImpl final : public torch::nn::Cloneable<ConcatSkipImpl>, public kernels::BackendUser {
 public:
  using Options = ConcatSkipOptions;

  explicit ConcatSkipImpl(const ConcatSkipOptions& options_) : options(options_) {}

  void reset() override {}

  torch::Tensor forward(const torch::Tensor& deep, const torch::Tensor& skip) {
    return kernels::upsample_concat(deep, skip, backend());
  }

  /// The same, left to the result's reader.
  kernels::Activation forward_activation(const kernels::Activation& deep, const kernels::Activation& skip) {
    return {deep, skip, backend()};
  }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "ConcatSkip", options, 2); }

  ConcatSkipOptions options;
};

PAM_MODULE(ConcatSkip);

}  // namespace pam

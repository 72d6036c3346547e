// SPDX-License-Identifier: MIT
/// GatedSkip: a skip connection behind an attention gate (Attention U-Net). The decoder's features from one level below
/// are the gating signal; the gated skip is then concatenated as in ConcatSkip.
#pragma once

#include <pam/attention/attention_gate.hpp>
#include <pam/core/module.hpp>
#include <pam/kernels/activation.hpp>

namespace pam {

struct GatedSkipOptions {
  GatedSkipOptions() = default;
  GatedSkipOptions(std::int64_t deep_channels, std::int64_t skip_channels)
      : deep_channels_(deep_channels), skip_channels_(skip_channels) {}
  TORCH_ARG(std::int64_t, deep_channels) = 0;
  TORCH_ARG(std::int64_t, skip_channels) = 0;
  /// false: plain concatenation. All levels of a UNet have the same skip type, so this switches the gate off at one.
  TORCH_ARG(bool, gated) = true;
  /// Prototype of the gate; its channels are filled in from the options above.
  TORCH_ARG(AttentionGateOptions, gate);

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("deep_channels", self.deep_channels_);
    field("skip_channels", self.skip_channels_);
    field("gated", self.gated_);
    field("gate", self.gate_);
  }
};

/// deep (N, D, h, w), skip (N, S, H, W) -> [upsampled deep, gated skip]: (N, D + S, H, W).
class GatedSkipImpl final : public torch::nn::Cloneable<GatedSkipImpl>, public kernels::BackendUser {
 public:
  using Options = GatedSkipOptions;

  explicit GatedSkipImpl(const GatedSkipOptions& options_) : options(options_) { reset(); }

  void reset() override {
    gate = nullptr;
    if (!options.gated()) return;
    auto gate_options = options.gate();
    gate_options.gate_channels(options.deep_channels()).skip_channels(options.skip_channels());
    gate = this->register_module("gate", AttentionGate(gate_options));
  }

  torch::Tensor forward(const torch::Tensor& deep, const torch::Tensor& skip) {
    return forward_activation(deep, skip).tensor();
  }

  /// The same; upsampling and concatenation are left to the result's reader.
  kernels::Activation forward_activation(const kernels::Activation& deep, const kernels::Activation& skip) {
    return {deep, options.gated() ? gate(deep.tensor(), skip.tensor()) : skip, backend()};
  }

  /// The smallest side of `skip` that the gate takes.
  [[nodiscard]] std::int64_t min_size() const { return options.gated() ? gate->min_size() : 1; }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "GatedSkip", options, 2); }

  GatedSkipOptions options;
  AttentionGate gate{nullptr};  ///< null with `gated(false)`
};

PAM_MODULE(GatedSkip);

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Definitions of false_positive_attention.hpp (core/config.hpp).
#pragma once

#include <pam/attention/false_positive_attention.hpp>
#include <pam/kernels/gate.hpp>

namespace pam {

PAM_FUNC void FalsePositiveAttentionImpl::reset() {
  const auto& o = options;
  const auto parts = FalsePositiveBranchOptions(o.in_channels(), o.out_channels())
                         .stride(o.stride())
                         .dilation(o.dilation())
                         .expansion(o.expansion())
                         .depthwise(o.depthwise())
                         .share_weights(o.share_weights());
  FalsePositiveBranchImpl::check_options(parts);
  main =
      this->register_module("main", ConvBlock(ConvBlockOptions(o.in_channels(), o.out_channels()).stride(o.stride())));
  branch = nullptr;
  if (!o.branch()) return;
  branch = FalsePositiveBranch(parts);
  for (const auto& part : branch->named_children()) this->register_module(part.key(), part.value());
}

/// Y = F * A + F. F's last norm and ReLU and the gate are one kernel.
PAM_FUNC torch::Tensor FalsePositiveAttentionImpl::forward(const torch::Tensor& input) {
  check_nchw(input, options.in_channels(), "FalsePositiveAttention");
  if (!options.branch()) return main(input);
  auto features = main->forward_activation(input);
  const auto logits = attention_logits(input);
  if (!inspecting()) return kernels::gate(std::move(features), logits, options.identity(), backend());
  const auto output = kernels::reference::gate(features.tensor(), logits, options.identity());
  keep(torch::sigmoid(logits), features.tensor(), output);
  return output;
}

PAM_FUNC void FalsePositiveAttentionImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "FalsePositiveAttention", options, 2);
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Definitions of reverse_false_negative_attention.hpp (core/config.hpp).
#pragma once

#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/kernels/upsample.hpp>

namespace pam {

PAM_FUNC void ReverseFalseNegativeAttentionImpl::reset() {
  const auto& o = options;
  const auto parts = ReverseFalseNegativeBranchOptions(o.in_channels(), o.out_channels())
                         .stride(o.stride())
                         .ratio(o.ratio())
                         .prune_convolutions(o.prune_convolutions())
                         .expansion(o.expansion())
                         .depthwise(o.depthwise())
                         .share_weights(o.share_weights())
                         .input(o.input())
                         .expand_norm(o.expand_norm())
                         .residual(o.residual());
  ReverseFalseNegativeBranchImpl::check_options(parts);
  main =
      this->register_module("main", ConvBlock(ConvBlockOptions(o.in_channels(), o.out_channels()).stride(o.stride())));
  branch = nullptr;
  if (!o.branch()) return;
  branch = ReverseFalseNegativeBranch(parts);
  for (const auto& part : branch->named_children()) this->register_module(part.key(), part.value());
}

/// Y = F * A + F. The upsampling, the sum and the gate are one kernel.
PAM_FUNC torch::Tensor ReverseFalseNegativeAttentionImpl::forward(const torch::Tensor& input) {
  check_nchw(input, options.in_channels(), "ReverseFalseNegativeAttention");
  const auto features = main(input);
  if (!options.branch()) return features;
  const auto& read = branch->reads_features() ? features : input;
  const auto logits = branch->logits(read), added = branch->added(read);
  const auto output = kernels::upsample_gate(features, logits, added, options.identity(), backend());
  if (inspecting()) {
    keep(torch::sigmoid(kernels::upsample(logits, features.sizes().slice(2)) + added), features, output);
  }
  return output;
}

PAM_FUNC void ReverseFalseNegativeAttentionImpl::pretty_print(std::ostream& stream) const {
  print_options(stream, "ReverseFalseNegativeAttention", options, 2);
}

}  // namespace pam

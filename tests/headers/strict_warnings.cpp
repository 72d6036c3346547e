// SPDX-License-Identifier: MIT
// Users copy headers into trees with strict warnings. This file is compiled with them as errors: every header, and what
// only a use instantiates.
#include "all_headers.hpp"

// Every network of the zoo, and a block over one of a user's.
pam::Network zoo() { return pam::build_network({"fpa", 4}); }
template class pam::GatedBlockImpl<pam::ConvBlock>;
template class pam::GatedBlockImpl<pam::DilatedBlock, pam::ReverseFalseNegativeBranch>;
template class pam::UNetImpl<pam::GatedBlock<pam::ConvBlock>, pam::Attended<pam::CBAM>>;

// The loop with a loss that is a lambda, over a loader.
void train(pam::Network& net, pam::DataLoader& loader, torch::optim::Optimizer& optimizer) {
  const auto loss = [](const torch::Tensor& logits, const torch::Tensor& labels) {
    return pam::dice_loss(logits, labels);
  };
  pam::fit(net, loader, loss, optimizer, pam::FitOptions());
}

// Options to and from JSON, and copies.
void copy() {
  const auto json = pam::options_to_json(pam::UNetOptions<pam::FalsePositiveAttention>(4, 1));
  pam::UNetOptions<pam::FalsePositiveAttention> options;
  pam::options_from_json(json, options, "strict");
  pam::typed_clone(pam::UNet(options));
}

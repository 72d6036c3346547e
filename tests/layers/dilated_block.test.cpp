// SPDX-License-Identifier: MIT
#include <pam/layers/conv_block.hpp>
#include <pam/layers/dilated_block.hpp>

#include "support/tensor_matchers.hpp"

namespace layers_dilated_block_test {

using namespace pam;

TEST_CASE("DilatedBlock dilates both convolutions and sees 4 * dilation + 1 pixels", "[layers]") {
  // Reach of two stacked 3x3 convolutions of dilation d: 2d pixels each way. Read off the gradient of the convolutions.
  DilatedBlock block(DilatedBlockOptions(1, 1).dilation(4));
  auto x = torch::randn({1, 1, 41, 41}).requires_grad_();
  block->conv2->convolve(block->conv1->convolve(x)).index({0, 0, 20, 20}).backward();
  const auto rows = (x.grad()[0][0].abs().sum(1) > 0).nonzero();
  REQUIRE(rows.min().item<std::int64_t>() == 20 - 8);
  REQUIRE(rows.max().item<std::int64_t>() == 20 + 8);
}

TEST_CASE("at dilation 1 DilatedBlock equals ConvBlock", "[layers]") {
  ConvBlock plain(ConvBlockOptions(3, 8).stride(2));
  DilatedBlock dilated(DilatedBlockOptions(3, 8).stride(2).dilation(1));
  torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < plain->parameters().size(); ++i) dilated->parameters()[i].copy_(plain->parameters()[i]);
  const auto x = torch::randn({2, 3, 13, 16});
  REQUIRE(torch::equal(plain(x), dilated(x)));
}

}  // namespace layers_dilated_block_test

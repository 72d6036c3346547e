// SPDX-License-Identifier: MIT
#include <pam/layers/conv_block.hpp>

#include "support/tensor_matchers.hpp"

namespace layers_conv_block_test {

using namespace pam;

TEST_CASE("ConvBlock is its two layers, the first with the stride", "[layers]") {
  ConvBlock block(ConvBlockOptions(3, 8).stride(2));
  const auto x = torch::randn({2, 3, 13, 16});
  REQUIRE(torch::equal(block(x), block->conv2(block->conv1(x))));
  REQUIRE(block->conv1->options.stride() == 2);
  REQUIRE(block->conv2->options.stride() == 1);
}

}  // namespace layers_conv_block_test

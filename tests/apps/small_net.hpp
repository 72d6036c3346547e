// SPDX-License-Identifier: MIT
/// A small net with random weights, for tests of the programs that read weights.
#pragma once

#include <pam/nets/network.hpp>
#include <pam/nets/unet.hpp>

#include <cstdint>
#include <string>

namespace pam::test {

template <typename Block = ConvBlock>
Network small_net(const std::string& name, std::int64_t channels, std::int64_t classes = 1) {
  torch::manual_seed(5);
  UNetOptions<Block> options(channels, classes);
  options.width(4);
  Network net(name, UNet<Block>(options));
  net->eval();
  return net;
}

}  // namespace pam::test

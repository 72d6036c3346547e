// SPDX-License-Identifier: MIT
#include <pam/images/mask_channel.hpp>

#include "support/catch.hpp"

namespace images_mask_channel_test {
using namespace pam;

TEST_CASE("mask channels have names", "[images]") {
  for (const auto channel :
       {MaskChannel::Grey, MaskChannel::Red, MaskChannel::Green, MaskChannel::Blue, MaskChannel::Alpha}) {
    auto read = MaskChannel::Grey;
    CHECK(from_string(to_string(channel), read));
    CHECK(read == channel);
  }
  auto untouched = MaskChannel::Blue;
  CHECK_FALSE(from_string("gray", untouched));
  CHECK(untouched == MaskChannel::Blue);
}

}  // namespace images_mask_channel_test

// SPDX-License-Identifier: MIT
#include <pam/attention/detail/reduction.hpp>

#include "support/catch.hpp"

namespace attention_reduction_test {

using namespace pam;

TEST_CASE("a bottleneck never falls to zero channels", "[attention]") {
  REQUIRE(pam::detail::reduced_channels(64, 8, "X") == 8);
  REQUIRE(pam::detail::reduced_channels(20, 8, "X") == 2);
  REQUIRE(pam::detail::reduced_channels(8, 16, "X") == 1);  // the authors' CBAM at width 8 divides to 0 here
  REQUIRE_THROWS_WITH(pam::detail::reduced_channels(0, 8, "CBAM"),
                      Catch::Contains("CBAM") && Catch::Contains("channels"));
  REQUIRE_THROWS_WITH(pam::detail::reduced_channels(8, 0, "CBAM"),
                      Catch::Contains("reduction") && Catch::Contains("got 0"));
}

TEST_CASE("the checked instance norm refuses one pixel and accepts an empty batch", "[attention]") {
  REQUIRE_THROWS_WITH(pam::detail::checked_instance_norm(torch::rand({2, 3, 1, 1}), {}, {}, "GatherExcite"),
                      Catch::Contains("GatherExcite") && Catch::Contains("more than one pixel"));
  REQUIRE(pam::detail::checked_instance_norm(torch::rand({0, 3, 4, 4}), {}, {}, "X").sizes() ==
          at::IntArrayRef({0, 3, 4, 4}));
}

}  // namespace attention_reduction_test

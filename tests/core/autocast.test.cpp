// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <pam/core/autocast.hpp>

namespace core_autocast_test {

using namespace pam;

torch::ScalarType product_type() { return torch::matmul(torch::ones({2, 2}), torch::ones({2, 2})).scalar_type(); }

TEST_CASE("within the scope products are bfloat16, afterwards float32 again; scopes nest", "[core]") {
  REQUIRE(product_type() == torch::kFloat);
  {
    const AutocastScope outer(torch::kCPU);
    REQUIRE(product_type() == torch::kBFloat16);
    {
      const AutocastScope off(torch::kCPU, torch::kBFloat16, false);
      REQUIRE(product_type() == torch::kFloat);
    }
    REQUIRE(product_type() == torch::kBFloat16);
  }
  REQUIRE(product_type() == torch::kFloat);
}

TEST_CASE("autocast refuses types that LibTorch does not compute in", "[core]") {
  REQUIRE_THROWS_WITH(AutocastScope(torch::kCPU, torch::kHalf), Catch::Contains("use bfloat16"));
  REQUIRE_THROWS_WITH(AutocastScope(torch::kCPU, torch::kDouble), Catch::Contains("not supported"));
}

}  // namespace core_autocast_test

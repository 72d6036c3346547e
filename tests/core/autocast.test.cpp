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

TEST_CASE("a scope within another one sees weights as they are now", "[core]") {
  const AutocastScope outer(torch::kCPU);
  auto weight = torch::ones({2, 2}).requires_grad_();
  const auto x = torch::ones({2, 2});
  const auto product = [&] { return torch::matmul(x, weight)[0][0].item<double>(); };
  const auto inner_product = [&] {
    const AutocastScope inner(torch::kCPU);
    return product();
  };
  const auto step = [&] {
    torch::NoGradGuard no_grad;
    weight.mul_(2);
  };
  REQUIRE(inner_product() == 2);
  step();
  REQUIRE(inner_product() == 4);
  step();
  REQUIRE(product() == 8);  // and the outer one does after it
}

TEST_CASE("autocast refuses types that LibTorch does not compute in", "[core]") {
  REQUIRE_THROWS_WITH(AutocastScope(torch::kCPU, torch::kHalf), Catch::Contains("use bfloat16"));
  REQUIRE_THROWS_WITH(AutocastScope(torch::kCPU, torch::kDouble), Catch::Contains("not supported"));
}

}  // namespace core_autocast_test

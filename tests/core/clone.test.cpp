// SPDX-License-Identifier: MIT
#include <pam/core/clone.hpp>

#include "support/catch.hpp"

namespace core_clone_test {

using namespace pam;

TEST_CASE("SeedScope seeds its scope and restores the generator", "[core]") {
  torch::manual_seed(3);
  const auto before = rng_state();
  torch::Tensor first, second;
  {
    SeedScope scope(7);
    first = torch::rand({4});
  }
  REQUIRE(torch::equal(before, rng_state()));
  {
    SeedScope scope(7);
    second = torch::rand({4});
  }
  REQUIRE(torch::equal(first, second));
}

TEST_CASE("typed_clone keeps type, frozen layers and the random stream, which Module::clone does not", "[core]") {
  torch::nn::Linear layer(3, 2);
  layer->weight.set_requires_grad(false);
  const auto before = rng_state();
  torch::nn::Linear copy = typed_clone(layer);
  REQUIRE(torch::equal(before, rng_state()));
  REQUIRE(!copy->weight.requires_grad());
  REQUIRE(copy->bias.requires_grad());
  REQUIRE(torch::equal(copy->weight, layer->weight));
  REQUIRE(copy->weight.data_ptr() != layer->weight.data_ptr());
}

}  // namespace core_clone_test

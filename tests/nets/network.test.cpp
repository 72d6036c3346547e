// SPDX-License-Identifier: MIT
#include <pam/nets/network.hpp>
#include <pam/nets/unet.hpp>

#include "support/tensor_matchers.hpp"

namespace nets_network_test {

using namespace pam;
using Plain = UNet<ConvBlock>;

Plain plain() { return Plain(Plain::Impl::Options(2, 3).width(4)); }

TEST_CASE("a Network is a reference to the net it wraps", "[nets]") {
  auto net = plain();
  const Network network("mine", net);
  const auto copy = network;
  REQUIRE(copy->parameters()[0].data_ptr() == net->parameters()[0].data_ptr());
  REQUIRE(network.ptr() == net.ptr());
  const auto x = torch::randn({1, 2, 17, 20});
  REQUIRE(torch::equal(network(x), net(x)));
  REQUIRE(torch::equal(network.probabilities(x), torch::softmax(net(x), 1)));
  network->eval();
  REQUIRE(!net->is_training());
  REQUIRE(network.as<Plain>().ptr() == net.ptr());
  REQUIRE_THROWS_WITH((network.as<UNet<ConvBlock, ConvBlock, ConvBlock, ConcatSkip, ConvNormAct>>()),
                      Catch::Contains("'mine' is not of the requested type"));
}

TEST_CASE("a Network describes its net", "[nets]") {
  const Network network("mine", plain());
  REQUIRE(network.name() == "mine");
  REQUIRE(network.in_channels() == 2);
  REQUIRE(network.classes() == 3);
  REQUIRE(network.min_size() == 9);
  REQUIRE(!network.reversed());
  REQUIRE(network.options() == nlohmann::json::parse(R"({"name": "mine", "in_channels": 2, "classes": 3, "width": 4,
      "depth": 3, "reversed": false, "stem": {}, "stages": [{}], "bridge": {}, "decoders": [{}], "skips": [{}]})"));
  REQUIRE(c10::str(network).find("pam::ConvBlock(4, 8, stride=2)") != std::string::npos);
}

TEST_CASE("a Network's probabilities undo reversed labels", "[nets]") {
  const Network network("mine", Plain(Plain::Impl::Options(1, 1).width(4).reversed(true)));
  const auto x = torch::randn({1, 1, 16, 16});
  REQUIRE_THAT(network.probabilities(x), pam::test::IsClose(1 - torch::sigmoid(network(x))).atol(1e-6));
}

TEST_CASE("a Network's clone is equal, independent and keeps frozen parameters frozen", "[nets]") {
  const Network network("mine", plain());
  network->parameters()[0].set_requires_grad(false);
  const auto before = rng_state();
  const auto copy = typed_clone(network);
  REQUIRE(torch::equal(before, rng_state()));
  const auto x = torch::randn({1, 2, 17, 20});
  const auto y = network(x).detach();
  REQUIRE(torch::equal(copy(x), y));
  REQUIRE(!copy->parameters()[0].requires_grad());
  torch::NoGradGuard no_grad;
  for (auto& p : network->parameters()) p.zero_();
  REQUIRE(torch::equal(copy(x), y));
}

TEST_CASE("an empty Network says so on use", "[nets]") {
  const Network network;
  REQUIRE(!network);
  REQUIRE_THROWS_WITH(network(torch::rand({1, 1, 9, 9})), Catch::Contains("empty"));
  REQUIRE_THROWS_WITH(network.clone(), Catch::Contains("empty"));
  REQUIRE_THROWS_WITH(Network("mine", Plain(nullptr)), Catch::Contains("'mine' is an empty module holder"));
}

}  // namespace nets_network_test

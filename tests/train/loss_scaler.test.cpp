// SPDX-License-Identifier: MIT
#include "support/tensor_matchers.hpp"

#include <pam/core/precision.hpp>
#include <pam/layers/conv_block.hpp>
#include <pam/train/loss_scaler.hpp>

#include <cmath>
#include <limits>

namespace train_loss_scaler_test {

using namespace pam;

std::vector<torch::Tensor> parameters_with(const std::vector<torch::Tensor>& gradients) {
  std::vector<torch::Tensor> parameters;
  for (const auto& gradient : gradients) {
    parameters.push_back(torch::zeros_like(gradient).requires_grad_());
    parameters.back().mutable_grad() = gradient.clone();
  }
  return parameters;
}

TEST_CASE("gradients of a scaled loss, unscaled, are those of the loss bit for bit", "[train]") {
  torch::manual_seed(2);
  auto w = torch::randn({7, 5}).requires_grad_();
  const auto x = torch::randn({5, 3});
  const auto loss = [&] { return torch::matmul(w, x).square().mean(); };
  loss().backward();
  const auto plain = w.grad().clone();
  w.mutable_grad() = torch::Tensor();
  const LossScaler scaler;
  REQUIRE(scaler.factor() == 65536);
  scaler.scale(loss()).backward();
  REQUIRE_FALSE(torch::equal(w.grad(), plain));
  REQUIRE(scaler.unscale({w}));
  REQUIRE(torch::equal(w.grad(), plain));  // powers of two round nothing
}

TEST_CASE("one number that is not finite, anywhere, is found; parameters without gradient are skipped", "[train]") {
  const LossScaler scaler;
  for (const double bad : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
    auto spoilt = torch::ones({4, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
    spoilt[3][2][1][0] = bad;
    REQUIRE_FALSE(scaler.unscale(parameters_with({torch::ones({5}), spoilt, torch::ones({2, 2})})));
  }
  auto parameters = parameters_with({torch::full({5}, 65536.0)});
  parameters.push_back(torch::zeros({3}).requires_grad_());
  // The largest numbers are finite, whatever their sum is.
  for (auto& each : parameters_with({torch::full({9}, std::numeric_limits<float>::max())})) parameters.push_back(each);
  REQUIRE(scaler.unscale(parameters));
  REQUIRE(torch::equal(parameters[0].grad(), torch::ones({5})));
  REQUIRE_FALSE(parameters[1].grad().defined());
  REQUIRE(scaler.unscale({}));
}

TEST_CASE("the scale doubles after so many good steps in a row and halves after each bad one", "[train]") {
  LossScalerOptions options;
  options.growth_interval = 3;
  LossScaler scaler(options);
  std::vector<double> factors;
  for (const bool finite : {true, true, true, true, true, false, true, true, true, false, false}) {
    scaler.update(finite);
    factors.push_back(scaler.factor() / 65536);
  }
  // As PyTorch's GradScaler: the count starts again after a change of either kind.
  REQUIRE(factors == std::vector<double>{1, 1, 2, 2, 2, 1, 1, 1, 2, 1, 0.5});
}

TEST_CASE("in float16 on a GPU a scale that is too large overflows, and falls until the gradients fit",
          "[train][gpu]") {
  if (!torch::cuda::is_available()) PAM_SKIP("no GPU");
  torch::manual_seed(3);
  ConvBlock net(ConvBlockOptions(2, 8));
  net->to(torch::kCUDA);
  const auto x = torch::randn({2, 2, 20, 16}, torch::kCUDA);
  const auto gradients = [&](const LossScaler& scaler, Precision precision) {
    for (auto& parameter : net->parameters()) parameter.mutable_grad() = torch::Tensor();
    const auto loss = [&] {
      const auto scope = autocast(torch::kCUDA, precision);
      return net(x).to(torch::kFloat).square().mean();
    };
    scaler.scale(loss()).backward();
    return scaler.unscale(net->parameters());
  };
  LossScalerOptions options;
  options.initial_scale = std::ldexp(1.0, 40);  // the output's gradient, 2 y / 5120, overflows at about 2^26
  LossScaler scaler(options);
  int skipped = 0;
  for (; !gradients(scaler, Precision::Float16); ++skipped) scaler.update(false);
  REQUIRE(skipped > 0);
  REQUIRE(scaler.factor() == std::ldexp(1.0, 40 - skipped));
  std::vector<torch::Tensor> found;
  for (const auto& parameter : net->parameters()) found.push_back(parameter.grad().clone());
  LossScalerOptions one;
  one.initial_scale = 1;
  REQUIRE(gradients(LossScaler(one), Precision::Float32));
  for (std::size_t i = 0; i < found.size(); ++i) {
    // Three digits of float16 and of TF32, through two convolutions.
    REQUIRE_THAT(found[i], test::IsClose(net->parameters()[i].grad()).rtol(2e-2).of_largest());
  }
}

TEST_CASE("a scaler continues where another stopped", "[train]") {
  LossScalerOptions options;
  options.growth_interval = 4;
  LossScaler first(options), second(options);
  for (const bool finite : {false, true, true, true}) first.update(finite);
  second.restore(first.factor(), first.good_steps());
  REQUIRE(second.good_steps() == 3);
  first.update(true), second.update(true);
  REQUIRE(second.factor() == first.factor());
  REQUIRE(second.factor() == 65536);
  REQUIRE_THROWS_WITH(second.restore(3, 0), Catch::Contains("damaged"));
  REQUIRE_THROWS_WITH(second.restore(0, 0), Catch::Contains("damaged"));
  REQUIRE_THROWS_WITH(second.restore(8, -1), Catch::Contains("damaged"));
}

TEST_CASE("a scale that only falls is exhausted; factors that would round are refused", "[train]") {
  LossScaler scaler;
  for (int i = 0; i < 30; ++i) {
    REQUIRE_FALSE(scaler.exhausted());
    scaler.update(false);
  }
  REQUIRE(scaler.exhausted());  // 2^16 / 2^30
  LossScalerOptions options;
  options.initial_scale = 1000;
  REQUIRE_THROWS_WITH(LossScaler(options), Catch::Contains("powers of two") && Catch::Contains("1000"));
  options = {};
  options.growth = 1;
  REQUIRE_THROWS_WITH(LossScaler(options), Catch::Contains("growth"));
}

}  // namespace train_loss_scaler_test

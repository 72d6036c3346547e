// SPDX-License-Identifier: MIT
#include <pam/attention/attention_gate.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_attention_gate_test {

using namespace pam;
using pam::test::IsClose;
using Options = AttentionGateOptions;

torch::Tensor normed(const torch::Tensor& x) {
  const auto mean = x.mean({2, 3}, true), variance = ((x - mean) * (x - mean)).mean({2, 3}, true);
  return (x - mean) / torch::sqrt(variance + 1e-5);
}

TEST_CASE("AttentionGate upsamples the gate first in the paper's order; the cheap order agrees", "[attention]") {
  torch::manual_seed(1);
  AttentionGate module(Options(12, 6));
  const auto g = torch::randn({2, 12, 4, 5}), s = torch::randn({2, 6, 8, 10});
  const auto up = at::upsample_bilinear2d(g, {8, 10}, /*align_corners=*/true);
  const auto phi = torch::conv2d(up, module->phi->weight, module->phi->bias);
  const auto theta = torch::conv2d(s, module->theta->weight, module->theta->bias);
  const auto psi = torch::conv2d(torch::relu(normed(phi) + normed(theta)), module->psi->weight, module->psi->bias);
  const auto a = torch::sigmoid(normed(psi));
  // Upsampling and phi commute but round differently; the norms pass that on.
  REQUIRE_THAT(module(g, s), IsClose(s * a + s).rtol(1e-5).of_largest());
  REQUIRE_THAT(module->attention(g, s), IsClose(a).rtol(1e-5).of_largest());
  module->inspect(true);
  module(g, s);
  REQUIRE_THAT(module->record().attention, IsClose(a).rtol(1e-5).of_largest());
  REQUIRE(torch::equal(module->record().features, s));
}

TEST_CASE("the original AttentionGate has a strided theta, no norms and an output transform", "[attention]") {
  torch::manual_seed(2);
  AttentionGate module(Options(12, 6).original());
  module->eval();
  const auto g = torch::randn({2, 12, 4, 5}), s = torch::randn({2, 6, 8, 10});
  const auto theta = torch::conv2d(s, module->theta->weight, {}, 2);
  const auto phi = torch::conv2d(g, module->phi->weight, module->phi->bias);  // g already has theta's size here
  const auto a = torch::sigmoid(torch::conv2d(torch::relu(phi + theta), module->psi->weight, module->psi->bias));
  const auto gated = s * at::upsample_bilinear2d(a, {8, 10}, true);
  const auto expected = torch::conv2d(gated, module->output->weight, module->output->bias) / std::sqrt(1 + 1e-5);
  REQUIRE_THAT(module(g, s), IsClose(expected).rtol(1e-6).of_largest());
  REQUIRE(!module->theta->bias.defined());
  REQUIRE(module(torch::randn({1, 12, 3, 3}), torch::randn({1, 6, 7, 9})).sizes() == at::IntArrayRef({1, 6, 7, 9}));
}

TEST_CASE("AttentionGate's presets hold the constants of the authors and of Oktay et al.", "[attention]") {
  REQUIRE(Options().original().paper() == Options());
  auto paper = Options().reduction(2).theta_stride(1).theta_bias(true).norm(true).residual(true);
  REQUIRE(Options() == paper.output(false).kaiming_init(false));
  auto original = Options().reduction(2).theta_stride(2).theta_bias(false).norm(false).residual(false);
  REQUIRE(Options().original() == original.output(true).kaiming_init(true));
}

TEST_CASE("AttentionGate says which of its inputs and options is wrong", "[attention]") {
  AttentionGate module(Options(12, 6));
  REQUIRE_THROWS_WITH(module(torch::rand({1, 11, 4, 4}), torch::rand({1, 6, 8, 8})),
                      Catch::Contains("(gate)") && Catch::Contains("12 channels"));
  REQUIRE_THROWS_WITH(module(torch::rand({1, 12, 4, 4}), torch::rand({1, 5, 8, 8})),
                      Catch::Contains("(skip)") && Catch::Contains("6 channels"));
  REQUIRE_THROWS_WITH(module(torch::rand({1, 12, 1, 1}), torch::rand({1, 6, 1, 1})),
                      Catch::Contains("more than one pixel"));
  REQUIRE_THROWS_WITH(AttentionGate(Options(12, 0)), Catch::Contains("channels must be positive"));
  REQUIRE_THROWS_WITH(AttentionGate(Options(12, 4).theta_stride(0)), Catch::Contains("theta_stride"));
  AttentionGate strided(Options(12, 6).original());
  REQUIRE_THROWS_WITH(strided(torch::rand({1, 12, 4, 4}), torch::rand({1, 6, 1, 8})),
                      Catch::Contains("theta_stride=2"));
  REQUIRE(AttentionGate(Options(4, 1))->psi->weight.size(1) == 1);  // max(1, 1 / 2)
}

}  // namespace attention_attention_gate_test

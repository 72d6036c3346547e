// SPDX-License-Identifier: MIT
#include <pam/attention/global_context.hpp>
#include <pam/core/options_json.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_global_context_test {

using namespace pam;
using pam::test::IsClose;
using Options = GlobalContextOptions;

/// GC pixel by pixel, with the norm's mean and variance written out.
torch::Tensor written_out(const GlobalContextImpl& m, const torch::Tensor& x) {
  const auto& o = m.options;
  const auto conv = [](const torch::nn::Conv2d& c, const torch::Tensor& v) {
    const auto y = v.matmul(c->weight.flatten(1).t());
    return c->bias.defined() ? y + c->bias : y;
  };
  const auto pixels = x.flatten(2).transpose(1, 2);  // (N, HW, C)
  const auto e = torch::exp(conv(m.mask, pixels));
  auto t = conv(m.squeeze, (pixels * (e / e.sum(1, true))).sum(1));
  if (o.norm() == ContextNorm::Layer) {
    const auto mean = t.mean(1, true), variance = ((t - mean) * (t - mean)).mean(1, true);
    t = (t - mean) / torch::sqrt(variance + 1e-5) * m.norm->weight.flatten() + m.norm->bias.flatten();
  }
  t = conv(m.expand, torch::relu(t)).view({x.size(0), x.size(1), 1, 1});
  if (o.fusion() == ContextFusion::Add) return x + t;
  if (o.fusion() == ContextFusion::Scale) t = torch::sigmoid(t);
  return o.residual() ? x * t + x : x * t;
}

TEST_CASE("GlobalContext is the weighted mean of all pixels, transformed: every fusion, norm and preset",
          "[attention]") {
  torch::manual_seed(1);
  for (const auto& options :
       {Options(32), Options(32).original().zero_init(false), Options(32).fusion(ContextFusion::Scale).residual(false),
        Options(32).norm(ContextNorm::None).bias(true)}) {
    GlobalContext module(options);
    CAPTURE(c10::str(module));
    const auto x = torch::randn({2, 32, 6, 5});
    REQUIRE_THAT(module(x), IsClose(written_out(*module, x)).rtol(2e-6).of_largest());  // orders of summation
  }
}

TEST_CASE("GlobalContext's gate depends on the image, and every parameter learns", "[attention]") {
  // The authors' instance norm on the 1x1 context fails both: the gate is a constant, mask and squeeze get no gradient.
  torch::manual_seed(2);
  GlobalContext module(Options(32));
  const auto gate = [&](const torch::Tensor& x) { return (module(x) / x - 1).mean({2, 3}); };
  const auto difference = gate(torch::rand({1, 32, 6, 6}) + 0.5) - gate(torch::rand({1, 32, 6, 6}) + 0.5);
  REQUIRE(difference.abs().max().item<float>() > 1e-3);
  module(torch::randn({2, 32, 6, 6})).square().sum().backward();
  for (const auto& p : module->named_parameters()) {
    CAPTURE(p.key());
    REQUIRE(p.value().grad().abs().max().item<float>() > 1e-4);
  }
}

TEST_CASE("a bottleneck of one channel goes without its layer norm, which would erase it", "[attention]") {
  torch::manual_seed(3);
  GlobalContext module(Options(8));  // max(1, 8 / 8) = 1
  REQUIRE(module->norm.is_empty());
  module(torch::randn({2, 8, 6, 6}).abs()).square().sum().backward();
  REQUIRE(module->mask->weight.grad().defined());
  const auto x = torch::rand({1, 8, 4, 4});
  REQUIRE_THAT(module(x), IsClose([&] {
                 GlobalContext same(Options(8).norm(ContextNorm::None));
                 torch::NoGradGuard no_grad;
                 for (std::size_t i = 0; i < 3; ++i) same->parameters()[i].copy_(module->parameters()[i]);
                 return same(x);
               }()));
}

TEST_CASE("the authors' instance norm on the 1x1 context is refused with a sentence", "[attention]") {
  REQUIRE_THROWS_WITH(GlobalContext(Options(32).norm(ContextNorm::Instance)),
                      Catch::Contains("instance norm") && Catch::Contains("norm=layer"));
  Options options;
  options_from_json({{"norm", "instance"}}, options, "x");  // so that the sentence above is what a user reads
  REQUIRE(options.norm() == ContextNorm::Instance);
  REQUIRE_THROWS_WITH(options_from_json({{"norm", "batch"}}, options, "x"), Catch::Contains("\"layer\" or \"none\""));
}

TEST_CASE("the original GlobalContext starts as the identity and records weights that sum to 1", "[attention]") {
  GlobalContext module(Options(32).original());
  const auto x = torch::randn({2, 32, 6, 5});
  module->inspect(true);
  REQUIRE(torch::equal(module(x), x));
  REQUIRE(module->record().attention.sizes() == at::IntArrayRef({2, 1, 6, 5}));
  REQUIRE_THAT(module->record().attention.sum({1, 2, 3}), IsClose(torch::ones(2)).rtol(1e-6));
}

TEST_CASE("GlobalContext's presets hold the constants of the authors and of Cao et al.", "[attention]") {
  REQUIRE(Options().original().paper() == Options());
  auto paper = Options().reduction(8).bias(false).norm(ContextNorm::Layer).fusion(ContextFusion::Multiply);
  REQUIRE(Options() == paper.residual(true).zero_init(false).kaiming_init(false));
  auto original = Options().reduction(16).bias(true).norm(ContextNorm::Layer).fusion(ContextFusion::Add);
  REQUIRE(Options().original() == original.residual(false).zero_init(true).kaiming_init(true));
}

}  // namespace attention_global_context_test

// SPDX-License-Identifier: MIT
#include <pam/attention/cbam.hpp>

#include "support/tensor_matchers.hpp"

namespace attention_cbam_test {

using namespace pam;
using pam::test::IsClose;

/// CBAM written with reductions and an explicit sum over the spatial kernel; batch norm in its evaluation form.
torch::Tensor written_out(const CBAMImpl& m, const torch::Tensor& x) {
  const auto& o = m.options;
  const auto mlp = [&](const torch::Tensor& pooled) {
    auto h = pooled.matmul(m.squeeze->weight.flatten(1).t());
    if (o.bias()) h = h + m.squeeze->bias;
    h = torch::relu(h).matmul(m.expand->weight.flatten(1).t());
    return o.bias() ? h + m.expand->bias : h;
  };
  const auto passed = x * torch::sigmoid(mlp(x.mean({2, 3})) + mlp(x.amax({2, 3}))).view({x.size(0), x.size(1), 1, 1});
  auto planes = std::vector<torch::Tensor>{passed.mean(1, true), passed.amax(1, true)};
  if (o.max_first()) std::swap(planes[0], planes[1]);
  const auto k = o.kernel_size(), h = x.size(2), w = x.size(3);
  const auto padded = torch::constant_pad_nd(torch::cat(planes, 1), {k / 2, k / 2, k / 2, k / 2});
  auto logits = torch::zeros({x.size(0), 1, h, w});
  for (std::int64_t i = 0; i < k; ++i) {
    for (std::int64_t j = 0; j < k; ++j) {
      const auto window = padded.slice(2, i, i + h).slice(3, j, j + w);
      logits = logits + (window * m.spatial->weight.slice(2, i, i + 1).slice(3, j, j + 1)).sum(1, true);
    }
  }
  if (o.spatial_norm()) logits = logits / std::sqrt(1 + 1e-5);  // fresh running statistics: mean 0, variance 1
  const auto y = passed * torch::sigmoid(logits);
  return o.residual() ? y + x : y;
}

TEST_CASE("CBAM gates channels, then pixels, in both presets", "[attention]") {
  torch::manual_seed(1);
  for (const bool original : {false, true}) {
    CBAMOptions options(32);
    if (original) options.original();
    CBAM module(options);
    module->eval();
    const auto x = torch::randn({2, 32, 9, 8});
    // Orders of summation over 32 channels and 98 products.
    REQUIRE_THAT(module(x), IsClose(written_out(*module, x)).rtol(1e-6).of_largest());
    module->inspect(true);
    module(x);
    const auto product = x * module->record().attention;
    REQUIRE_THAT(original ? product : product + x, IsClose(module->record().gated).rtol(1e-6).of_largest());
  }
}

TEST_CASE("CBAM's presets hold the constants of the authors and of Woo et al.", "[attention]") {
  REQUIRE(CBAMOptions().original().paper() == CBAMOptions());
  const auto paper =
      CBAMOptions().reduction(16).bias(false).kernel_size(3).spatial_norm(false).max_first(false).residual(true);
  REQUIRE(CBAMOptions() == paper);
  const auto original =
      CBAMOptions().reduction(16).bias(true).kernel_size(7).spatial_norm(true).max_first(true).residual(false);
  REQUIRE(CBAMOptions().original() == original);
  CBAM module(CBAMOptions(16).original());
  REQUIRE(module->norm->options.momentum().value() == 0.01);
}

TEST_CASE("CBAM says what is wrong with its options", "[attention]") {
  REQUIRE_THROWS_WITH(CBAM(CBAMOptions(8).kernel_size(4)), Catch::Contains("kernel_size must be odd"));
  REQUIRE_THROWS_WITH(CBAM(CBAMOptions(0)), Catch::Contains("CBAM: channels"));
  REQUIRE(CBAM(CBAMOptions(8))->squeeze->weight.size(0) == 1);  // max(1, 8 / 16): the authors' code breaks here
}

}  // namespace attention_cbam_test

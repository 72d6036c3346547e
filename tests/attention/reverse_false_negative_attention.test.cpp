// SPDX-License-Identifier: MIT
#include <pam/attention/reverse_false_negative_attention.hpp>

#include "support/tensor_matchers.hpp"

#include <algorithm>

namespace attention_reverse_false_negative_attention_test {

using namespace pam;
using pam::test::IsClose;
using Block = ReverseFalseNegativeAttention;
using Options = ReverseFalseNegativeAttentionOptions;

/// relu(norm(conv(x))) with unit weights of the norm, as freshly built modules have.
torch::Tensor step(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t stride, std::int64_t groups) {
  const auto y = torch::conv2d(x, weight, {}, stride, (weight.size(2) - 1) / 2, 1, groups);
  const auto c = y.size(1);
  return torch::relu(torch::instance_norm(y, torch::ones(c, y.options()), torch::zeros(c, y.options()), {}, {}, true,
                                          0.1, 1e-5, false));
}

TEST_CASE("RFNA is equation 2 in the paper's order: Y = F * A + F, A = sigmoid(P(up8(D3(D2(E(F))))) + F)",
          "[attention]") {
  torch::manual_seed(1);
  for (const bool shared : {true, false}) {
    Block block(Options(3, 4).stride(2).expansion(2).share_weights(shared));
    block->to(torch::kDouble);
    const auto x = torch::randn({2, 3, 50, 44}, torch::kDouble);
    const auto f = block->main(x);
    auto a = step(f, block->branch->expand->conv->weight, 2, 1);
    a = step(a, block->branch->down2->conv->weight, 2, 8);
    a = step(a, (shared ? block->branch->down2 : block->branch->down3)->conv->weight, 2, 8);
    a = at::upsample_bilinear2d(a, f.sizes().slice(2), true);  // upsampled before P here, after it in the module
    a = torch::sigmoid(torch::conv2d(a, block->branch->project->weight) + f);
    // P(up(a)) = up(P(a)): both are linear; only float64 rounding remains.
    REQUIRE_THAT(block(x), IsClose(f * a + f).rtol(1e-12).of_largest());
    block->inspect(true);
    block(x);
    REQUIRE_THAT(block->record().attention, IsClose(a).rtol(1e-12).of_largest());
  }
}

std::int64_t count(const Block& block) {
  std::int64_t n = 0;
  for (const auto& p : block->parameters()) n += p.numel();
  return n;
}

TEST_CASE("RFNA's ratio halves the branch's map as often as it says; with all convolutions kept, the parameters stay",
          "[attention]") {
  Block reference(Options(3, 4).stride(2));
  for (const std::int64_t ratio : {1, 2, 4, 8}) {
    for (const bool shared : {true, false}) {
      Block block(Options(3, 4).stride(2).ratio(ratio).prune_convolutions(false).share_weights(shared));
      const auto f = torch::randn({1, 4, 32, 24});
      REQUIRE(block->branch->pooled(f).sizes() == at::IntArrayRef({1, 32, 32 / ratio, 24 / ratio}));
      if (shared) REQUIRE(count(block) == count(reference));
      const auto n = block->min_size();
      REQUIRE(n == 2 * ratio + 1);
      REQUIRE_NOTHROW(block(torch::randn({1, 3, n, n})));
      REQUIRE_THROWS_WITH(block(torch::randn({1, 3, n - 1, n - 1})), Catch::Contains("1x1"));
    }
  }
}

TEST_CASE("RFNA's ratios 4 and 2 prune: E and D2 remain, or E alone (section 4.3)", "[attention]") {
  torch::manual_seed(2);
  // By hand for 4 channels and expansion 2, depth-wise: a step D and its norm have 9 * 8 + 2 * 8 parameters.
  const std::int64_t main = 3 * 4 * 9 + 4 * 4 * 9 + 4 * 4, ends = 4 * 8 + 2 * 8 + 8 * 4, step_size = 9 * 8 + 2 * 8;
  for (const std::int64_t ratio : {2, 4}) {
    for (const bool shared : {true, false}) {
      Block block(Options(3, 4).stride(2).expansion(2).ratio(ratio).share_weights(shared));
      REQUIRE(count(block) == main + ends + (ratio == 4 ? step_size : 0));
      REQUIRE(block->branch->down2.is_empty() == (ratio == 2));
      REQUIRE(block->branch->down3.is_empty());
      REQUIRE(block->branch->steps() == (ratio == 4 ? 1 : 0));
      block->to(torch::kDouble);
      const auto x = torch::randn({2, 3, 50, 44}, torch::kDouble);
      const auto f = block->main(x);
      auto a = step(f, block->branch->expand->conv->weight, 2, 1);
      if (ratio == 4) a = step(a, block->branch->down2->conv->weight, 2, 8);
      a = at::upsample_bilinear2d(a, f.sizes().slice(2), true);
      a = torch::sigmoid(torch::conv2d(a, block->branch->project->weight) + f);
      REQUIRE_THAT(block(x), IsClose(f * a + f).rtol(1e-12).of_largest());  // float64 in another order
      Block copy(std::dynamic_pointer_cast<Block::Impl>(block->clone()));
      REQUIRE(torch::equal(copy(x), block(x)));
    }
  }
  // Without E's norm nothing of the branch is normalised, so any size will do for it.
  Block bare(Options(3, 4).stride(2).ratio(2).expand_norm(false));
  REQUIRE(bare->min_size() == 3);
  REQUIRE(bare->branch->min_size() == 1);
  REQUIRE_NOTHROW(bare(torch::randn({1, 3, 3, 3})));
  REQUIRE(Block(Options(3, 4).stride(2).ratio(2))->min_size() == 5);
  // With shared weights D3(D2(.)) has the parameters of D2 alone; by name they must not be mistaken for each other.
  const auto names = [](bool prune, bool shared) {
    return Block(Options(3, 4).ratio(4).prune_convolutions(prune).share_weights(shared))->named_parameters().keys();
  };
  const auto has = [](const std::vector<std::string>& keys, const char* name) {
    return std::count(keys.begin(), keys.end(), name) == 1;
  };
  for (const bool shared : {true, false}) {
    REQUIRE((has(names(true, shared), "down.conv.weight") && !has(names(true, shared), "down2.conv.weight")));
    REQUIRE((has(names(false, shared), "down2.conv.weight") && !has(names(false, shared), "down.conv.weight")));
  }
  // Ratios 8 and 1 have nothing to prune.
  for (const std::int64_t ratio : {1, 8}) REQUIRE(Block(Options(3, 4).ratio(ratio))->branch->steps() == 2);
}

TEST_CASE("RFNA's presets only set plain options", "[attention]") {
  REQUIRE(Options().released().table5() == Options());
  REQUIRE(Options().section33() == Options().expansion(4).share_weights(false));
  REQUIRE(
      Options().released() ==
      Options().ratio(1).expansion(4).share_weights(false).input(BranchInput::Input).expand_norm(false).residual(true));
  REQUIRE(c10::str(Block(Options(3, 4).input(BranchInput::Input))).find("input=input") != std::string::npos);
}

TEST_CASE("RFNA refuses impossible options with the values", "[attention]") {
  REQUIRE_THROWS_WITH(Block(Options(3, 4).ratio(3)), Catch::Contains("1, 2, 4 or 8, got 3"));
  REQUIRE_THROWS_WITH(Block(Options(3, 4).residual(true)), Catch::Contains("ratio=8"));
  REQUIRE_THROWS_WITH(Block(Options(3, 4).ratio(2).residual(true)), Catch::Contains("prune_convolutions=true"));
  REQUIRE_THROWS_WITH(Block(Options(3, 4).expansion(0)), Catch::Contains("expansion"));
}

}  // namespace attention_reverse_false_negative_attention_test

// SPDX-License-Identifier: MIT
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/gated_block.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/core/clone.hpp>
#include <pam/core/options_json.hpp>
#include <pam/nets/unet.hpp>

#include "support/bottleneck.hpp"
#include "support/gradcheck.hpp"
#include "support/tensor_matchers.hpp"

#include <set>

namespace attention_gated_block_test {

using namespace pam;
using pam::test::Bottleneck;
using pam::test::gradient_error;
using pam::test::IsClose;
using Fpa = GatedBlock<Bottleneck>;
using Rfna = GatedBlock<Bottleneck, ReverseFalseNegativeBranch>;

/// relu(norm(conv(x))) by LibTorch's own functions.
torch::Tensor step(const ConvNormAct& d, const torch::Tensor& x, std::int64_t stride, std::int64_t dilation) {
  const auto& w = d->conv->weight;
  const auto groups = x.size(1) / w.size(1);
  const auto y = torch::conv2d(x, w, {}, stride, dilation * (w.size(2) - 1) / 2, dilation, groups);
  return torch::relu(torch::instance_norm(y, d->norm->weight, d->norm->bias, {}, {}, true, 0.1, 1e-5, false));
}

/// Weights of every norm away from 1 and 0, so that a forgotten one shows.
void disturb(torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  for (auto& p : module.parameters()) {
    if (p.dim() == 1) p.add_(0.3 * torch::randn_like(p));
  }
}

/// A by equation 1.
torch::Tensor fpa_map(const FalsePositiveBranch& b, const torch::Tensor& x, std::int64_t stride) {
  auto a = torch::conv2d(x, b->expand->weight, {}, stride);
  for (int i = 0; i < 2; ++i) a = step(b->dilated, a, 1, b->options.dilation());
  return torch::sigmoid(torch::conv2d(a, b->project->weight));
}

/// A by equation 2, in the paper's order: upsampled before P.
torch::Tensor rfna_map(const ReverseFalseNegativeBranch& b, const torch::Tensor& f) {
  const auto a = step(b->down2, step(b->down2, step(b->expand, f, 2, 1), 2, 1), 2, 1);
  return torch::sigmoid(torch::conv2d(at::upsample_bilinear2d(a, f.sizes().slice(2), true), b->project->weight) + f);
}

TEST_CASE("GatedBlock over a bottleneck with BatchNorm is equation 1: Y = F * A + F, A from X", "[attention]") {
  torch::manual_seed(1);
  for (const std::int64_t stride : {1, 2}) {
    Fpa block(GatedBlockOptions<Bottleneck>(3, 4).stride(stride).branch(FalsePositiveBranchOptions().dilation(3)));
    block->to(torch::kDouble);
    disturb(*block);
    const auto x = torch::randn({2, 3, 23, 20}, torch::kDouble);
    for (const bool training : {true, false}) {
      block->train(training);
      const auto f = block->main(x), a = fpa_map(block->branch, x, stride);
      // The same operations in float64, in another order.
      REQUIRE_THAT(block->branch(x), IsClose(a).rtol(1e-12).of_largest());
      REQUIRE_THAT(block(x), IsClose(f * a + f).rtol(1e-12).of_largest());
    }
  }
}

TEST_CASE("GatedBlock with RFNA's branch is equation 2: A from F", "[attention]") {
  torch::manual_seed(2);
  Rfna block(Rfna::Impl::Options(3, 4).stride(2).branch(ReverseFalseNegativeBranchOptions().expansion(2)));
  block->to(torch::kDouble);
  disturb(*block);
  const auto x = torch::randn({2, 3, 50, 44}, torch::kDouble);
  const auto f = block->main(x), a = rfna_map(block->branch, f);
  // P(up(a)) = up(P(a)): both are linear; only float64 rounding remains.
  REQUIRE_THAT(block->branch(f), IsClose(a).rtol(1e-12).of_largest());
  REQUIRE_THAT(block(x), IsClose(f * a + f).rtol(1e-12).of_largest());
  block->options.identity(false);
  REQUIRE_THAT(block(x), IsClose(f * a).rtol(1e-12).of_largest());
}

TEST_CASE("GatedBlock<ConvBlock> computes what FPA and RFNA compute from the same weights", "[attention]") {
  torch::manual_seed(3);
  const auto x = torch::randn({2, 3, 40, 36});
  torch::manual_seed(4);
  FalsePositiveAttention fpa(FalsePositiveAttentionOptions(3, 4).stride(2));
  torch::manual_seed(4);
  GatedBlock<ConvBlock> gated(GatedBlockOptions<ConvBlock>(3, 4).stride(2));
  // One draws its last norm, ReLU and gate into one kernel: float32 rounding.
  REQUIRE_THAT(gated(x), IsClose(fpa(x)).rtol(1e-5).of_largest());

  using Gated = GatedBlock<ConvBlock, ReverseFalseNegativeBranch>;
  torch::manual_seed(5);
  ReverseFalseNegativeAttention rfna(ReverseFalseNegativeAttentionOptions(3, 4).stride(2));
  torch::manual_seed(5);
  Gated reverse(Gated::Impl::Options(3, 4).stride(2));
  REQUIRE_THAT(reverse(x), IsClose(rfna(x)).rtol(1e-5).of_largest());
  REQUIRE(reverse->min_size() == rfna->min_size());
  REQUIRE(gated->min_size() == 3);
}

TEST_CASE("GatedBlock's gradients equal finite differences in float64", "[attention][gradcheck]") {
  torch::manual_seed(6);
  Fpa block(GatedBlockOptions<Bottleneck>(2, 4).stride(2).branch(FalsePositiveBranchOptions().dilation(2)));
  block->to(torch::kDouble);
  auto x = torch::randn({2, 2, 13, 12}, torch::kDouble).requires_grad_();
  const auto weights = torch::randn_like(block(x));
  const auto f = [&] { return (block(x) * weights).sum(); };
  // The bounds of contracts.test.cpp: rounding leaves about 1e-7 at this step, a kink of a ReLU more, an error far
  // more.
  REQUIRE(gradient_error(f, x, 12, 1e-7) < 1e-4);
  for (auto& p : block->named_parameters()) {
    CAPTURE(p.key());
    REQUIRE(gradient_error(f, p.value(), 3, 1e-7) < 1e-4);
  }
}

TEST_CASE("GatedBlock's parameters and buffers carry the names of its two branches", "[attention]") {
  Fpa block(GatedBlockOptions<Bottleneck>(3, 4));
  std::set<std::string> names;
  for (const auto& p : block->named_parameters()) names.insert(p.key());
  for (const char* name : {"main.body.0.weight", "main.body.1.bias", "main.shortcut.0.weight", "branch.expand.weight",
                           "branch.dilated.conv.weight", "branch.dilated.norm.bias", "branch.project.weight"}) {
    CAPTURE(name);
    REQUIRE(names.count(name) == 1);
  }
  REQUIRE(block->named_buffers().contains("main.body.1.running_mean"));
}

TEST_CASE("a clone of GatedBlock owns its parameters and its running statistics", "[attention]") {
  torch::manual_seed(7);
  Fpa block(GatedBlockOptions<Bottleneck>(3, 4));
  const auto x = torch::randn({2, 3, 12, 12});
  block(x);  // moves the running statistics
  auto copy = typed_clone(block);
  block->eval(), copy->eval();
  const auto y = block(x).detach();
  REQUIRE(torch::equal(copy(x), y));
  block->train();
  block(3 * x + 1);
  {
    torch::NoGradGuard no_grad;
    for (auto& p : block->parameters()) p.add_(1);
  }
  REQUIRE(torch::equal(copy(x), y));
}

TEST_CASE("GatedBlock's options reach both branches, print, and round-trip through JSON", "[attention]") {
  const auto options =
      GatedBlockOptions<Bottleneck>(3, 4).stride(2).branch(FalsePositiveBranchOptions().dilation(5).expansion(2));
  Fpa block(options);
  REQUIRE(block->branch->options.dilation() == 5);
  REQUIRE(block->branch->options.out_channels() == 4);
  REQUIRE(block->main->options.stride() == 2);
  REQUIRE(c10::str(block).rfind("pam::GatedBlock(3, 4, stride=2, branch={dilation=5, expansion=2})", 0) == 0);
  GatedBlockOptions<Bottleneck> read;
  options_from_json(options_to_json(options), read, "test");
  REQUIRE(read == options);
  REQUIRE_THROWS_WITH(Fpa(GatedBlockOptions<Bottleneck>(3, 4).branch(FalsePositiveBranchOptions().expansion(0))),
                      Catch::Contains("expansion must be positive, got 0"));
}

TEST_CASE("in a U-Net GatedBlock reads the labels as its branch does", "[attention]") {
  REQUIRE(!UNetOptions<Fpa>().reversed());
  REQUIRE(UNetOptions<Rfna>().reversed());
}

/// A branch of somebody's own that forgets the stride.
struct StridelessImpl final : torch::nn::Cloneable<StridelessImpl> {
  using Options = ConvBlockOptions;
  explicit StridelessImpl(const Options& options_) : options(options_) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& x) { return torch::sigmoid(x.mean(1, true)).expand_as(x); }
  Options options;
};
TORCH_MODULE(Strideless);

TEST_CASE("GatedBlock refuses a branch of the wrong size with both shapes", "[attention]") {
  GatedBlock<Bottleneck, Strideless> block(GatedBlock<Bottleneck, Strideless>::Impl::Options(4, 4).stride(2));
  REQUIRE_THROWS_WITH(block(torch::randn({1, 4, 8, 8})),
                      Catch::Contains("F is [1, 4, 4, 4]") && Catch::Contains("A is [1, 4, 8, 8]"));
}

template <typename Block>
void check_parts_are_the_blocks_own() {
  Block block(typename Block::Impl::Options(3, 4));
  auto copy = typed_clone(block);
  block->to(torch::kDouble);
  // main's six and the branch's, under their old names: the branch itself is no child of the block.
  const auto own = block->named_parameters(), of_copy = copy->named_parameters();
  const auto branch = block->branch->named_parameters(), of_copied_branch = copy->branch->named_parameters();
  REQUIRE(own.size() == 6 + branch.size());
  for (const auto& p : branch) {
    CAPTURE(p.key());
    REQUIRE(p.value().scalar_type() == torch::kDouble);
    REQUIRE(own[p.key()].is_same(p.value()));
    REQUIRE(of_copy[p.key()].is_same(of_copied_branch[p.key()]));
    REQUIRE(!of_copied_branch[p.key()].is_same(p.value()));
  }
}

TEST_CASE("the branch of FPA and RFNA is moved and cloned with its block", "[attention]") {
  check_parts_are_the_blocks_own<FalsePositiveAttention>();
  check_parts_are_the_blocks_own<ReverseFalseNegativeAttention>();
}

}  // namespace attention_gated_block_test

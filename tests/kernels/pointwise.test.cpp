// SPDX-License-Identifier: MIT
#include <pam/core/autocast.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/pointwise.hpp>

#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

namespace kernels_pointwise_test {

using namespace pam;
using namespace pam::test;

constexpr auto kPlanes = at::MemoryFormat::Contiguous, kPixels = at::MemoryFormat::ChannelsLast;

TEST_CASE("a 1x1 convolution between layouts equals the convolution, forward and backward, in float64", "[kernels]") {
  const SeedScope seed(7);
  for (const auto from : {kPlanes, kPixels}) {
    for (const auto to : {kPlanes, kPixels}) {
      for (const std::int64_t stride : {1, 2, 3}) {
        for (const auto& shape : std::vector<std::vector<std::int64_t>>{{2, 5, 7, 6}, {1, 3, 1, 9}, {3, 1, 4, 4}}) {
          CAPTURE(from, to, stride, shape);
          const auto x = torch::randn(shape, torch::kDouble).contiguous(from).requires_grad_();
          const auto w = torch::randn({4, shape[1], 1, 1}, torch::kDouble).requires_grad_();
          const auto y = kernels::pointwise_to(x, w, stride, to);
          const auto expected = torch::conv2d(x, w, {}, stride);
          REQUIRE(y.is_contiguous(to));
          // Sums of five products: rounding alone.
          REQUIRE_THAT(y, IsClose(expected).atol(1e-14));
          const auto dy = torch::randn_like(y);
          const auto got = torch::autograd::grad({y}, {x, w}, {dy}, /*retain_graph=*/true);
          const auto wanted = torch::autograd::grad({expected}, {x, w}, {dy}, /*retain_graph=*/true);
          REQUIRE_THAT(got[0], IsClose(wanted[0]).atol(1e-13));
          REQUIRE_THAT(got[1], IsClose(wanted[1]).atol(1e-13));
          REQUIRE(got[0].is_contiguous(from));
          // The gradient of the gradient: here with respect to w, through x's.
          const auto second = [&](const torch::Tensor& output) {
            const auto dx = torch::autograd::grad({output}, {x}, {dy}, true, /*create_graph=*/true)[0];
            return torch::autograd::grad({dx.square().sum()}, {w})[0];
          };
          REQUIRE_THAT(second(y), IsClose(second(expected)).atol(1e-12));
        }
      }
    }
  }
}

TEST_CASE("a 1x1 convolution between layouts computes in its input's type, float32 weights or not", "[kernels]") {
  const SeedScope seed(8);
  const auto x = torch::randn({2, 8, 5, 6}).to(torch::kBFloat16).contiguous(kPixels).requires_grad_();
  const auto w = torch::randn({4, 8, 1, 1}).requires_grad_();
  const AutocastScope autocast(torch::kCPU);
  const auto y = kernels::pointwise_to(x, w, 1, kPlanes);
  REQUIRE(y.scalar_type() == torch::kBFloat16);
  // bf16 keeps 8 bits: 0.4 % of sums of eight products of size 1, and of their operands.
  REQUIRE_THAT(
      y.to(torch::kFloat),
      IsClose(torch::conv2d(x.to(torch::kDouble), w.to(torch::kDouble)).to(torch::kFloat)).rtol(0.02).atol(0.05));
  y.sum().backward();
  REQUIRE(w.grad().scalar_type() == torch::kFloat);
  REQUIRE(x.grad().scalar_type() == torch::kBFloat16);
  REQUIRE(x.grad().is_contiguous(kPixels));
}

/// Random, with the strides of channels-last. (`contiguous(kPixels)` leaves one channel, or one pixel, as it is, and
/// LibTorch takes such strides for those of planes.)
torch::Tensor as_pixels(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  return torch::empty_strided({n, c, h, w}, {c * h * w, 1, c * w, c}).normal_();
}

TEST_CASE("strided 1x1 convolutions of few channels-last channels have right gradients", "[kernels]") {
  // oneDNN's own gradient writes past its buffers here (seen as a corrupted heap): sizes and number of repetitions are
  // those that brought it out, for channels-last pixels and for planes under channels-last weights.
  const SeedScope seed(9);
  for (const std::int64_t channels : {1, 4, 8, 15, 16, 24}) {
    for (const std::int64_t side : {80, 40, 20, 9}) {
      for (const std::int64_t outputs : {1, 12, 64}) {
        for (const bool pixels : {true, false}) {
          CAPTURE(channels, side, outputs, pixels);
          const auto x =
              (pixels ? as_pixels(3, channels, side, side) : torch::randn({3, channels, side, side})).requires_grad_();
          const auto w = (as_pixels(outputs, channels, 1, 1) / 8).requires_grad_();
          const auto y = kernels::pointwise(x, w, 2);
          const auto dy = torch::randn_like(y);
          const auto got = torch::autograd::grad({y}, {x, w}, {dy}, /*retain_graph=*/true, /*create_graph=*/true);
          const auto xd = x.detach().to(torch::kDouble).requires_grad_();
          const auto wd = w.detach().to(torch::kDouble).requires_grad_();
          const auto expected = torch::conv2d(xd, wd, {}, 2);
          const auto wanted = torch::autograd::grad({expected}, {xd, wd}, {dy.to(torch::kDouble)},
                                                    /*retain_graph=*/true, /*create_graph=*/true);
          // The gradient of the gradient, as a gradient penalty takes it.
          const auto second = torch::autograd::grad({got[0].square().mean()}, {w})[0];
          REQUIRE_THAT(second,
                       IsClose(torch::autograd::grad({wanted[0].square().mean()}, {wd})[0]).rtol(1e-4).atol(1e-5));
          REQUIRE_THAT(y.detach(), IsClose(expected.detach().to(torch::kFloat)).rtol(1e-5).atol(1e-5));
          REQUIRE_THAT(got[0].detach(), IsClose(wanted[0].detach().to(torch::kFloat)).rtol(1e-5).atol(1e-5));
          // Sums of up to 4800 products of size 1 in float32.
          REQUIRE_THAT(got[1].detach(), IsClose(wanted[1].detach().to(torch::kFloat)).rtol(1e-4).atol(1e-3));
        }
      }
    }
  }
}

}  // namespace kernels_pointwise_test

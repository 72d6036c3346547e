// SPDX-License-Identifier: MIT
#include <pam/core/autocast.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/depthwise_step.hpp>

#include "kernels/kernel_check.hpp"

namespace kernels_depthwise_step_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

constexpr double kEps = 1e-5;

/// The definition, written with nothing but slices and sums.
torch::Tensor by_hand(const Tensors& t, std::int64_t stride, std::int64_t dilation) {
  const auto &x = t[0], &conv = t[1];
  const auto h = (x.size(2) + stride - 1) / stride, w = (x.size(3) + stride - 1) / stride;
  const auto padded = torch::constant_pad_nd(x, {dilation, dilation, dilation, dilation});
  auto sum = torch::zeros({x.size(0), x.size(1), h, w}, x.options());
  for (std::int64_t k = 0; k < 9; ++k) {
    const auto y = k / 3 * dilation, z = k % 3 * dilation;
    const auto seen =
        padded.slice(2, y, y + stride * (h - 1) + 1, stride).slice(3, z, z + stride * (w - 1) + 1, stride);
    sum = sum + seen * conv.select(1, 0).select(1, k / 3).select(1, k % 3).view({1, -1, 1, 1});
  }
  const auto mean = sum.mean({2, 3}, true), variance = (sum - mean).pow(2).mean({2, 3}, true);
  return torch::relu((sum - mean) / (variance + kEps).sqrt() * t[2].view({1, -1, 1, 1}) + t[3].view({1, -1, 1, 1}));
}

TEST_CASE("a depth-wise step equals its definition in float64, gradients included", "[kernels]") {
  const SeedScope seed(41);
  for (const auto storage : storages()) {
    for (const auto& [stride, dilation] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {2, 1}, {2, 3}, {3, 1}}) {
      const auto x = stored(torch::randn({2, 5, 9, 8}), storage);
      // No tap near 0: tests/kernels/dilated_branch.test.cpp says why.
      const auto taps = torch::randn({5, 1, 3, 3});
      const Tensors inputs{x, taps * 0.4 + taps.sign() * 0.2, torch::rand({5}) + 0.5, torch::randn({5}) * 0.3};
      const auto direction = torch::randn({2, 5, (9 + stride - 1) / stride, (8 + stride - 1) / stride});
      CAPTURE(static_cast<int>(storage), stride, dilation);
      for (const auto backend : {Backend::Reference, Backend::Fused}) {
        require_matches_float64(
            [&, s = stride, d = dilation](const Tensors& t) {
              return kernels::depthwise_step(t[0], {t[1], t[2], t[3]}, s, d, kEps, backend);
            },
            [&, s = stride, d = dilation](const Tensors& t) { return by_hand(t, s, d); }, inputs, direction,
            1e-4);  // float32 sums of up to 72 numbers, divided by standard deviations of about 1
      }
    }
  }
}

// LibTorch 1.13 to 2.15 computes other weight gradients for channels-last tensors, or crashes; as large as these, and
// in bfloat16 only.
TEST_CASE("a dilated step in bfloat16 has right gradients in both layouts", "[kernels]") {
  const SeedScope seed(42);
  const auto round = [](const torch::Tensor& x) { return x.to(torch::kBFloat16); };
  const auto x = round(torch::randn({2, 16, 32, 33})), direction = round(torch::randn({2, 16, 32, 33}));
  const auto conv = round(torch::randn({16, 1, 3, 3})), w = torch::rand({16}) + 0.5, b = torch::randn({16}) * 0.3;
  const auto expected =
      output_and_gradients([](const Tensors& t) { return by_hand(t, 1, 9); }, as_double({x, conv, w, b}), direction);
  for (const auto of_input : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const auto of_weights : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      for (const bool cast : {true, false}) {  // tensors of bfloat16, or of float32 under autocast
        for (const auto backend : {Backend::Reference, Backend::Fused}) {
          const auto type = cast ? torch::kBFloat16 : torch::kFloat;
          const AutocastScope mixed(torch::kCPU, torch::kBFloat16, /*enabled=*/!cast);
          const Tensors inputs{x.to(type).contiguous(of_input), pam::detail::with_strides_of(conv.to(type), of_weights),
                               w, b};
          const auto actual = output_and_gradients(
              [=](const Tensors& t) {
                return kernels::depthwise_step(t[0], {t[1], t[2], t[3]}, 1, 9, kEps, backend);
              },
              inputs, direction);
          for (std::size_t i = 0; i < actual.size(); ++i) {
            CAPTURE(i, static_cast<int>(of_input), static_cast<int>(of_weights), cast, static_cast<int>(backend));
            // A few roundings to 8 bits, and masks of the ReLU that they turn. Wrong gradients are off by their size.
            const auto apart = (actual[i].to(torch::kDouble) - expected[i]).norm() / expected[i].norm();
            REQUIRE(apart.item<double>() < 0.05);
          }
        }
      }
    }
  }
}

}  // namespace kernels_depthwise_step_test

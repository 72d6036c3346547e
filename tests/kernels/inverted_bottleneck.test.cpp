// SPDX-License-Identifier: MIT
#include <pam/core/autocast.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/inverted_bottleneck.hpp>

#include "kernels/kernel_check.hpp"
#include "support/gradcheck.hpp"

#include <cmath>

namespace kernels_inverted_bottleneck_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

constexpr double kEps = 1e-5;
constexpr auto kPixels = at::MemoryFormat::ChannelsLast;

struct Sizes {
  std::int64_t samples, in, height, width, expanded, out, stride;
};

/// x, E, then conv, weight and bias of both steps, and P.
Tensors inputs_of(const Sizes& s, std::uint64_t seed_ = 3) {
  const SeedScope seed(seed_);
  const auto m = s.expanded;
  Tensors t{torch::randn({s.samples, s.in, s.height, s.width}).contiguous(kPixels),
            torch::randn({m, s.in, 1, 1}) / std::sqrt(static_cast<double>(s.in))};
  for (int step = 0; step < 2; ++step) {
    // No tap near 0: see dilated_branch.test.cpp.
    const auto taps = torch::randn({m, 1, 3, 3});
    t.push_back(taps * 0.4 + taps.sign() * 0.2);
    t.push_back(torch::randn({m}));
    t.push_back(torch::randn({m}) * 0.3 + 0.2);
  }
  t.push_back(torch::randn({s.out, m, 1, 1}) / std::sqrt(static_cast<double>(m)));
  return t;
}

torch::Tensor bottleneck(const Tensors& t, std::int64_t stride, std::int64_t dilation,
                         Backend backend = Backend::Fused) {
  return kernels::inverted_bottleneck(t[0], {t[1], stride, {t[2], t[3], t[4]}, {t[5], t[6], t[7]}, dilation, t[8]},
                                      kEps, backend);
}

// Channels that fill no vector, panels of every width, one pixel high or wide, planes smaller than the dilation, sides
// that no block of pixels divides, more pixels than one block of P has.
const std::vector<Sizes> kSizes{{2, 3, 7, 5, 12, 3, 1},      {1, 5, 1, 37, 17, 4, 1},    {1, 16, 33, 1, 64, 16, 1},
                                {3, 32, 20, 20, 128, 32, 1}, {1, 32, 41, 27, 40, 10, 2}, {2, 4, 9, 13, 272, 68, 2},
                                {1, 20, 23, 19, 48, 112, 3}, {1, 8, 2, 3, 8, 8, 1}};

// Norms multiply float32's roundings, which P averages again: 1e-5 of the largest entry; any term left out is 1e-2.
TEST_CASE("the fused inverted bottleneck equals the float64 reference", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const torch::NoGradGuard no_grad;
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& s : kSizes) {
      for (const std::int64_t dilation : {1, 4, 9, 50}) {
        CAPTURE(static_cast<int>(isa), s.in, s.height, s.width, s.expanded, s.out, s.stride, dilation);
        const auto t = inputs_of(s);
        const auto y = bottleneck(t, s.stride, dilation);
        REQUIRE(y.is_contiguous(kPixels));
        REQUIRE_THAT(y, IsClose(bottleneck(as_double(t), s.stride, dilation)).rtol(1e-5).of_largest());
      }
    }
  }
}

// The norm must subtract the mean before it squares. x and the taps are multiples of powers of two, so that E and the
// convolution are exact in float32 and only the norm's own rounding is left: the inputs' float32 spacing at 100 is
// 7.6e-6, a thousandth of the deviation 0.01, and the shift of the norm is rounded to it.
TEST_CASE("the fused inverted bottleneck normalises planes of mean 100 and deviation 0.01", "[kernels]") {
  const torch::NoGradGuard no_grad;
  auto t = inputs_of({1, 16, 24, 24, 32, 16, 1});
  const SeedScope seed(4);
  t[0] = ((torch::randn(t[0].sizes()) * 0.01 * 4096).round() / 4096 + 100).contiguous(kPixels);
  t[1] = torch::eye(16).repeat({2, 1}).view({32, 16, 1, 1});
  t[2] = torch::zeros_like(t[2]);
  t[2].select(2, 1).select(2, 1).fill_(1);
  const auto expected = bottleneck(as_double(t), 1, 9);
  REQUIRE_THAT(bottleneck(t, 1, 9), IsClose(expected).rtol(1e-3).of_largest());
}

TEST_CASE("the fused inverted bottleneck depends neither on threads nor on the batch, bit for bit", "[kernels]") {
  const torch::NoGradGuard no_grad;
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    const auto t = inputs_of({3, 20, 27, 22, 72, 40, 2});
    const auto expected = bottleneck(t, 2, 3);
    for (const int threads : {1, 2, 4}) {
      const ThreadScope some(threads);
      REQUIRE(torch::equal(bottleneck(t, 2, 3), expected));
      for (std::int64_t sample = 0; sample < 3; ++sample) {
        auto alone = t;
        alone[0] = t[0].slice(0, sample, sample + 1).contiguous(kPixels);
        REQUIRE(torch::equal(bottleneck(alone, 2, 3), expected.slice(0, sample, sample + 1)));
      }
    }
  }
}

Expression expression(std::int64_t stride, std::int64_t dilation, Backend backend) {
  return [=](const Tensors& t) { return bottleneck(t, stride, dilation, backend); };
}

torch::Tensor direction_of(const Sizes& s) {
  const SeedScope seed(6);
  const auto out = [&](std::int64_t side) { return (side + s.stride - 1) / s.stride; };
  return torch::randn({s.samples, s.out, out(s.height), out(s.width)}).contiguous(kPixels);
}

// As for the dilated branch alone: two norms multiply float32's roundings, 1e-4 of each tensor's largest entry.
TEST_CASE("the fused inverted bottleneck has the gradients of the float64 reference", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& s : kSizes) {
      for (const std::int64_t dilation : {1, 9}) {
        CAPTURE(static_cast<int>(isa), s.in, s.height, s.width, s.expanded, s.out, s.stride, dilation);
        require_matches_float64(expression(s.stride, dilation, Backend::Fused),
                                expression(s.stride, dilation, Backend::Reference), inputs_of(s), direction_of(s),
                                1e-4);
      }
    }
  }
}

TEST_CASE("gradients of the fused inverted bottleneck are the same on any number of threads", "[kernels]") {
  const Sizes s{3, 20, 27, 22, 72, 40, 2};
  require_deterministic(expression(2, 3, Backend::Fused), inputs_of(s), direction_of(s));
}

TEST_CASE("a gradient of the fused inverted bottleneck's gradient is the reference's", "[kernels]") {
  const auto inputs = inputs_of({1, 3, 7, 8, 12, 3, 1});
  const auto actual = first_and_second_gradients(expression(1, 2, Backend::Fused), inputs);
  const auto expected = first_and_second_gradients(expression(1, 2, Backend::Reference), as_double(inputs));
  // Two passes of float32 autograd through two norms: 1e-3 of the largest entry; a gradient counted twice is 1.
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    REQUIRE_THAT(actual[i], IsClose(expected[i]).rtol(1e-3).of_largest());
  }
}

TEST_CASE("steps of the inverted bottleneck that share their weights receive the sum of both gradients", "[kernels]") {
  const auto all = inputs_of({2, 16, 12, 11, 40, 16, 1});
  const Tensors inputs{all[0], all[1], all[2], all[3], all[4], all[8]};
  const auto shared = [](Backend backend) {
    return [=](const Tensors& t) {
      return bottleneck({t[0], t[1], t[2], t[3], t[4], t[2], t[3], t[4], t[5]}, 1, 3, backend);
    };
  };
  require_matches_float64(shared(Backend::Fused), shared(Backend::Reference), inputs,
                          direction_of({2, 16, 12, 11, 40, 16, 1}), 1e-4);
}

TEST_CASE("the inverted bottleneck leaves other tensors to its three kernels", "[kernels]") {
  const auto t = inputs_of({2, 6, 11, 10, 24, 6, 2});
  const torch::NoGradGuard no_grad;
  const auto expected = bottleneck(as_double(t), 2, 3);
  auto planes = t;
  planes[0] = t[0].contiguous();
  REQUIRE_THAT(bottleneck(planes, 2, 3), IsClose(expected).rtol(1e-5).of_largest());
  auto none = t;
  none[0] = t[0].slice(0, 0, 0);
  REQUIRE(bottleneck(none, 2, 3).sizes() == torch::IntArrayRef({0, 6, 6, 5}));
  const AutocastScope autocast(torch::kCPU);
  REQUIRE(bottleneck(t, 2, 3).scalar_type() == torch::kBFloat16);
}

TEST_CASE("the float64 reference of the inverted bottleneck has the gradients of finite differences", "[kernels]") {
  auto inputs = as_double(inputs_of({1, 2, 5, 6, 3, 2, 1}));
  for (auto& input : inputs) input.requires_grad_();
  const auto direction = torch::randn({1, 2, 5, 6}, torch::kDouble);
  const auto f = [&] { return (bottleneck(inputs, 1, 2) * direction).sum(); };
  for (const auto& input : inputs) REQUIRE(gradient_error(f, input) < 1e-6);
}

TEST_CASE("the fused inverted bottleneck lets NaN through", "[kernels]") {
  const torch::NoGradGuard no_grad;
  auto t = inputs_of({1, 16, 20, 20, 64, 16, 1});
  t[0][0][3][5][7] = std::nan("");
  REQUIRE(bottleneck(t, 1, 9).isnan().any().item<bool>());
}

}  // namespace kernels_inverted_bottleneck_test

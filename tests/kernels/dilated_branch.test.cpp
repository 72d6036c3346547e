// SPDX-License-Identifier: MIT
#include <pam/core/seed.hpp>
#include <pam/kernels/dilated_branch.hpp>

#include "kernels/kernel_check.hpp"
#include "support/gradcheck.hpp"

namespace kernels_dilated_branch_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

constexpr double kEps = 1e-5;

/// x, then conv, weight, bias of the first step and of the second.
struct Problem {
  Problem(const std::vector<std::int64_t>& shape, Storage storage, torch::ScalarType type = torch::kFloat,
          std::uint64_t seed_ = 5) {
    const SeedScope seed(seed_);
    const auto c = shape[1];
    inputs.push_back(stored((torch::randn(shape) + 0.4).to(type), storage));
    for (int step = 0; step < 2; ++step) {
      // No tap near 0: where it is a channel's only one inside (dilation 50), the norm's variance would fall to eps and
      // the tap's gradient be a difference of terms 1 / sqrt(eps) times as large, which float32 does not resolve.
      const auto taps = torch::randn({c, 1, 3, 3});
      inputs.push_back(taps * 0.4 + taps.sign() * 0.2);
      inputs.push_back(torch::randn({c}));
      inputs.push_back(torch::randn({c}) * 0.3 + 0.2);
    }
    direction = stored(torch::randn(shape).to(type), storage);
  }
  Tensors inputs;
  torch::Tensor direction;
};

Expression branch(Backend backend, std::int64_t dilation) {
  return [=](const Tensors& t) {
    return kernels::dilated_branch(t[0], {t[1], t[2], t[3]}, {t[4], t[5], t[6]}, dilation, kEps, backend);
  };
}

/// FPA's table5 preset: both steps share their weights.
Expression shared_branch(Backend backend, std::int64_t dilation) {
  return [=](const Tensors& t) {
    const kernels::DepthwiseStep step{t[1], t[2], t[3]};
    return kernels::dilated_branch(t[0], step, step, dilation, kEps, backend);
  };
}

// Two norms in a row multiply float32's roundings; 1e-4 of the largest entry is still a thousandth of any term left
// out.
TEST_CASE("the fused dilated branch equals the float64 reference, output and all seven gradients", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& shape : awkward_shapes()) {
      for (const auto storage : storages()) {
        for (const std::int64_t dilation : {1, 2, 9, 50}) {  // 50: every tap but the middle ones lies outside
          const Problem p(shape, storage);
          CAPTURE(static_cast<int>(isa), shape, static_cast<int>(storage), dilation);
          require_matches_float64(branch(Backend::Fused, dilation), branch(Backend::Reference, dilation), p.inputs,
                                  p.direction, 1e-4);
        }
      }
    }
  }
}

TEST_CASE("shared weights of the dilated branch receive the sum of both steps' gradients", "[kernels]") {
  const Problem p({2, 17, 20, 13}, Storage::Contiguous);
  const Tensors inputs(p.inputs.begin(), p.inputs.begin() + 4);
  require_matches_float64(shared_branch(Backend::Fused, 3), shared_branch(Backend::Reference, 3), inputs, p.direction,
                          1e-4);
}

// The output is rounded to 2^-9. Masks of ReLUs may flip where a bfloat16 x is exact in both: they do not, since both
// sides read the same x and compute at least in float32.
TEST_CASE("a gradient of the fused dilated branch's gradient is the reference's, weights shared or not", "[kernels]") {
  const Problem p({1, 3, 7, 8}, Storage::Contiguous);
  const Tensors shared(p.inputs.begin(), p.inputs.begin() + 4);
  for (const auto& [fused, reference, inputs] :
       {std::tuple{branch(Backend::Fused, 2), branch(Backend::Reference, 2), p.inputs},
        std::tuple{shared_branch(Backend::Fused, 2), shared_branch(Backend::Reference, 2), shared}}) {
    const auto actual = first_and_second_gradients(fused, inputs);
    const auto expected = first_and_second_gradients(reference, as_double(inputs));
    // Two passes of float32 autograd through two norms: 1e-3 of the largest entry; a gradient counted twice is 1.
    for (std::size_t i = 0; i < actual.size(); ++i) {
      CAPTURE(i);
      REQUIRE_THAT(actual[i], IsClose(expected[i]).rtol(1e-3).of_largest());
    }
  }
}

TEST_CASE("the fused dilated branch on bfloat16 equals the float64 reference to bfloat16's rounding", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto storage : storages()) {
    const Problem p({2, 18, 14, 11}, storage, torch::kBFloat16);
    require_matches_float64(branch(Backend::Fused, 4), branch(Backend::Reference, 4), p.inputs, p.direction, 6e-3);
  }
}

TEST_CASE("the float64 reference of the dilated branch has the gradients of finite differences", "[kernels]") {
  const Problem p({2, 2, 6, 5}, Storage::Contiguous);
  auto inputs = as_double(p.inputs);
  for (auto& input : inputs) input.requires_grad_();
  const auto f = [&] { return (branch(Backend::Fused, 2)(inputs) * p.direction.to(torch::kDouble)).sum(); };
  for (const auto& input : inputs) REQUIRE(gradient_error(f, input) < 1e-6);
}

TEST_CASE("the fused dilated branch is the same on any number of threads, bit for bit", "[kernels]") {
  for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
    const Problem p({3, 40, 24, 21}, storage);
    require_deterministic(branch(Backend::Fused, 9), p.inputs, p.direction);
  }
}

TEST_CASE("the fused dilated branch keeps its layout and leaves zero batches and float64 to the reference",
          "[kernels]") {
  Problem p({2, 5, 6, 7}, Storage::ChannelsLast);
  const auto all = output_and_gradients(branch(Backend::Fused, 2), p.inputs, p.direction);
  REQUIRE(all[0].is_contiguous(at::MemoryFormat::ChannelsLast));
  REQUIRE(all[1].is_contiguous(at::MemoryFormat::ChannelsLast));
  const auto wide = as_double(p.inputs);
  REQUIRE(torch::equal(branch(Backend::Fused, 2)(wide), branch(Backend::Reference, 2)(wide)));
  p.inputs[0] = p.inputs[0].slice(0, 0, 0);
  REQUIRE(branch(Backend::Fused, 2)(p.inputs).sizes() == p.inputs[0].sizes());
}

// Nothing is saved between planes: a plane's scratch must be as clean for the tenth as for the first.
TEST_CASE("planes of the dilated branch do not see each other", "[kernels]") {
  Problem p({1, 10, 11, 10}, Storage::Contiguous);
  const ThreadScope one_thread(1);
  const auto all = branch(Backend::Fused, 4)(p.inputs);
  for (std::int64_t c = 0; c < 10; ++c) {
    Tensors alone;
    alone.push_back(p.inputs[0].slice(1, c, c + 1).contiguous());
    for (std::size_t i = 1; i < p.inputs.size(); ++i) alone.push_back(p.inputs[i].slice(0, c, c + 1).contiguous());
    REQUIRE(torch::equal(branch(Backend::Fused, 4)(alone), all.slice(1, c, c + 1)));
  }
}

}  // namespace kernels_dilated_branch_test

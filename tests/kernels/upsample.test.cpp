// SPDX-License-Identifier: MIT
#include <pam/core/seed.hpp>
#include <pam/kernels/upsample.hpp>

#include "kernels/kernel_check.hpp"
#include "support/gradcheck.hpp"

namespace kernels_upsample_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

Expression concat_with(Backend backend) {
  return [=](const Tensors& t) { return kernels::upsample_concat(t[0], t[1], backend); };
}
Expression gate_with(Backend backend, bool identity) {
  return [=](const Tensors& t) { return kernels::upsample_gate(t[0], t[1], t[2], identity, backend); };
}
/// RFNA's case: the shortcut is the features themselves.
Expression own_gate_with(Backend backend) {
  return [=](const Tensors& t) { return kernels::upsample_gate(t[0], t[1], t[0], true, backend); };
}

struct Sizes {
  std::int64_t n, c, skip, h, w, height, width;
};

/// Exact doubling, odd sizes, ratio 8, one pixel high or wide, one pixel to many, one side kept.
std::vector<Sizes> all_sizes() {
  return {{2, 3, 5, 4, 6, 8, 12}, {1, 17, 16, 5, 7, 9, 13}, {2, 16, 1, 3, 3, 17, 20},   {1, 4, 3, 1, 5, 1, 11},
          {1, 2, 2, 6, 1, 13, 1}, {2, 3, 4, 1, 1, 6, 5},    {1, 20, 8, 20, 20, 40, 40}, {1, 5, 2, 7, 4, 7, 9}};
}

Tensors problem(const Sizes& s, Storage storage, bool gate, torch::ScalarType type = torch::kFloat) {
  const SeedScope seed(3);
  const auto random = [&](std::vector<std::int64_t> shape) { return stored(torch::randn(shape).to(type), storage); };
  const auto small = random({s.n, s.c, s.h, s.w});
  if (!gate) return {small, random({s.n, s.skip, s.height, s.width}), random({s.n, s.c + s.skip, s.height, s.width})};
  const std::vector<std::int64_t> large{s.n, s.c, s.height, s.width};
  return {random(large), small, random(large), random(large)};
}

/// The last tensor is the direction.
void compare(const Expression& fused, const Expression& reference, Tensors tensors, double bound) {
  const auto direction = tensors.back();
  tensors.pop_back();
  require_matches_float64(fused, reference, tensors, direction, bound);
}

// Four products and a sigmoid: 1e-5 of the largest entry is some twenty roundings of the longest sum (49 terms).
TEST_CASE("fused upsample + concat equals the float64 reference, output and gradients", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& s : all_sizes()) {
      for (const auto storage : storages()) {
        CAPTURE(static_cast<int>(isa), s.h, s.w, s.height, s.width, static_cast<int>(storage));
        compare(concat_with(Backend::Fused), concat_with(Backend::Reference), problem(s, storage, false), 1e-5);
      }
    }
  }
}

TEST_CASE("fused upsample + gate equals the float64 reference, output and gradients", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& s : all_sizes()) {
      for (const auto storage : storages()) {
        CAPTURE(static_cast<int>(isa), s.h, s.w, s.height, s.width, static_cast<int>(storage));
        for (const bool identity : {true, false}) {
          compare(gate_with(Backend::Fused, identity), gate_with(Backend::Reference, identity),
                  problem(s, storage, true), 1e-5);
        }
        auto own = problem(s, storage, true);
        own.erase(own.begin() + 2);
        compare(own_gate_with(Backend::Fused), own_gate_with(Backend::Reference), own, 1e-5);
      }
    }
  }
}

// One rounding to bfloat16 is 2^-9 of an entry.
TEST_CASE("fused upsampling on bfloat16 equals the float64 reference to bfloat16's rounding", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto storage : storages()) {
    const Sizes s{2, 5, 4, 5, 6, 11, 12};
    compare(concat_with(Backend::Fused), concat_with(Backend::Reference), problem(s, storage, false, torch::kBFloat16),
            6e-3);
    compare(gate_with(Backend::Fused, true), gate_with(Backend::Reference, true),
            problem(s, storage, true, torch::kBFloat16), 6e-3);
  }
}

TEST_CASE("the float64 references of upsampling have the gradients of finite differences", "[kernels]") {
  for (const bool gate : {false, true}) {
    auto inputs = as_double(problem({1, 2, 3, 3, 4, 7, 8}, Storage::Contiguous, gate));
    const auto direction = inputs.back();
    inputs.pop_back();
    for (auto& input : inputs) input.requires_grad_();
    const auto expression = gate ? gate_with(Backend::Fused, true) : concat_with(Backend::Fused);
    const auto f = [&] { return (expression(inputs) * direction).sum(); };
    for (const auto& input : inputs) REQUIRE(gradient_error(f, input) < 1e-6);
  }
}

TEST_CASE("fused upsampling is the same on any number of threads, bit for bit", "[kernels]") {
  for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
    for (const bool gate : {false, true}) {
      auto inputs = problem({2, 16, 8, 20, 20, 40, 40}, storage, gate);
      const auto direction = inputs.back();
      inputs.pop_back();
      require_deterministic(gate ? gate_with(Backend::Fused, true) : concat_with(Backend::Fused), inputs, direction);
    }
  }
}

TEST_CASE("upsampling leaves equal sizes, smaller ones, zero batches and float64 to the reference", "[kernels]") {
  const auto same = [](const Tensors& t) {
    REQUIRE(torch::equal(concat_with(Backend::Fused)(t), concat_with(Backend::Reference)(t)));
  };
  same({torch::randn({1, 2, 5, 5}), torch::randn({1, 3, 5, 5})});
  same({torch::randn({1, 2, 9, 9}), torch::randn({1, 3, 5, 5})});
  same(as_double({torch::randn({1, 2, 3, 3}), torch::randn({1, 3, 5, 5})}));
  REQUIRE(kernels::upsample_gate(torch::randn({0, 2, 4, 4}), torch::randn({0, 2, 4, 4}), torch::randn({0, 2, 4, 4}),
                                 true, Backend::Fused)
              .sizes() == at::IntArrayRef({0, 2, 4, 4}));
}

TEST_CASE("a gradient of fused upsampling's gradient is the reference's", "[kernels]") {
  // RFNA's case again: the logits come from the features too, so the features' gradient has three parts.
  const auto rfna_with = [](Backend backend) {
    return Expression([=](const Tensors& t) {
      const auto logits = torch::avg_pool2d(t[0], 2).mul(t[1]);
      return kernels::upsample_gate(t[0], logits, t[0], true, backend);
    });
  };
  auto concat = problem({1, 2, 2, 3, 3, 6, 7}, Storage::Contiguous, false);
  auto own = problem({1, 2, 2, 3, 3, 6, 7}, Storage::Contiguous, true);
  concat.pop_back();
  own.resize(2);
  // Float32 through cubes of sums: 1e-4 of the largest entry.
  for (const auto& [fused, reference, inputs] :
       {std::tuple{concat_with(Backend::Fused), concat_with(Backend::Reference), concat},
        std::tuple{own_gate_with(Backend::Fused), own_gate_with(Backend::Reference), own},
        std::tuple{rfna_with(Backend::Fused), rfna_with(Backend::Reference), own}}) {
    const auto actual = first_and_second_gradients(fused, inputs);
    const auto expected = first_and_second_gradients(reference, as_double(inputs));
    for (std::size_t i = 0; i < actual.size(); ++i) {
      CAPTURE(i);
      REQUIRE_THAT(actual[i], IsClose(expected[i]).rtol(1e-4).of_largest());
    }
  }
}

}  // namespace kernels_upsample_test

// SPDX-License-Identifier: MIT
#include <pam/core/seed.hpp>
#include <pam/kernels/instance_norm.hpp>

#include "kernels/kernel_check.hpp"
#include "support/gradcheck.hpp"

namespace kernels_instance_norm_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

constexpr double kEps = 1e-5;

struct Problem {
  Problem(const std::vector<std::int64_t>& shape, Storage storage, torch::ScalarType type = torch::kFloat) {
    const SeedScope seed(11);
    const auto random = [&] { return stored(torch::randn(shape).to(type), storage); };
    // A mean away from 0 and weights of both signs, so that no term of the formulas cancels by accident.
    x = stored((torch::randn(shape) * 2 + 0.7).to(type), storage);
    weight = torch::randn({shape[1]}), bias = torch::randn({shape[1]}) * 0.3;
    logits = random(), direction = random();
  }
  torch::Tensor x, weight, bias, logits, direction;
};

Expression relu_with(Backend backend) {
  return [=](const Tensors& t) { return kernels::instance_norm_relu(t[0], t[1], t[2], kEps, backend); };
}

Expression gate_with(Backend backend, bool identity) {
  return [=](const Tensors& t) {
    return kernels::instance_norm_relu_gate(t[0], t[1], t[2], kEps, t[3], identity, backend);
  };
}

// float32 over at most 5e3 values per plane: 2e-5 of the largest entry is about 100 roundings.
TEST_CASE("fused instance norm + ReLU equals the float64 reference, output and gradients", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& shape : awkward_shapes()) {
      for (const auto storage : storages()) {
        const Problem p(shape, storage);
        CAPTURE(static_cast<int>(isa), shape, static_cast<int>(storage));
        require_matches_float64(relu_with(Backend::Fused), relu_with(Backend::Reference), {p.x, p.weight, p.bias},
                                p.direction, 2e-5);
        for (const bool identity : {true, false}) {
          require_matches_float64(gate_with(Backend::Fused, identity), gate_with(Backend::Reference, identity),
                                  {p.x, p.weight, p.bias, p.logits}, p.direction, 2e-5);
        }
      }
    }
  }
}

// bfloat16 holds 8 bits: one rounding of the output is 2^-9; the gradient's own sums are float32.
TEST_CASE("fused instance norm on bfloat16 equals the float64 reference to bfloat16's rounding", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  for (const auto storage : storages()) {
    const Problem p({2, 17, 13, 11}, storage, torch::kBFloat16);
    CAPTURE(static_cast<int>(storage));
    require_matches_float64(relu_with(Backend::Fused), relu_with(Backend::Reference), {p.x, p.weight, p.bias},
                            p.direction, 6e-3);
    require_matches_float64(gate_with(Backend::Fused, true), gate_with(Backend::Reference, true),
                            {p.x, p.weight, p.bias, p.logits}, p.direction, 6e-3);
  }
}

TEST_CASE("the float64 reference of instance norm + ReLU + gate has the gradients of finite differences", "[kernels]") {
  const Problem p({2, 3, 5, 4}, Storage::Contiguous);
  auto inputs = as_double({p.x, p.weight, p.bias, p.logits});
  for (auto& input : inputs) input.requires_grad_();
  const auto f = [&] { return (gate_with(Backend::Fused, true)(inputs) * p.direction.to(torch::kDouble)).sum(); };
  for (const auto& input : inputs) REQUIRE(gradient_error(f, input) < 1e-6);
}

// The mean is 1e4 standard deviations away: E[x^2] - E[x]^2 would lose every digit in float32. The inputs themselves
// are rounded to 1e-3 of a deviation, equally for both sides.
TEST_CASE("fused instance norm keeps its digits where the mean is large", "[kernels]") {
  for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
    Problem p({2, 16, 31, 30}, storage);
    p.x = stored(p.x + 2e4, storage);
    const auto y = kernels::instance_norm_relu(p.x, p.weight, p.bias, kEps, Backend::Fused);
    const auto inputs = as_double({p.x, p.weight, p.bias});
    // The mean rounds to 1e-3 too (float32 of 2e4), which is 5e-4 of a deviation of 2.
    REQUIRE_THAT(y, IsClose(relu_with(Backend::Reference)(inputs)).rtol(2e-3).of_largest());
  }
}

// The kernel's rough mean comes from a plane's front, and the deviations from it correct it. 2e-5: as above.
TEST_CASE("fused instance norm keeps its digits where a plane's front is unlike the rest", "[kernels]") {
  for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
    for (const double front : {0.0, 300.0}) {
      Problem p({2, 16, 40, 30}, storage);
      p.x.slice(2, 0, 10).fill_(front);
      CAPTURE(static_cast<int>(storage), front);
      require_matches_float64(relu_with(Backend::Fused), relu_with(Backend::Reference), {p.x, p.weight, p.bias},
                              p.direction, 2e-5);
    }
  }
}

TEST_CASE("fused instance norm is the same on any number of threads, bit for bit", "[kernels]") {
  for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
    const Problem p({3, 24, 40, 41}, storage);
    require_deterministic(relu_with(Backend::Fused), {p.x, p.weight, p.bias}, p.direction);
    require_deterministic(gate_with(Backend::Fused, true), {p.x, p.weight, p.bias, p.logits}, p.direction);
  }
}

TEST_CASE("fused instance norm keeps the layout of its input", "[kernels]") {
  const Problem p({2, 5, 6, 7}, Storage::ChannelsLast);
  const auto all = output_and_gradients(relu_with(Backend::Fused), {p.x, p.weight, p.bias}, p.direction);
  REQUIRE(all[0].is_contiguous(at::MemoryFormat::ChannelsLast));
  REQUIRE(all[1].is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST_CASE("fused instance norm lets NaN through", "[kernels]") {
  Problem p({1, 2, 6, 6}, Storage::Contiguous);
  p.x.index_put_({0, 1, 2, 3}, std::nan(""));
  const auto y = kernels::instance_norm_relu(p.x, p.weight, p.bias, kEps, Backend::Fused);
  REQUIRE(y.select(1, 1).isnan().all().item<bool>());
  REQUIRE_FALSE(y.select(1, 0).isnan().any().item<bool>());
}

TEST_CASE("a batch of zero samples, float64 and broadcast logits take the reference", "[kernels]") {
  const Problem p({2, 3, 6, 5}, Storage::Contiguous);
  const auto none = p.x.slice(0, 0, 0);
  REQUIRE(kernels::instance_norm_relu(none, p.weight, p.bias, kEps, Backend::Fused).sizes() == none.sizes());
  const auto wide = as_double({p.x, p.weight, p.bias});
  REQUIRE(torch::equal(relu_with(Backend::Fused)(wide), relu_with(Backend::Reference)(wide)));
  const Tensors broadcast{p.x, p.weight, p.bias, p.logits.slice(1, 0, 1)};
  REQUIRE(torch::equal(gate_with(Backend::Fused, true)(broadcast), gate_with(Backend::Reference, true)(broadcast)));
}

TEST_CASE("an input given away is overwritten only where nobody else sees it and no gradient is wanted", "[kernels]") {
  const Problem p({2, 3, 6, 5}, Storage::Contiguous);
  const auto expected = kernels::instance_norm_relu(p.x, p.weight, p.bias, kEps, Backend::Fused);
  {
    auto owned = p.x.clone();
    const auto* memory = owned.data_ptr();
    const auto y = kernels::instance_norm_relu(std::move(owned), p.weight, p.bias, kEps, Backend::Fused);
    REQUIRE(y.data_ptr() == memory);
    REQUIRE(torch::equal(y, expected));
  }
  {
    auto shared = p.x.clone();
    const auto other = shared;
    REQUIRE(
        torch::equal(kernels::instance_norm_relu(std::move(shared), p.weight, p.bias, kEps, Backend::Fused), expected));
    REQUIRE(torch::equal(other, p.x));
  }
  {
    auto base = p.x.clone();
    auto view = base.view(base.sizes());
    REQUIRE(
        torch::equal(kernels::instance_norm_relu(std::move(view), p.weight, p.bias, kEps, Backend::Fused), expected));
    REQUIRE(torch::equal(base, p.x));
  }
  {
    auto owned = p.x.clone();
    const auto weight = p.weight.clone().requires_grad_();
    kernels::instance_norm_relu(std::move(owned), weight, p.bias, kEps, Backend::Fused).sum().backward();
    const auto wide = as_double({p.x, p.weight, p.bias});
    const auto leaf = wide[1].requires_grad_();
    relu_with(Backend::Reference)({wide[0], leaf, wide[2]}).sum().backward();
    REQUIRE_THAT(weight.grad(), IsClose(leaf.grad()).rtol(2e-5).of_largest());
  }
}

TEST_CASE("a gradient of the fused kernel's gradient is the reference's", "[kernels]") {
  const Problem p({1, 2, 5, 6}, Storage::Contiguous);
  const auto second = [&](const Expression& f, const Tensors& inputs) {
    Tensors leaves;
    for (const auto& input : inputs) leaves.push_back(input.clone().requires_grad_());
    const auto y = f(leaves);
    const auto first = torch::autograd::grad({(y * y).sum()}, {leaves[0]}, {}, true, /*create_graph=*/true);
    return torch::autograd::grad({first[0].pow(2).sum()}, leaves);
  };
  const Tensors inputs{p.x, p.weight, p.bias, p.logits};
  const auto actual = second(gate_with(Backend::Fused, true), inputs);
  const auto expected = second(gate_with(Backend::Reference, true), as_double(inputs));
  // Two passes of float32 autograd through rstd^2: 1e-4 of the largest entry.
  for (std::size_t i = 0; i < actual.size(); ++i) REQUIRE_THAT(actual[i], IsClose(expected[i]).rtol(1e-4).of_largest());
}

TEST_CASE("set_backend reaches every module that calls kernels, and undoes", "[kernels]") {
  struct UserImpl : torch::nn::Module, kernels::BackendUser {};
  struct HolderImpl : torch::nn::Module {
    HolderImpl() { user = register_module("user", std::make_shared<UserImpl>()); }
    std::shared_ptr<UserImpl> user;
  };
  HolderImpl* raw = nullptr;
  const auto holder = std::make_shared<HolderImpl>();
  raw = holder.get();
  REQUIRE(raw->user->backend() == kernels::default_backend());
  kernels::set_backend(*holder, Backend::Reference);
  REQUIRE(raw->user->backend() == Backend::Reference);
  kernels::set_backend(*holder, std::nullopt);
  REQUIRE(raw->user->backend() == kernels::default_backend());
}

}  // namespace kernels_instance_norm_test

// SPDX-License-Identifier: MIT
/// What the kernels' tests share: shapes that break loops, layouts, and the comparison with float64.
#pragma once

#include <pam/kernels/detail/dispatch.hpp>

#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

#include <algorithm>
#include <functional>
#include <vector>

namespace pam::test {

/// Odd sides, one pixel high or wide, one channel, channels that fill no vector, and sizes the networks have.
inline std::vector<std::vector<std::int64_t>> awkward_shapes() {
  return {{2, 3, 7, 5}, {1, 1, 9, 9}, {2, 5, 1, 37}, {1, 17, 33, 1}, {3, 16, 20, 20}, {1, 33, 40, 24}, {1, 4, 67, 81}};
}

/// Dense in both layouts, and a slice of something larger, which is dense in none.
enum class Storage { Contiguous, ChannelsLast, Strided };
inline std::vector<Storage> storages() { return {Storage::Contiguous, Storage::ChannelsLast, Storage::Strided}; }

inline torch::Tensor stored(const torch::Tensor& x, Storage storage) {
  if (storage == Storage::Contiguous) return x.contiguous();
  if (storage == Storage::ChannelsLast) return x.contiguous(at::MemoryFormat::ChannelsLast);
  auto wider = torch::zeros({x.size(0), x.size(1), x.size(2), 2 * x.size(3) + 1}, x.options());
  auto view = wider.slice(3, 1, c10::nullopt, 2);
  view.copy_(x);
  return view;
}

/// The instruction sets of this machine, so that one run covers every compiled copy of a loop.
inline std::vector<kernels::cpu::Isa> instruction_sets() {
  using kernels::cpu::Isa;
  const auto best = kernels::cpu::detect_isa();
  if (best == Isa::None) return {};
  return best == Isa::Avx512 ? std::vector<Isa>{Isa::Avx2, Isa::Avx512} : std::vector<Isa>{best};
}

class IsaScope {
 public:
  explicit IsaScope(kernels::cpu::Isa isa) : before_(kernels::cpu::isa()) { kernels::cpu::isa() = isa; }
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;
  ~IsaScope() { kernels::cpu::isa() = before_; }

 private:
  kernels::cpu::Isa before_;
};

class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
  ~ThreadScope() { at::set_num_threads(before_); }

 private:
  int before_;
};

using Tensors = std::vector<torch::Tensor>;
using Expression = std::function<torch::Tensor(const Tensors&)>;

/// Output and gradients (of sum(output * direction)) of an expression, on leaves made from `inputs`. The leaves keep
/// the inputs' strides.
inline Tensors output_and_gradients(const Expression& f, const Tensors& inputs, const torch::Tensor& direction) {
  Tensors leaves;
  for (const auto& input : inputs) leaves.push_back(input.detach().requires_grad_());
  const auto y = f(leaves);
  auto result = torch::autograd::grad({y}, leaves, {direction.to(y.device(), y.scalar_type())});
  result.insert(result.begin(), y.detach());
  return result;
}

/// The gradients of sum(f^3) under create_graph, then those of the sum of their squares, as a gradient penalty takes
/// them.
inline Tensors first_and_second_gradients(const Expression& f, const Tensors& inputs) {
  Tensors leaves, result;
  for (const auto& input : inputs) leaves.push_back(input.detach().clone().requires_grad_());
  result = torch::autograd::grad({f(leaves).pow(3).sum()}, leaves, {}, true, /*create_graph=*/true);
  auto penalty = torch::zeros({}, inputs[0].options());
  for (auto& gradient : result) penalty = penalty + gradient.pow(2).sum(), gradient = gradient.detach();
  for (const auto& gradient : torch::autograd::grad({penalty}, leaves)) result.push_back(gradient);
  return result;
}

/// On the CPU, where no kernel of a GPU has part in what is expected.
inline Tensors as_double(const Tensors& tensors) {
  Tensors result;
  for (const auto& t : tensors) result.push_back(t.detach().to(torch::kCPU, torch::kDouble).contiguous());
  return result;
}

/// `fused` on `inputs` against `reference` on the same numbers in float64: output and every gradient, to `bound` times
/// the largest expected entry of each tensor. A tenth of that is allowed on the scale of the largest of all tensors: a
/// gradient may be a sum that cancels exactly (a norm undoes the scale of a kernel's only tap), and then has no scale.
inline void require_matches_float64(const Expression& fused, const Expression& reference, const Tensors& inputs,
                                    const torch::Tensor& direction, double bound) {
  const auto actual = output_and_gradients(fused, inputs, direction);
  const auto expected = output_and_gradients(reference, as_double(inputs), direction.to(torch::kDouble));
  double largest = 0;
  for (const auto& e : expected) largest = std::max(largest, e.abs().max().item<double>());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    INFO((i == 0 ? std::string("the output") : "the gradient of input " + std::to_string(i - 1)));
    REQUIRE_THAT(actual[i], IsClose(expected[i]).rtol(bound).atol(bound * 0.1 * largest).of_largest());
  }
}

/// Bitwise equal results on one thread, two threads and again.
inline void require_deterministic(const Expression& fused, const Tensors& inputs, const torch::Tensor& direction) {
  Tensors first;
  for (const int threads : {1, 2, 2}) {
    const ThreadScope scope(threads);
    const auto now = output_and_gradients(fused, inputs, direction);
    if (first.empty()) first = now;
    for (std::size_t i = 0; i < now.size(); ++i) REQUIRE(torch::equal(now[i], first[i]));
  }
}

}  // namespace pam::test

// SPDX-License-Identifier: MIT
/// Multiply-accumulate operations and the values they read and write, counted from what LibTorch executes, not from
/// what a module should execute.
#pragma once

#include <pam/kernels/backend.hpp>

#include <torch/library.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace pam::bench {

namespace detail {

// A dispatch key that nothing uses but LibTorch's own tests: operations that reach it can be watched and passed on.
// (RecordFunction, made for this, has another layout in LibTorch than in programs that are compiled without NDEBUG.)
inline constexpr auto kWatchKey = c10::DispatchKey::TESTING_ONLY_GenericMode;

inline thread_local std::int64_t executed_macs = 0, touched_values = 0;

/// convolution(input, weight, bias, stride, padding, dilation, …): each output value takes (input channels / groups) *
/// kernel products, whatever the algorithm.
inline std::int64_t convolution_macs(const torch::jit::Stack& stack, std::size_t first) {
  const auto x = stack[first].toTensor(), weight = stack[first + 1].toTensor();
  const auto stride = stack[first + 3].toIntVector(), padding = stack[first + 4].toIntVector();
  const auto dilation = stack[first + 5].toIntVector();
  auto macs = x.size(0) * weight.numel();
  for (std::int64_t i = 0; i < x.dim() - 2; ++i) {
    const auto at = [&](const std::vector<std::int64_t>& list) { return list[list.size() == 1 ? 0 : i]; };
    const auto covered = at(dilation) * (weight.size(i + 2) - 1) + 1;
    macs *= (x.size(i + 2) + 2 * at(padding) - covered) / at(stride) + 1;
  }
  return macs;
}

/// A matrix product: the left operand's entries times the right one's columns.
inline std::int64_t product_macs(const torch::jit::Stack& stack, std::size_t left) {
  return stack[left].toTensor().numel() * stack[left + 1].toTensor().size(-1);
}

/// Counts one operation and passes it on.
inline void watch(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto first = stack->size() - op.schema().arguments().size();
  const auto& name = op.schema().name();
  const auto left = first + (name == "aten::addmm" || name == "aten::baddbmm" ? 1 : 0);
  executed_macs += name == "aten::convolution" ? convolution_macs(*stack, first) : product_macs(*stack, left);
  touched_values += (*stack)[left].toTensor().numel() + (*stack)[left + 1].toTensor().numel();
  {
    const c10::impl::ExcludeDispatchKeyGuard pass_on(kWatchKey);
    op.callBoxed(stack);
  }
  touched_values += stack->back().toTensor().numel();
}

}  // namespace detail

/// What `count_work` finds.
struct Work {
  std::int64_t macs = 0;    ///< multiply-accumulates
  std::int64_t values = 0;  ///< entries of the operands and results of the same operations, each counted once
};

/// The work of the convolutions and matrix products that `run` executes on this thread. Norms, activations and resizing
/// are not counted, as is usual. Runs with the reference kernels, whose operations LibTorch sees; the fused ones
/// compute the same products. One thread at a time.
inline Work count_work(const std::function<void()>& run) {
  torch::Library others(torch::Library::IMPL, "_", detail::kWatchKey, __FILE__, __LINE__);
  others.fallback(torch::CppFunction::makeFallthrough());
  torch::Library products(torch::Library::IMPL, "aten", detail::kWatchKey, __FILE__, __LINE__);
  for (const auto* name : {"convolution", "mm", "bmm", "addmm", "baddbmm"}) {
    products.impl(name, torch::CppFunction::makeFromBoxedFunction<&detail::watch>());
  }
  struct Reference {  // puts the backend back, also where `run` throws
    kernels::Backend before = kernels::default_backend();
    Reference() { kernels::set_default_backend(kernels::Backend::Reference); }
    ~Reference() { kernels::set_default_backend(before); }
  } reference;
  detail::executed_macs = detail::touched_values = 0;
  const c10::impl::IncludeDispatchKeyGuard watched(detail::kWatchKey);
  run();
  return {detail::executed_macs, detail::touched_values};
}

/// The multiply-accumulates alone.
inline std::int64_t count_macs(const std::function<void()>& run) { return count_work(run).macs; }

}  // namespace pam::bench

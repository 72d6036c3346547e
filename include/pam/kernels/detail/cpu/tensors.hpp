// SPDX-License-Identifier: MIT
/// Which tensors the CPU kernels take, in which layout, and how work is split over threads.
#pragma once

#include <pam/core/memory_format.hpp>
#include <pam/kernels/detail/cpu/simd.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <new>

namespace pam::kernels::cpu {

/// Dense float32 or bfloat16 (N, C, H, W) on the CPU, not empty, not traced (a trace would miss a kernel's writes).
inline bool takes(const torch::Tensor& x) {
  return isa() != Isa::None && x.defined() && x.device().is_cpu() && x.layout() == torch::kStrided && x.dim() == 4 &&
         x.numel() > 0 && (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16) &&
         !c10::impl::tls_is_dispatch_key_included(c10::DispatchKey::Tracer);
}

/// True where every tensor is of `x`'s type and on its device.
template <typename... Tensors>
bool alike(const torch::Tensor& x, const Tensors&... others) {
  return ((others.defined() && others.scalar_type() == x.scalar_type() && others.device() == x.device() &&
           others.layout() == torch::kStrided) &&
          ...);
}

/// True where every tensor is a row of one real number per channel of x, on x's device.
template <typename... Tensors>
bool rows_of(const torch::Tensor& x, const Tensors&... rows) {
  return ((rows.defined() && rows.dim() == 1 && rows.size(0) == x.size(1) && rows.device() == x.device() &&
           rows.is_floating_point()) &&
          ...);
}

/// A row of per-channel parameters as float32, whatever the module's type.
inline torch::Tensor float_row(const torch::Tensor& row) { return row.detach().to(torch::kFloat).contiguous(); }

/// `f(first, last)` over [0, count) on LibTorch's threads; one item touches `floats_per_item` numbers. How the range is
/// split does not change results: no kernel adds across items inside `f`. Not a template: its loop is compiled once.
inline void parallel(std::int64_t count, std::int64_t floats_per_item,
                     const std::function<void(std::int64_t, std::int64_t)>& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, floats_per_item));
  at::parallel_for(0, count, grain, f);
}

/// Sums float32 (items, n) over the items, in order and in float64: the same on any number of threads.
inline torch::Tensor ordered_sum(const torch::Tensor& parts) {
  const auto items = parts.size(0), n = parts.size(1);
  auto result = torch::empty({n}, parts.options());
  const auto* from = parts.data_ptr<float>();
  auto* to = result.data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::int64_t item = 0; item < items; ++item) sum += from[item * n + i];
    to[i] = static_cast<float>(sum);
  }
  return result;
}

/// Calls `f` with a null pointer of the tensor's element type.
template <typename F>
auto with_element(const torch::Tensor& x, const F& f) {
  return x.scalar_type() == torch::kFloat ? f(static_cast<float*>(nullptr)) : f(static_cast<at::BFloat16*>(nullptr));
}

/// Uninitialised floats of one thread, aligned for vectors.
class Scratch {
 public:
  explicit Scratch(std::int64_t floats)
      : data_(floats == 0
                  ? nullptr
                  : static_cast<float*>(::operator new(static_cast<std::size_t>(floats) * sizeof(float), kAlignment))) {
  }
  [[nodiscard]] float* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* p) const { ::operator delete(p, kAlignment); }
  };
  std::unique_ptr<float, Free> data_;
};

}  // namespace pam::kernels::cpu

// SPDX-License-Identifier: MIT
/// Sigmoid and the soft Dice sums in one pass on the CPU, and their gradient in another.
#pragma once

#include <pam/kernels/detail/cpu/elements.hpp>
#include <pam/kernels/detail/cpu/tensors.hpp>

#include <vector>

namespace pam::kernels::cpu {

namespace detail {

/// Numbers summed in float32 before float64 takes over; also the unit of work of a thread.
inline constexpr std::int64_t kDiceChunk = 4096;

struct DiceSums {
  static PAM_INLINE void run(const float* logits, const float* target, std::int64_t n, float* sums) {
    float both = 0, prediction = 0, truth = 0;
    PAM_SIMD_SUM(both, prediction, truth) for (std::int64_t i = 0; i < n; ++i) {
      const float p = sigmoid(logits[i]), t = target[i];
      both += p * t;
      prediction += p;
      truth += t;
    }
    sums[0] = both, sums[1] = prediction, sums[2] = truth;
  }
};

/// d(logits) = (g0 * t + g1) * p * (1 - p); `out` may be the logits.
struct DiceGradient {
  static PAM_INLINE void run(const float* logits, const float* target, std::int64_t n, float g0, float g1, float* out) {
    PAM_SIMD for (std::int64_t i = 0; i < n; ++i) {
      const float p = sigmoid(logits[i]);
      out[i] = (g0 * target[i] + g1) * p * (1.f - p);
    }
  }
};

}  // namespace detail

/// logits dense, target float32 and dense in the same order -> (3) float32.
inline torch::Tensor dice_sums(const torch::Tensor& logits, const torch::Tensor& target) {
  const auto n = logits.numel(), chunks = (n + detail::kDiceChunk - 1) / detail::kDiceChunk;
  const auto parts = torch::empty({chunks, 3}, target.options());
  auto* sums = parts.data_ptr<float>();
  const auto* t = target.data_ptr<float>();
  const Elements x(logits);
  parallel(chunks, detail::kDiceChunk, [&](std::int64_t first, std::int64_t last) {
    const Scratch values(x.scratch(detail::kDiceChunk));
    for (auto i = first; i < last; ++i) {
      const auto at = i * detail::kDiceChunk, count = std::min(detail::kDiceChunk, n - at);
      vectorized<detail::DiceSums>(x.read(at, count, values.data()), t + at, count, sums + 3 * i);
    }
  });
  return ordered_sum(parts);
}

/// d(logits) from the gradient (3) of the sums.
inline torch::Tensor dice_sums_backward(const torch::Tensor& logits, const torch::Tensor& target,
                                        const torch::Tensor& gradient) {
  auto out = torch::empty_like(logits);
  const auto n = logits.numel(), chunks = (n + detail::kDiceChunk - 1) / detail::kDiceChunk;
  const auto g = gradient.to(torch::kFloat).contiguous();
  const float g0 = g.data_ptr<float>()[0], g1 = g.data_ptr<float>()[1];
  const auto* t = target.data_ptr<float>();
  const Elements x(logits), to(out);
  parallel(chunks, detail::kDiceChunk, [&](std::int64_t first, std::int64_t last) {
    const Scratch values(x.scratch(detail::kDiceChunk));
    for (auto i = first; i < last; ++i) {
      const auto at = i * detail::kDiceChunk, count = std::min(detail::kDiceChunk, n - at);
      auto* written = to.write(at, values.data());
      vectorized<detail::DiceGradient>(x.read(at, count, values.data()), t + at, count, g0, g1, written);
      to.finish(at, count, written);
    }
  });
  return out;
}

}  // namespace pam::kernels::cpu

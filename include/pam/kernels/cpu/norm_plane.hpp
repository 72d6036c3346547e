// SPDX-License-Identifier: MIT
/// Loops over one contiguous (sample, channel) plane of an instance norm: statistics, ReLU(norm), the gate, gradients.
/// A plane is read from memory once; the second and third pass find it in the cache.
#pragma once

#include <pam/kernels/cpu/simd.hpp>

#include <cmath>

namespace pam::kernels::cpu {

/// Mean and 1 / sqrt(biased variance + eps) of a plane.
struct Moments {
  float mean, rstd;
};

/// relu(norm(x)) = relu(x * scale + shift).
struct Affine {
  float scale, shift;
};
PAM_INLINE Affine affine_of(Moments m, float weight, float bias) {
  const float scale = weight * m.rstd;
  return {scale, bias - m.mean * scale};
}

/// Partial sums this long stay in float32, their total is float64: 1e6 pixels lose no digits.
inline constexpr std::int64_t kSumChunk = 4096;

template <typename T>
PAM_INLINE Moments moments_of(const T* x, std::int64_t n, float eps) {
  double total = 0, squares = 0;
  for (std::int64_t start = 0; start < n; start += kSumChunk) {
    const auto end = start + kSumChunk < n ? start + kSumChunk : n;
    float sum = 0;
    PAM_SIMD_SUM(sum) for (std::int64_t i = start; i < end; ++i) sum += load(x + i);
    total += sum;
  }
  const auto mean = static_cast<float>(total / static_cast<double>(n));
  for (std::int64_t start = 0; start < n; start += kSumChunk) {
    const auto end = start + kSumChunk < n ? start + kSumChunk : n;
    float sum = 0;
    PAM_SIMD_SUM(sum) for (std::int64_t i = start; i < end; ++i) {
      const float d = load(x + i) - mean;
      sum += d * d;
    }
    squares += sum;
  }
  return {mean, 1.f / std::sqrt(static_cast<float>(squares / static_cast<double>(n)) + eps)};
}

/// y = relu(norm(x)), times (sigmoid(logits) + identity) where `Gated`. x may be y.
template <typename T, bool Gated>
struct NormPlane {
  static PAM_INLINE void run(const T* x, const T* logits, T* y, std::int64_t n, float weight, float bias, float eps,
                             float identity, Moments* moments) {
    const auto m = moments_of(x, n, eps);
    *moments = m;
    const auto a = affine_of(m, weight, bias);
    PAM_SIMD for (std::int64_t i = 0; i < n; ++i) {
      const float f = relu(load(x + i) * a.scale + a.shift);
      store(y + i, Gated ? f * (sigmoid(load(logits + i)) + identity) : f);
    }
  }
};

/// Gradients of NormPlane; `sums` receives those of weight and bias. `kept` holds n floats, used where `Gated`.
///     dx = weight * rstd * (g - mean(g) - xhat * mean(g * xhat)),   g = dF where F > 0, else 0
template <typename T, bool Gated>
struct NormPlaneBackward {
  static PAM_INLINE void run(const T* x, const T* logits, const T* dy, T* dx, T* dlogits, std::int64_t n, float weight,
                             float bias, float identity, Moments m, float* kept, float* sums) {
    const auto a = affine_of(m, weight, bias);
    double total = 0, total_xhat = 0;
    for (std::int64_t start = 0; start < n; start += kSumChunk) {
      const auto end = start + kSumChunk < n ? start + kSumChunk : n;
      float sum = 0, sum_xhat = 0;
      PAM_SIMD_SUM(sum, sum_xhat) for (std::int64_t i = start; i < end; ++i) {
        const float v = load(x + i), f = relu(v * a.scale + a.shift);
        float g = load(dy + i);
        if (Gated) {
          const float s = sigmoid(load(logits + i));
          store(dlogits + i, g * f * s * (1.f - s));
          g *= s + identity;
        }
        g = f > 0.f ? g : 0.f;
        if (Gated) kept[i] = g;
        sum += g;
        sum_xhat += g * ((v - m.mean) * m.rstd);
      }
      total += sum;
      total_xhat += sum_xhat;
    }
    sums[0] = static_cast<float>(total_xhat);
    sums[1] = static_cast<float>(total);
    // dx = scale * g - slope * x - offset, with xhat written out.
    const auto mean_xhat = static_cast<float>(total_xhat / static_cast<double>(n));
    const auto mean_g = static_cast<float>(total / static_cast<double>(n));
    const float slope = a.scale * mean_xhat * m.rstd;
    PAM_SIMD for (std::int64_t i = 0; i < n; ++i) {
      const float v = load(x + i);
      const float g = Gated ? kept[i] : (v * a.scale + a.shift > 0.f ? load(dy + i) : 0.f);
      store(dx + i, a.scale * (g - mean_g) - slope * (v - m.mean));
    }
  }
};

}  // namespace pam::kernels::cpu

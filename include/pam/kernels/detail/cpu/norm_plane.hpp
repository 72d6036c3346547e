// SPDX-License-Identifier: MIT
/// Loops over one contiguous (sample, channel) plane of an instance norm: statistics, ReLU(norm), the gate, gradients.
/// A plane is read from memory once; the second and third pass find it in the cache.
#pragma once

#include <pam/kernels/detail/cpu/simd.hpp>

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
  // The difference in float64: where the mean is large, the product's rounding would shift the whole plane.
  return {scale, static_cast<float>(static_cast<double>(bias) - static_cast<double>(m.mean) * scale)};
}

/// Partial sums of this length are float32, their total is float64, so that 1e6 pixels lose no digits. Each float32
/// adds up about 64 values: with 1e3 and more, the rounding error of a deep net's output doubles.
inline constexpr std::int64_t kSumChunk = PAM_SUMS_IN_LANES ? 4096 : 64;

/// Mean and 1 / sqrt(variance + eps) of x[0, n), which may be followed by zeros up to x[end): the vectors' last one.
/// First a rough mean, of the first quarter; then the sums of the deviations from it and of their squares, which
/// correct it (Chan, Golub, LeVeque 1983, the corrected two-pass algorithm). So digits do not depend on the size of the
/// mean, nor on how many lanes a compiler adds in: sanitizers leave it one, and a plain sum of 1e3 values of 2e4 is
/// off by up to 1e-6 of itself. Nor on which quarter: the mean of any lies within two deviations of the mean of all.
/// `fill(rough)` makes the zeros deviate by nothing.
template <typename T, typename Fill>
PAM_INLINE Moments moments_of(const T* x, std::int64_t n, std::int64_t end, float eps, const Fill& fill) {
  const auto quarter = (end + 255) / 256 * 64;
  const auto few = quarter < end ? quarter : end;
  double total = 0;
  for (std::int64_t start = 0; start < few; start += kSumChunk) {
    const auto stop = start + kSumChunk < few ? start + kSumChunk : few;
    float sum = 0;
    PAM_SIMD_SUM(sum) for (std::int64_t i = start; i < stop; ++i) sum += load(x + i);
    total += sum;
  }
  const auto rough = static_cast<float>(total / static_cast<double>(few < n ? few : n));
  fill(rough);
  double deviations = 0, squares = 0;
  for (std::int64_t start = 0; start < end; start += kSumChunk) {
    const auto stop = start + kSumChunk < end ? start + kSumChunk : end;
    float sum = 0, square = 0;
    PAM_SIMD_SUM(sum, square) for (std::int64_t i = start; i < stop; ++i) {
      const float d = load(x + i) - rough;
      sum += d;
      square += d * d;
    }
    deviations += sum, squares += square;
  }
  const double shift = deviations / static_cast<double>(n);
  const double variance = squares / static_cast<double>(n) - shift * shift;
  const auto positive = variance < 0 ? 0.f : static_cast<float>(variance);  // lets NaN through
  return {static_cast<float>(rough + shift), 1.f / std::sqrt(positive + eps)};
}

template <typename T>
PAM_INLINE Moments moments_of(const T* x, std::int64_t n, float eps) {
  return moments_of(x, n, n, eps, [](float) {});
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

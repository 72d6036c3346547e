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

/// 1 / sqrt(variance + eps), and NaN where the squares overflowed float32: 0 would make the plane constant, and a net
/// whose activations are too large would give a mask as if nothing had happened. (By bits: -ffast-math decides
/// comparisons with infinity beforehand.)
PAM_INLINE float rstd_of(float variance, float eps) {
  return bits_of(variance) == 0x7f800000u ? from_bits(0x7fc00000u) : 1.f / std::sqrt(variance + eps);
}

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

/// Mean and 1 / sqrt(variance + eps) of x[0, n), which may be followed by zeros up to x[end): the vectors' last one,
/// which is written to by `tail` = x + n (null where end is n). First a rough mean, of the first quarter; then the sums
/// of the deviations from it and of their squares, which correct it (Chan, Golub, LeVeque 1983, the corrected two-pass
/// algorithm). So digits do not depend on the size of the mean, nor on how many lanes a compiler adds in: sanitizers
/// leave it one, and a plain sum of 1e3 values of 2e4 is off by up to 1e-6 of itself. Nor on which quarter: the mean of
/// any lies within two deviations of the mean of all. The tail is set to the rough mean, so that it deviates by
/// nothing.
struct PlaneMoments {
  static PAM_INLINE void run(const float* x, std::int64_t n, std::int64_t end, float* tail, float eps,
                             Moments* moments) {
    const auto quarter = (end + 255) / 256 * 64;
    const auto few = quarter < end ? quarter : end;
    double total = 0;
    for (std::int64_t start = 0; start < few; start += kSumChunk) {
      const auto stop = start + kSumChunk < few ? start + kSumChunk : few;
      float sum = 0;
      PAM_SIMD_SUM(sum) for (std::int64_t i = start; i < stop; ++i) sum += x[i];
      total += sum;
    }
    const auto rough = static_cast<float>(total / static_cast<double>(few < n ? few : n));
    for (std::int64_t i = 0; i < end - n; ++i) tail[i] = rough;
    double deviations = 0, squares = 0;
    for (std::int64_t start = 0; start < end; start += kSumChunk) {
      const auto stop = start + kSumChunk < end ? start + kSumChunk : end;
      float sum = 0, square = 0;
      PAM_SIMD_SUM(sum, square) for (std::int64_t i = start; i < stop; ++i) {
        const float d = x[i] - rough;
        sum += d;
        square += d * d;
      }
      deviations += sum, squares += square;
    }
    const double shift = deviations / static_cast<double>(n);
    const double variance = squares / static_cast<double>(n) - shift * shift;
    const auto positive = variance < 0 ? 0.f : static_cast<float>(variance);  // lets NaN through
    *moments = {static_cast<float>(rough + shift), rstd_of(positive, eps)};
  }
};

/// y = relu(x * scale + shift), times (sigmoid(logits) + identity) where there are `logits`. x may be y.
struct NormPlane {
  static PAM_INLINE void run(const float* x, const float* logits, float* y, std::int64_t n, Affine a, float identity) {
    if (logits == nullptr) {
      PAM_SIMD for (std::int64_t i = 0; i < n; ++i) y[i] = relu(x[i] * a.scale + a.shift);
      return;
    }
    PAM_SIMD for (std::int64_t i = 0; i < n; ++i) {
      y[i] = relu(x[i] * a.scale + a.shift) * (sigmoid(logits[i]) + identity);
    }
  }
};

/// Gradient of a norm with respect to its input: scale * (g - mean_g) - slope * (x - mean), which is
///     weight * rstd * (g - mean(g) - xhat * mean(g * xhat)),   g = dF where F > 0, else 0.
struct NormSlope {
  float scale, mean_g, slope, mean;
};

/// `masked` receives g, `slope` what NormGradient needs, `sums` the gradients of the norm's weight and bias, and where
/// there are logits, `dlogits` theirs. `masked` may be dy, and dlogits logits.
struct MaskAndSum {
  static PAM_INLINE void run(const float* x, const float* logits, const float* dy, float* dlogits, float* masked,
                             std::int64_t n, Affine a, Moments m, float identity, NormSlope* slope, float* sums) {
    double total = 0, total_xhat = 0;
    for (std::int64_t start = 0; start < n; start += kSumChunk) {
      const auto end = start + kSumChunk < n ? start + kSumChunk : n;
      float sum = 0, sum_xhat = 0;
      if (logits == nullptr) {
        PAM_SIMD_SUM(sum, sum_xhat) for (std::int64_t i = start; i < end; ++i) {
          const float v = x[i], g = v * a.scale + a.shift > 0.f ? dy[i] : 0.f;
          masked[i] = g;
          sum += g;
          sum_xhat += g * ((v - m.mean) * m.rstd);
        }
      } else {
        PAM_SIMD_SUM(sum, sum_xhat) for (std::int64_t i = start; i < end; ++i) {
          const float v = x[i], f = relu(v * a.scale + a.shift), s = sigmoid(logits[i]), up = dy[i];
          dlogits[i] = up * f * s * (1.f - s);
          const float g = f > 0.f ? up * (s + identity) : 0.f;
          masked[i] = g;
          sum += g;
          sum_xhat += g * ((v - m.mean) * m.rstd);
        }
      }
      total += sum;
      total_xhat += sum_xhat;
    }
    sums[0] = static_cast<float>(total_xhat), sums[1] = static_cast<float>(total);
    const auto count = static_cast<double>(n);
    *slope = {a.scale, static_cast<float>(total / count), a.scale * m.rstd * static_cast<float>(total_xhat / count),
              m.mean};
  }
};

/// out = the norm's gradient from g and x; out may be either.
struct NormGradient {
  static PAM_INLINE void run(const float* g, const float* x, std::int64_t n, NormSlope s, float* out) {
    PAM_SIMD for (std::int64_t i = 0; i < n; ++i) out[i] = s.scale * (g[i] - s.mean_g) - s.slope * (x[i] - s.mean);
  }
};

}  // namespace pam::kernels::cpu

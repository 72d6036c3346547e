// SPDX-License-Identifier: MIT
/// The loops of norm_plane.hpp for channels-last tensors: over a block of pixels with all their channels. Statistics
/// are computed per block, in the cache, and merged afterwards, so that memory is read once for them here too.
#pragma once

#include <pam/kernels/detail/cpu/norm_plane.hpp>

namespace pam::kernels::cpu {

/// Means and sums of squared deviations of `pixels` x `channels` values, by channel; `rest` is scratch. Steps as in
/// moments_of: a rough mean from a quarter of the pixels, then the deviations from it, which correct it.
struct BlockMoments {
  static PAM_INLINE void run(const float* x, std::int64_t pixels, std::int64_t channels, float* mean, float* squares,
                             float* rest) {
    for (std::int64_t c = 0; c < channels; ++c) mean[c] = squares[c] = rest[c] = 0;
    const auto few = pixels < 16 ? pixels : (pixels / 4 + 3) / 4 * 4;
    std::int64_t p = 0;
    for (; p + 4 <= few; p += 4) {  // four pixels at a time: one addition to memory instead of four
      const float* r = x + p * channels;
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        mean[c] += (r[c] + r[channels + c]) + (r[2 * channels + c] + r[3 * channels + c]);
      }
    }
    for (; p < few; ++p) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) mean[c] += x[p * channels + c];
    }
    for (std::int64_t c = 0; c < channels; ++c) mean[c] /= static_cast<float>(few);
    for (p = 0; p + 4 <= pixels; p += 4) {
      const float* r = x + p * channels;
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float m = mean[c];
        const float d0 = r[c] - m, d1 = r[channels + c] - m;
        const float d2 = r[2 * channels + c] - m, d3 = r[3 * channels + c] - m;
        rest[c] += (d0 + d1) + (d2 + d3);
        squares[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
      }
    }
    for (; p < pixels; ++p) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float d = x[p * channels + c] - mean[c];
        rest[c] += d;
        squares[c] += d * d;
      }
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      const float shift = rest[c] / static_cast<float>(pixels);
      mean[c] += shift;
      squares[c] -= shift * rest[c];
    }
  }
};

/// y = relu(x * scale + shift), times (sigmoid(logits) + identity) where there are `logits`. x may be y.
struct NormBlock {
  static PAM_INLINE void run(const float* x, const float* logits, float* y, std::int64_t pixels, std::int64_t channels,
                             const float* scale, const float* shift, float identity) {
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
      if (logits == nullptr) {
        PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) y[c] = relu(x[c] * scale[c] + shift[c]);
        continue;
      }
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        y[c] = relu(x[c] * scale[c] + shift[c]) * (sigmoid(logits[c]) + identity);
      }
      logits += channels;
    }
  }
};

/// y (pixels, outputs): the products of relu(x * scale + shift) and each of `weights` (outputs, channels).
struct NormDotBlock {
  static PAM_INLINE void run(const float* x, std::int64_t pixels, std::int64_t channels, const float* scale,
                             const float* shift, const float* weights, std::int64_t outputs, float* y) {
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += outputs) {
      for (std::int64_t k = 0; k < outputs; ++k) {
        const float* w = weights + k * channels;
        float sum = 0;
        PAM_SIMD_SUM(sum) for (std::int64_t c = 0; c < channels; ++c) {
          sum += relu(x[c] * scale[c] + shift[c]) * w[c];
        }
        y[k] = sum;
      }
    }
  }
};

/// A block's constants of the backward pass, by channel.
struct BlockConstants {
  const float *scale, *shift, *mean, *rstd;
};

/// Sums of g * xhat and g by channel, g as in MaskAndSum; where there are logits, `dlogits` is written, which may be
/// they. `kept` receives g where it is not null; it may be dy.
struct NormBlockSums {
  static PAM_INLINE void run(const float* x, const float* logits, const float* dy, float* dlogits, float* kept,
                             std::int64_t pixels, std::int64_t channels, BlockConstants k, float identity,
                             float* sum_xhat, float* sum) {
    for (std::int64_t c = 0; c < channels; ++c) sum_xhat[c] = sum[c] = 0;
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, dy += channels) {
      if (logits == nullptr) {
        PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
          const float v = x[c], g = v * k.scale[c] + k.shift[c] > 0.f ? dy[c] : 0.f;
          sum[c] += g;
          sum_xhat[c] += g * ((v - k.mean[c]) * k.rstd[c]);
        }
        continue;
      }
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float v = x[c], f = relu(v * k.scale[c] + k.shift[c]), s = sigmoid(logits[c]), up = dy[c];
        dlogits[c] = up * f * s * (1.f - s);
        const float g = f > 0.f ? up * (s + identity) : 0.f;
        kept[c] = g;
        sum[c] += g;
        sum_xhat[c] += g * ((v - k.mean[c]) * k.rstd[c]);
      }
      logits += channels, dlogits += channels, kept += channels;
    }
  }
};

/// dx of the norm from the sums over all pixels; `g` is dy, or `kept` of NormBlockSums, and may be dx.
struct NormBlockBackward {
  static PAM_INLINE void run(const float* x, const float* g, float* dx, std::int64_t pixels, std::int64_t channels,
                             BlockConstants k, const float* mean_g, const float* slope) {
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, g += channels, dx += channels) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float v = x[c], masked = v * k.scale[c] + k.shift[c] > 0.f ? g[c] : 0.f;
        dx[c] = k.scale[c] * (masked - mean_g[c]) - slope[c] * (v - k.mean[c]);
      }
    }
  }
};

}  // namespace pam::kernels::cpu

// SPDX-License-Identifier: MIT
/// The loops of norm_plane.hpp for channels-last tensors: over a block of pixels with all their channels. Statistics
/// are computed per block, in the cache, and merged afterwards, so that memory is read once for them here too.
#pragma once

#include <pam/kernels/detail/cpu/norm_plane.hpp>

namespace pam::kernels::cpu {

/// Means and sums of squared deviations of `pixels` x `channels` values, by channel; `rest` is scratch. Steps as in
/// moments_of: a rough mean from a quarter of the pixels, then the deviations from it, which correct it.
template <typename T>
struct BlockMoments {
  static PAM_INLINE void run(const T* x, std::int64_t pixels, std::int64_t channels, float* mean, float* squares,
                             float* rest) {
    for (std::int64_t c = 0; c < channels; ++c) mean[c] = squares[c] = rest[c] = 0;
    const auto few = pixels < 16 ? pixels : (pixels / 4 + 3) / 4 * 4;
    std::int64_t p = 0;
    for (; p + 4 <= few; p += 4) {  // four pixels at a time: one addition to memory instead of four
      const T* r = x + p * channels;
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        mean[c] += (load(r + c) + load(r + channels + c)) + (load(r + 2 * channels + c) + load(r + 3 * channels + c));
      }
    }
    for (; p < few; ++p) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) mean[c] += load(x + p * channels + c);
    }
    for (std::int64_t c = 0; c < channels; ++c) mean[c] /= static_cast<float>(few);
    for (p = 0; p + 4 <= pixels; p += 4) {
      const T* r = x + p * channels;
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float m = mean[c];
        const float d0 = load(r + c) - m, d1 = load(r + channels + c) - m;
        const float d2 = load(r + 2 * channels + c) - m, d3 = load(r + 3 * channels + c) - m;
        rest[c] += (d0 + d1) + (d2 + d3);
        squares[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
      }
    }
    for (; p < pixels; ++p) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float d = load(x + p * channels + c) - mean[c];
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

/// y = relu(x * scale + shift), times (sigmoid(logits) + identity) where `Gated`. x may be y.
template <typename T, bool Gated>
struct NormBlock {
  static PAM_INLINE void run(const T* x, const T* logits, T* y, std::int64_t pixels, std::int64_t channels,
                             const float* scale, const float* shift, float identity) {
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float f = relu(load(x + c) * scale[c] + shift[c]);
        store(y + c, Gated ? f * (sigmoid(load(logits + c)) + identity) : f);
      }
      if (Gated) logits += channels;
    }
  }
};

/// Sums of g * xhat and g by channel, g as in NormPlaneBackward; with `Gated`, `dx` keeps g and `dlogits` is written.
template <typename T, bool Gated>
struct NormBlockSums {
  static PAM_INLINE void run(const T* x, const T* logits, const T* dy, T* dlogits, float* kept, std::int64_t pixels,
                             std::int64_t channels, const float* scale, const float* shift, const float* mean,
                             const float* rstd, float identity, float* sum_xhat, float* sum) {
    for (std::int64_t c = 0; c < channels; ++c) sum_xhat[c] = sum[c] = 0;
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, dy += channels) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float v = load(x + c), f = relu(v * scale[c] + shift[c]);
        float g = load(dy + c);
        if (Gated) {
          const float s = sigmoid(load(logits + c));
          store(dlogits + c, g * f * s * (1.f - s));
          g *= s + identity;
        }
        g = f > 0.f ? g : 0.f;
        if (Gated) kept[c] = g;
        sum[c] += g;
        sum_xhat[c] += g * ((v - mean[c]) * rstd[c]);
      }
      if (Gated) logits += channels, dlogits += channels, kept += channels;
    }
  }
};

/// dx of NormPlaneBackward from the sums over all pixels; `g` is `kept` of NormBlockSums where `Gated`, else dy.
template <typename T, typename G, bool Gated>
struct NormBlockBackward {
  static PAM_INLINE void run(const T* x, const G* g, T* dx, std::int64_t pixels, std::int64_t channels,
                             const float* scale, const float* shift, const float* mean, const float* mean_g,
                             const float* slope) {
    for (std::int64_t p = 0; p < pixels; ++p, x += channels, g += channels, dx += channels) {
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float v = load(x + c);
        const float masked = Gated || v * scale[c] + shift[c] > 0.f ? load(g + c) : 0.f;
        store(dx + c, scale[c] * (masked - mean_g[c]) - slope[c] * (v - mean[c]));
      }
    }
  }
};

}  // namespace pam::kernels::cpu

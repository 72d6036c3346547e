// SPDX-License-Identifier: MIT
/// The upsampling loops for channels-last tensors: vectors run over channels.
#pragma once

#include <pam/kernels/detail/cpu/upsample_rows.hpp>

namespace pam::kernels::cpu {

/// The two input rows that an output row lies between, and the lower one's weight.
struct RowPair {
  const float *top, *bottom;
  float weight;
};

/// The four input pixels of an output pixel, and their weights.
struct Corners {
  const float *a, *b, *c, *d;
  float wa, wb, wc, wd;
};

PAM_INLINE Corners corners(const RowPair& rows, std::int64_t channels, const AxisView& across, std::int64_t column) {
  const auto left = across.lower[column] * channels, right = across.upper[column] * channels;
  const float v = rows.weight, h = across.weight[column];
  return {rows.top + left,   rows.top + right, rows.bottom + left, rows.bottom + right,
          (1 - v) * (1 - h), (1 - v) * h,      v * (1 - h),        v * h};
}

PAM_INLINE float mix(const Corners& k, std::int64_t c) {
  return k.wa * k.a[c] + k.wb * k.b[c] + k.wc * k.c[c] + k.wd * k.d[c];
}

/// One upsampled row; y's pixels are `stride` numbers apart.
struct UpsampleRow {
  static PAM_INLINE void run(RowPair rows, std::int64_t channels, AxisView across, float* y, std::int64_t stride) {
    for (std::int64_t column = 0; column < across.size; ++column, y += stride) {
      const auto k = corners(rows, channels, across, column);
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) y[c] = mix(k, c);
    }
  }
};

/// One input row of the upsampling's gradient; `dy` holds `stride` numbers per pixel, of which `channels` are read.
template <typename G>
struct UpsampleRowBackward {
  static PAM_INLINE void run(const G* dy, std::int64_t columns, std::int64_t stride, std::int64_t channels,
                             AdjointView down, AdjointView across, std::int64_t row, float* dx) {
    for (std::int64_t column = 0; column < across.inputs; ++column, dx += channels) {
      for (std::int64_t c = 0; c < channels; ++c) dx[c] = 0;
      for (std::int64_t v = 0; v < down.taps; ++v) {
        const float wv = down.weights[v * down.inputs + row];
        if (wv == 0.f) continue;
        for (std::int64_t h = 0; h < across.taps; ++h) {
          const float w = wv * across.weights[h * across.inputs + column];
          if (w == 0.f) continue;
          const G* from = dy + ((down.first[row] + v) * columns + across.first[column] + h) * stride;
          PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) dx[c] += w * load(from + c);
        }
      }
    }
  }
};

/// One output row of the gate. y may be f.
struct UpsampleGateRow {
  static PAM_INLINE void run(const float* f, RowPair logits, const float* shortcut, std::int64_t channels,
                             AxisView across, float identity, float* y) {
    for (std::int64_t column = 0; column < across.size; ++column) {
      const auto k = corners(logits, channels, across, column);
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        y[c] = f[c] * (sigmoid(mix(k, c) + shortcut[c]) + identity);
      }
      f += channels, shortcut += channels, y += channels;
    }
  }
};

/// One output row of the gate's gradients, as in UpsampleGatePlaneBackward.
struct UpsampleGateRowBackward {
  static PAM_INLINE void run(const float* f, RowPair logits, const float* shortcut, const float* dy,
                             std::int64_t channels, AxisView across, float identity, float same, float* df, float* da) {
    for (std::int64_t column = 0; column < across.size; ++column) {
      const auto k = corners(logits, channels, across, column);
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float s = sigmoid(mix(k, c) + shortcut[c]), g = dy[c];
        const float d = g * f[c] * s * (1.f - s);
        da[c] = d;
        df[c] = g * (s + identity) + (same > 0.f ? d : 0.f);
      }
      f += channels, shortcut += channels, dy += channels, df += channels, da += channels;
    }
  }
};

}  // namespace pam::kernels::cpu

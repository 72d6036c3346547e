// SPDX-License-Identifier: MIT
/// The upsampling loops for channels-last tensors: vectors run over channels.
#pragma once

#include <pam/kernels/detail/cpu/upsample_rows.hpp>

namespace pam::kernels::cpu {

/// The four input pixels of an output pixel, and their weights.
template <typename T>
struct Corners {
  const T *a, *b, *c, *d;
  float wa, wb, wc, wd;
};

template <typename T>
PAM_INLINE Corners<T> corners(const T* x, std::int64_t width, std::int64_t channels, const AxisView& down,
                              const AxisView& across, std::int64_t row, std::int64_t column) {
  const T *top = x + down.lower[row] * width * channels, *bottom = x + down.upper[row] * width * channels;
  const auto left = across.lower[column] * channels, right = across.upper[column] * channels;
  const float v = down.weight[row], h = across.weight[column];
  return {top + left, top + right, bottom + left, bottom + right, (1 - v) * (1 - h), (1 - v) * h, v * (1 - h), v * h};
}

template <typename T>
PAM_INLINE float mix(const Corners<T>& k, std::int64_t c) {
  return k.wa * load(k.a + c) + k.wb * load(k.b + c) + k.wc * load(k.c + c) + k.wd * load(k.d + c);
}

/// One output row of [upsample(x), skip].
template <typename T>
struct UpsampleConcatRow {
  static PAM_INLINE void run(const T* x, const T* skip, std::int64_t width, std::int64_t channels,
                             std::int64_t skip_channels, AxisView down, AxisView across, std::int64_t row, T* y) {
    for (std::int64_t column = 0; column < across.size; ++column) {
      const auto k = corners(x, width, channels, down, across, row, column);
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) store(y + c, mix(k, c));
      y += channels;
      PAM_SIMD for (std::int64_t c = 0; c < skip_channels; ++c) y[c] = skip[c];
      y += skip_channels, skip += skip_channels;
    }
  }
};

/// One input row of the upsampling's gradient; `dy` holds `stride` numbers a pixel, of which `channels` are read.
/// `sums`: channels floats.
template <typename G, typename T>
struct UpsampleRowBackward {
  static PAM_INLINE void run(const G* dy, std::int64_t columns, std::int64_t stride, std::int64_t channels,
                             AdjointView down, AdjointView across, std::int64_t row, T* dx, float* sums) {
    for (std::int64_t column = 0; column < across.inputs; ++column, dx += channels) {
      for (std::int64_t c = 0; c < channels; ++c) sums[c] = 0;
      for (std::int64_t v = 0; v < down.taps; ++v) {
        const float wv = down.weights[v * down.inputs + row];
        if (wv == 0.f) continue;
        for (std::int64_t h = 0; h < across.taps; ++h) {
          const float w = wv * across.weights[h * across.inputs + column];
          if (w == 0.f) continue;
          const G* from = dy + ((down.first[row] + v) * columns + across.first[column] + h) * stride;
          PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) sums[c] += w * load(from + c);
        }
      }
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) store(dx + c, sums[c]);
    }
  }
};

/// One output row of the gate.
template <typename T>
struct UpsampleGateRow {
  static PAM_INLINE void run(const T* f, const T* logits, const T* shortcut, std::int64_t width, std::int64_t channels,
                             AxisView down, AxisView across, std::int64_t row, float identity, T* y) {
    for (std::int64_t column = 0; column < across.size; ++column) {
      const auto k = corners(logits, width, channels, down, across, row, column);
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        store(y + c, load(f + c) * (sigmoid(mix(k, c) + load(shortcut + c)) + identity));
      }
      f += channels, shortcut += channels, y += channels;
    }
  }
};

/// One output row of the gate's gradients, as in UpsampleGatePlaneBackward.
template <typename T, bool Same>
struct UpsampleGateRowBackward {
  static PAM_INLINE void run(const T* f, const T* logits, const T* shortcut, const T* dy, std::int64_t width,
                             std::int64_t channels, AxisView down, AxisView across, std::int64_t row, float identity,
                             T* df, T* dshortcut, float* da) {
    for (std::int64_t column = 0; column < across.size; ++column) {
      const auto k = corners(logits, width, channels, down, across, row, column);
      PAM_SIMD for (std::int64_t c = 0; c < channels; ++c) {
        const float s = sigmoid(mix(k, c) + load(shortcut + c)), g = load(dy + c);
        const float d = g * load(f + c) * s * (1.f - s), direct = g * (s + identity);
        da[c] = d;
        store(df + c, Same ? direct + d : direct);
        if (!Same) store(dshortcut + c, d);
      }
      f += channels, shortcut += channels, dy += channels, df += channels, da += channels;
      if (!Same) dshortcut += channels;
    }
  }
};

}  // namespace pam::kernels::cpu

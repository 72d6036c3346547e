// SPDX-License-Identifier: MIT
/// Loops of the upsampling kernels. Planes: each input row is widened once (a gather) and output rows mix two widened
/// rows. Channels-last: an output pixel mixes four input pixels, all channels beside each other.
#pragma once

#include <pam/kernels/detail/cpu/simd.hpp>

namespace pam::kernels::cpu {

/// An Axis as the loops read it.
struct AxisView {
  std::int64_t size;
  const std::int32_t *lower, *upper;
  const float* weight;
};
struct AdjointView {
  std::int64_t inputs, taps;
  const std::int32_t* first;
  const float* weights;
};

/// wide[x] = row interpolated along its axis.
template <typename T>
PAM_INLINE void widen_row(const T* row, const AxisView& axis, float* wide) {
  PAM_SIMD for (std::int64_t x = 0; x < axis.size; ++x) {
    const float a = load(row + axis.lower[x]), b = load(row + axis.upper[x]);
    wide[x] = a + axis.weight[x] * (b - a);
  }
}

/// Goes through the output rows of a plane; `wide` holds the two widened input rows that the current one lies between.
template <typename T>
struct RowWalk {
  const T* plane;
  std::int64_t width;
  AxisView across, down;
  float* wide[2];
  std::int32_t held[2] = {-1, -1};

  /// Makes wide[0] and wide[1] the rows of output row y, and returns the second one's weight.
  PAM_INLINE float at(std::int64_t y) {
    const auto low = down.lower[y], high = down.upper[y];
    if (held[0] != low && held[1] == low) {
      float* w = wide[0];
      wide[0] = wide[1], wide[1] = w;
      held[1] = held[0], held[0] = low;
    }
    if (held[0] != low) widen_row(plane + low * width, across, wide[0]), held[0] = low;
    if (held[1] != high) widen_row(plane + high * width, across, wide[1]), held[1] = high;
    return down.weight[y];
  }
};

/// One upsampled plane. `scratch`: 2 * across.size floats.
template <typename T>
struct UpsamplePlane {
  static PAM_INLINE void run(const T* x, std::int64_t width, AxisView down, AxisView across, T* y, float* scratch) {
    RowWalk<T> walk{x, width, across, down, {scratch, scratch + across.size}};
    for (std::int64_t row = 0; row < down.size; ++row, y += across.size) {
      const float w = walk.at(row);
      const float *a = walk.wide[0], *b = walk.wide[1];
      PAM_SIMD for (std::int64_t i = 0; i < across.size; ++i) store(y + i, a[i] + w * (b[i] - a[i]));
    }
  }
};

/// narrow[i] = the sum of what input column i receives from a widened row's gradient.
template <typename T>
PAM_INLINE void narrow_row(const float* wide, const AdjointView& across, T* narrow, float* sums) {
  for (std::int64_t i = 0; i < across.inputs; ++i) sums[i] = 0;
  for (std::int64_t tap = 0; tap < across.taps; ++tap) {
    const float* w = across.weights + tap * across.inputs;
    PAM_SIMD for (std::int64_t i = 0; i < across.inputs; ++i) sums[i] += w[i] * wide[across.first[i] + tap];
  }
  PAM_SIMD for (std::int64_t i = 0; i < across.inputs; ++i) store(narrow + i, sums[i]);
}

/// dx of UpsamplePlane. `scratch`: columns + across.inputs floats.
template <typename T>
struct UpsamplePlaneBackward {
  static PAM_INLINE void run(const T* dy, std::int64_t columns, AdjointView down, AdjointView across, T* dx,
                             float* scratch) {
    float *wide = scratch, *sums = scratch + columns;
    for (std::int64_t row = 0; row < down.inputs; ++row, dx += across.inputs) {
      const T* from = dy + down.first[row] * columns;
      for (std::int64_t i = 0; i < columns; ++i) wide[i] = 0;
      for (std::int64_t tap = 0; tap < down.taps; ++tap, from += columns) {
        const float w = down.weights[tap * down.inputs + row];
        if (w == 0.f) continue;
        PAM_SIMD for (std::int64_t i = 0; i < columns; ++i) wide[i] += w * load(from + i);
      }
      narrow_row(static_cast<const float*>(wide), across, dx, sums);
    }
  }
};

/// One plane of y = f * (sigmoid(upsample(logits) + shortcut) + identity). `scratch`: 2 * across.size floats.
template <typename T>
struct UpsampleGatePlane {
  static PAM_INLINE void run(const T* f, const T* logits, const T* shortcut, std::int64_t width, AxisView down,
                             AxisView across, float identity, T* y, float* scratch) {
    RowWalk<T> walk{logits, width, across, down, {scratch, scratch + across.size}};
    for (std::int64_t row = 0; row < down.size; ++row) {
      const float w = walk.at(row);
      const float *a = walk.wide[0], *b = walk.wide[1];
      PAM_SIMD for (std::int64_t i = 0; i < across.size; ++i) {
        const float s = sigmoid(a[i] + w * (b[i] - a[i]) + load(shortcut + i));
        store(y + i, load(f + i) * (s + identity));
      }
      f += across.size, shortcut += across.size, y += across.size;
    }
  }
};

/// Gradients of UpsampleGatePlane: df, and da of what the sigmoid reads. Where the shortcut is f itself (`Same`), df
/// holds both. da is float32: the gradient of the logits is gathered from it.
template <typename T, bool Same>
struct UpsampleGatePlaneBackward {
  static PAM_INLINE void run(const T* f, const T* logits, const T* shortcut, const T* dy, std::int64_t width,
                             AxisView down, AxisView across, float identity, T* df, T* dshortcut, float* da,
                             float* scratch) {
    RowWalk<T> walk{logits, width, across, down, {scratch, scratch + across.size}};
    for (std::int64_t row = 0; row < down.size; ++row) {
      const float w = walk.at(row);
      const float *a = walk.wide[0], *b = walk.wide[1];
      PAM_SIMD for (std::int64_t i = 0; i < across.size; ++i) {
        const float s = sigmoid(a[i] + w * (b[i] - a[i]) + load(shortcut + i)), g = load(dy + i);
        const float d = g * load(f + i) * s * (1.f - s), direct = g * (s + identity);
        da[i] = d;
        store(df + i, Same ? direct + d : direct);
        if (!Same) store(dshortcut + i, d);
      }
      f += across.size, shortcut += across.size, dy += across.size, df += across.size, da += across.size;
      if (!Same) dshortcut += across.size;
    }
  }
};

}  // namespace pam::kernels::cpu

// SPDX-License-Identifier: MIT
/// Loops of the upsampling kernels. Planes: each input row is widened once (a gather) and output rows mix two widened
/// rows. Channels-last: an output pixel mixes four input pixels, all channels beside each other.
#pragma once

#include <pam/kernels/detail/cpu/axis.hpp>
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

namespace detail {
inline AxisView view(const Axis& a) { return {a.size, a.lower.data(), a.upper.data(), a.weight.data()}; }
inline AdjointView view(const AdjointAxis& a) { return {a.inputs, a.taps, a.first.data(), a.weights.data()}; }
}  // namespace detail

/// wide[x] = row interpolated along its axis.
PAM_INLINE void widen_row(const float* row, const AxisView& axis, float* wide) {
  PAM_SIMD for (std::int64_t x = 0; x < axis.size; ++x) {
    const float a = row[axis.lower[x]], b = row[axis.upper[x]];
    wide[x] = a + axis.weight[x] * (b - a);
  }
}

/// Goes through the output rows of a plane; `wide` holds the two widened input rows that the current one lies between.
struct RowWalk {
  const float* plane;
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
struct UpsamplePlane {
  static PAM_INLINE void run(const float* x, std::int64_t width, AxisView down, AxisView across, float* y,
                             float* scratch) {
    RowWalk walk{x, width, across, down, {scratch, scratch + across.size}};
    for (std::int64_t row = 0; row < down.size; ++row, y += across.size) {
      const float w = walk.at(row);
      const float *a = walk.wide[0], *b = walk.wide[1];
      PAM_SIMD for (std::int64_t i = 0; i < across.size; ++i) y[i] = a[i] + w * (b[i] - a[i]);
    }
  }
};

/// narrow[i] = the sum of what input column i receives from a widened row's gradient.
PAM_INLINE void narrow_row(const float* wide, const AdjointView& across, float* narrow) {
  for (std::int64_t i = 0; i < across.inputs; ++i) narrow[i] = 0;
  for (std::int64_t tap = 0; tap < across.taps; ++tap) {
    const float* w = across.weights + tap * across.inputs;
    PAM_SIMD for (std::int64_t i = 0; i < across.inputs; ++i) narrow[i] += w[i] * wide[across.first[i] + tap];
  }
}

/// dx of UpsamplePlane. `wide`: columns floats of scratch.
struct UpsamplePlaneBackward {
  static PAM_INLINE void run(const float* dy, std::int64_t columns, AdjointView down, AdjointView across, float* dx,
                             float* wide) {
    for (std::int64_t row = 0; row < down.inputs; ++row, dx += across.inputs) {
      const float* from = dy + down.first[row] * columns;
      for (std::int64_t i = 0; i < columns; ++i) wide[i] = 0;
      for (std::int64_t tap = 0; tap < down.taps; ++tap, from += columns) {
        const float w = down.weights[tap * down.inputs + row];
        if (w == 0.f) continue;
        PAM_SIMD for (std::int64_t i = 0; i < columns; ++i) wide[i] += w * from[i];
      }
      narrow_row(wide, across, dx);
    }
  }
};

/// One plane of y = f * (sigmoid(upsample(logits) + shortcut) + identity). `scratch`: 2 * across.size floats. y may be
/// f.
struct UpsampleGatePlane {
  static PAM_INLINE void run(const float* f, const float* logits, const float* shortcut, std::int64_t width,
                             AxisView down, AxisView across, float identity, float* y, float* scratch) {
    RowWalk walk{logits, width, across, down, {scratch, scratch + across.size}};
    for (std::int64_t row = 0; row < down.size; ++row) {
      const float w = walk.at(row);
      const float *a = walk.wide[0], *b = walk.wide[1];
      PAM_SIMD for (std::int64_t i = 0; i < across.size; ++i) {
        y[i] = f[i] * (sigmoid(a[i] + w * (b[i] - a[i]) + shortcut[i]) + identity);
      }
      f += across.size, shortcut += across.size, y += across.size;
    }
  }
};

/// Gradients of UpsampleGatePlane: df, and da of what the sigmoid reads, which is the shortcut's too. Where the
/// shortcut is f itself (`same`), df holds both. df may be dy.
struct UpsampleGatePlaneBackward {
  static PAM_INLINE void run(const float* f, const float* logits, const float* shortcut, const float* dy,
                             std::int64_t width, AxisView down, AxisView across, float identity, float same, float* df,
                             float* da, float* scratch) {
    RowWalk walk{logits, width, across, down, {scratch, scratch + across.size}};
    for (std::int64_t row = 0; row < down.size; ++row) {
      const float w = walk.at(row);
      const float *a = walk.wide[0], *b = walk.wide[1];
      PAM_SIMD for (std::int64_t i = 0; i < across.size; ++i) {
        const float s = sigmoid(a[i] + w * (b[i] - a[i]) + shortcut[i]), g = dy[i];
        const float d = g * f[i] * s * (1.f - s);
        da[i] = d;
        df[i] = g * (s + identity) + (same > 0.f ? d : 0.f);
      }
      f += across.size, shortcut += across.size, dy += across.size, df += across.size, da += across.size;
    }
  }
};

}  // namespace pam::kernels::cpu

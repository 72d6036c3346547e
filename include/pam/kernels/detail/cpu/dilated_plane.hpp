// SPDX-License-Identifier: MIT
/// FPA's branch on one (sample, channel) plane: conv -> norm -> ReLU -> conv -> norm -> ReLU without leaving the cache,
/// and its gradient, which computes all of that again from the input (docs/design.md, "Kernels": plane fusion).
///
/// A convolution reads from a padded copy: rows are `pitch` apart, and to the right of each row is a gap of zeros that
/// is also the left margin of the next row (rows above and below the plane are skipped by the loops instead). It writes
/// a dense plane, so that the norms run over one array.
#pragma once

#include <pam/kernels/detail/cpu/norm_plane.hpp>

#include <algorithm>

namespace pam::kernels::cpu {

/// Vectors may write this many floats past the end of a row or plane.
inline constexpr std::int64_t kSpill = 16;
/// Dense planes are summed in steps of this many floats.
inline constexpr std::int64_t kStep = 64;

inline constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

struct PlaneShape {
  PlaneShape(std::int64_t height_, std::int64_t width_, std::int64_t dilation)
      : height(height_),
        width(width_),
        // A tap further away than the width of the plane reads only zeros, so its exact place does not matter.
        down(std::min(dilation, height_)),
        across(std::min(dilation, width_)),
        pitch(round_up(width_ + std::max(across, kSpill), 16)),
        pixels(height_ * width_),
        origin(round_up(across, 16)),
        padded(round_up(origin + height_ * pitch + across + kSpill, 16)),
        dense(round_up(pixels + kSpill, kStep)) {}

  std::int64_t height, width;
  std::int64_t down, across;  ///< the dilation in rows and in columns
  std::int64_t pitch, pixels;
  std::int64_t origin;  ///< of the plane's first pixel in a padded copy
  std::int64_t padded;  ///< floats of a padded copy, all zero at first
  std::int64_t dense;   ///< floats of a dense plane
};

/// The nine weights of a 3x3 kernel, row by row, and the norm's weight and bias.
struct StepWeights {
  float taps[9];
  float weight, bias;
};

namespace detail {

/// Sixteen columns at a time, then eight: the last vector may run up to seven floats past a row.
struct Columns {
  explicit Columns(std::int64_t width) : sixteens(width / 16 * 16), eights(round_up(width, 8)) {}
  std::int64_t sixteens, eights;
};

/// Columns [first, last) of an output row. Of the kernel's rows, the one above or below may lie outside the plane.
template <int Lanes, bool Above, bool Below>
PAM_INLINE void convolve_columns(const float* middle, std::int64_t down, std::int64_t across, const float* t,
                                 std::int64_t first, std::int64_t last, float* out) {
  const float *above = middle - down, *below = middle + down;
  PAM_SIMD_LANES(Lanes) for (std::int64_t i = first; i < last; ++i) {
    float sum = t[3] * middle[i - across] + t[4] * middle[i] + t[5] * middle[i + across];
    if (Above) sum += t[0] * above[i - across] + t[1] * above[i] + t[2] * above[i + across];
    if (Below) sum += t[6] * below[i - across] + t[7] * below[i] + t[8] * below[i + across];
    out[i] = sum;
  }
}

/// One output row. Values written past its end are overwritten by the next row.
template <bool Above, bool Below>
PAM_INLINE void convolve_row(const float* row, const PlaneShape& s, const float* t, float* out) {
  const Columns c(s.width);
  const auto down = s.down * s.pitch;
  convolve_columns<16, Above, Below>(row, down, s.across, t, 0, c.sixteens, out);
  convolve_columns<8, Above, Below>(row, down, s.across, t, c.sixteens, c.eights, out);
}

/// out (dense) = 3x3 convolution of `in` (padded, at its origin).
struct Convolve {
  static PAM_INLINE void run(const float* in, PlaneShape s, const float* weights, float* out) {
    float t[9];
    for (int k = 0; k < 9; ++k) t[k] = weights[k];
    for (std::int64_t y = 0; y < s.height; ++y) {
      const float* row = in + y * s.pitch;
      const bool above = y >= s.down, below = y + s.down < s.height;
      if (above && below) {
        convolve_row<true, true>(row, s, t, out + y * s.width);
      } else if (above) {
        convolve_row<true, false>(row, s, t, out + y * s.width);
      } else if (below) {
        convolve_row<false, true>(row, s, t, out + y * s.width);
      } else {
        convolve_row<false, false>(row, s, t, out + y * s.width);
      }
    }
  }
};

/// Moments of a dense plane whose tail up to the next kStep is free to be written: no remainder loops.
inline Moments dense_moments(float* x, const PlaneShape& s, float eps) {
  const auto end = round_up(s.pixels, kStep);
  for (std::int64_t i = s.pixels; i < end; ++i) x[i] = 0;
  Moments moments;
  vectorized<PlaneMoments>(static_cast<const float*>(x), s.pixels, end, x + s.pixels, eps, &moments);
  return moments;
}

/// Restores the zeros that the last vector of a padded row has overwritten in the gap.
PAM_INLINE void clear_spill(float* row_end) {
  for (int i = 0; i < 8; ++i) row_end[i] = 0;
}

/// Copies a plane into a padded one.
struct PadPlane {
  static PAM_INLINE void run(const float* x, PlaneShape s, float* out) {
    const Columns c(s.width);
    for (std::int64_t y = 0; y < s.height; ++y, x += s.width, out += s.pitch) {
      PAM_SIMD_LANES(16) for (std::int64_t i = 0; i < c.sixteens; ++i) out[i] = x[i];
      for (auto i = c.sixteens; i < s.width; ++i) out[i] = x[i];  // the tensor may end here
    }
  }
};

template <int Lanes>
PAM_INLINE void activate_columns(const float* x, Affine a, std::int64_t first, std::int64_t last, float* out) {
  PAM_SIMD_LANES(Lanes) for (auto i = first; i < last; ++i) out[i] = relu(x[i] * a.scale + a.shift);
}

/// out (padded) = relu(x * scale + shift), x dense.
struct ActivatePadded {
  static PAM_INLINE void run(const float* x, PlaneShape s, Affine a, float* out) {
    const Columns c(s.width);
    for (std::int64_t y = 0; y < s.height; ++y, x += s.width, out += s.pitch) {
      activate_columns<16>(x, a, 0, c.sixteens, out);
      activate_columns<8>(x, a, c.sixteens, c.eights, out);
      clear_spill(out + s.width);
    }
  }
};

template <int Lanes>
PAM_INLINE void slope_columns(const float* g, const float* x, NormSlope n, std::int64_t first, std::int64_t last,
                              float* out) {
  PAM_SIMD_LANES(Lanes) for (auto i = first; i < last; ++i) {
    out[i] = n.scale * (g[i] - n.mean_g) - n.slope * (x[i] - n.mean);
  }
}

/// out (padded) = the norm's gradient from dense g and x.
struct SlopePadded {
  static PAM_INLINE void run(const float* g, const float* x, PlaneShape s, NormSlope n, float* out) {
    const Columns c(s.width);
    for (std::int64_t y = 0; y < s.height; ++y, g += s.width, x += s.width, out += s.pitch) {
      slope_columns<16>(g, x, n, 0, c.sixteens, out);
      slope_columns<8>(g, x, n, c.sixteens, c.eights, out);
      clear_spill(out + s.width);
    }
  }
};

/// The nine sums of d(weights) = sum d(out) * in, over padded planes: where d(out) is padding it is zero.
struct WeightSums {
  static PAM_INLINE void run(const float* dout, const float* in, PlaneShape s, float* sums) {
    const auto end = s.height * s.pitch, down = s.down * s.pitch;
    for (int row = 0; row < 3; ++row) {
      const float* middle = in + (row - 1) * down;
      const float *left = middle - s.across, *right = middle + s.across;
      // Where the kernel's row lies outside the plane, its taps read zeros: leave those rows out.
      const auto first = row == 0 ? down : 0, last = row == 2 ? end - down : end;
      float a = 0, b = 0, c = 0;
      PAM_SIMD_SUM(a, b, c) for (std::int64_t i = first; i < last; ++i) {
        a += dout[i] * left[i];
        b += dout[i] * middle[i];
        c += dout[i] * right[i];
      }
      sums[3 * row] = a, sums[3 * row + 1] = b, sums[3 * row + 2] = c;
    }
  }
};

}  // namespace detail

/// y = D2(D1(x)) on one plane; y may be x. `scratch`: padded + dense floats, the padded ones zero; `moments`: of both
/// norms. Each loop is a function of its own: inlined into one another they would be compiled four times.
struct DilatedPlane {
  static std::int64_t scratch(const PlaneShape& s) { return s.padded + s.dense; }

  static void run(const float* x, float* y, const PlaneShape& s, const StepWeights& first, const StepWeights& second,
                  float eps, float* scratch, Moments* moments) {
    float *padded = scratch + s.origin, *dense = scratch + s.padded;
    const float *in = padded, *out = dense;
    vectorized<detail::PadPlane>(x, s, padded);
    vectorized<detail::Convolve>(in, s, static_cast<const float*>(first.taps), dense);
    moments[0] = detail::dense_moments(dense, s, eps);
    vectorized<detail::ActivatePadded>(out, s, affine_of(moments[0], first.weight, first.bias), padded);
    vectorized<detail::Convolve>(in, s, static_cast<const float*>(second.taps), dense);
    moments[1] = detail::dense_moments(dense, s, eps);
    vectorized<NormPlane>(out, static_cast<const float*>(nullptr), y, s.pixels,
                          affine_of(moments[1], second.weight, second.bias), 1.f);
  }
};

/// Gradients of DilatedPlane; dx may be x or dy. `sums` receives, for the first and the second step, nine weights' and
/// the norm's weight's and bias's: 22 numbers. `scratch`: three padded planes, zero at first, and three dense ones.
struct DilatedPlaneBackward {
  static std::int64_t scratch(const PlaneShape& s) { return 3 * (s.padded + s.dense); }

  static void run(const float* x, const float* dy, float* dx, const PlaneShape& s, const StepWeights& first,
                  const StepWeights& second, const Moments* moments, float* scratch, float* sums) {
    float *input = scratch + s.origin, *hidden = input + s.padded, *slope = hidden + s.padded;
    float *conv1 = scratch + 3 * s.padded, *conv2 = conv1 + s.dense, *g = conv2 + s.dense;
    const auto a1 = affine_of(moments[0], first.weight, first.bias);
    const auto a2 = affine_of(moments[1], second.weight, second.bias);
    vectorized<detail::PadPlane>(x, s, input);
    convolve(input, s, first.taps, conv1);
    vectorized<detail::ActivatePadded>(static_cast<const float*>(conv1), s, a1, hidden);
    convolve(hidden, s, second.taps, conv2);
    through_norm(dy, conv2, s, a2, moments[1], g, slope, sums + 20);
    weight_sums(slope, hidden, s, sums + 11);
    turned_convolve(slope, s, second.taps, g);
    through_norm(g, conv1, s, a1, moments[0], g, slope, sums + 9);
    weight_sums(slope, input, s, sums);
    turned_convolve(slope, s, first.taps, g);
    std::copy_n(g, s.pixels, dx);
  }

 private:
  static void convolve(const float* in, const PlaneShape& s, const float* taps, float* out) {
    vectorized<detail::Convolve>(in, s, taps, out);
  }
  /// A convolution's gradient is a convolution with the kernel turned around.
  static void turned_convolve(const float* in, const PlaneShape& s, const float* taps, float* out) {
    float turned[9];
    for (int k = 0; k < 9; ++k) turned[k] = taps[8 - k];
    convolve(in, s, turned, out);
  }
  static void through_norm(const float* dy, const float* conv, const PlaneShape& s, Affine a, Moments m, float* g,
                           float* slope, float* sums) {
    NormSlope n;
    vectorized<MaskAndSum>(conv, static_cast<const float*>(nullptr), dy, static_cast<float*>(nullptr), g, s.pixels, a,
                           m, 1.f, &n, sums);
    vectorized<detail::SlopePadded>(static_cast<const float*>(g), conv, s, n, slope);
  }
  static void weight_sums(const float* dout, const float* in, const PlaneShape& s, float* sums) {
    vectorized<detail::WeightSums>(dout, in, s, sums);
  }
};

}  // namespace pam::kernels::cpu

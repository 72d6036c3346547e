// SPDX-License-Identifier: MIT
/// Winograd's convolutions (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015): a tile of
/// outputs is A^T [(G g G^T) * (B^T d B)] A, where * multiplies entry by entry. What follows are B, G and A along one
/// axis: for tiles of 4x4 and of 5x5 outputs, and for stride 2.
///
/// Polynomials are interpolated at pairs of points +-a, at 0 and at infinity. Every constant of B and A is exact in
/// float32, those of G are applied in float64. Which points are used decides how many digits are lost.
#pragma once

#include <pam/kernels/detail/cpu/lanes.hpp>

namespace pam::kernels::cpu {

/// F(4x4, 3x3), with 36 products per input and output channel instead of 144. The points are 0, +-5/8, +-3/2 and
/// infinity. The usual points 0, +-1, +-2 save a few multiplications but lose digits: over 256 channels of random
/// numbers the largest error, divided by the largest output, is 1.0e-5 with them and 2.4e-6 with these (1.2e-6 with the
/// sums in parts of 64 channels, as here; 1.5e-6 for the plain sum of products in float32).
struct WinogradPoints {
  /// Along an axis: outputs of a tile, the input's step from one output to the next, inputs of a tile, transformed
  /// inputs of a tile, and transformed weights.
  static constexpr int kOut = 4, kStride = 1, kSpan = 6, kPositions = 6, kPoints = 6;
  /// Of the two axes.
  static constexpr int kCount = kPoints * kPoints;
  static constexpr float kA = 0.625f, kB = 1.5f;
  static constexpr float kA2 = kA * kA, kB2 = kB * kB, kA3 = kA2 * kA, kB3 = kB2 * kB, kSum = kA2 + kB2,
                         kProduct = kA2 * kB2;

  /// Which of the transformed weights a transformed input is multiplied by.
  static constexpr int point(int position) { return position; }

  /// B^T d.
  template <typename V>
  static PAM_INLINE void input(const V* d, V* out) {
    out[0] = d[0] * kProduct + (d[4] - d[2] * kSum);
    const V even_a = d[4] - d[2] * kB2, odd_a = d[3] - d[1] * kB2;
    out[1] = even_a + odd_a * kA, out[2] = even_a - odd_a * kA;
    const V even_b = d[4] - d[2] * kA2, odd_b = d[3] - d[1] * kA2;
    out[3] = even_b + odd_b * kB, out[4] = even_b - odd_b * kB;
    out[5] = d[1] * kProduct + (d[5] - d[3] * kSum);
  }

  /// A^T m.
  template <typename V>
  static PAM_INLINE void output(const V* m, V* out) {
    const V sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    out[0] = m[0] + (sum_a + sum_b);
    const V scaled_1 = difference_b * kB, scaled_2 = sum_b * kB2, scaled_3 = m[5] + difference_b * kB3;
    out[1] = difference_a * kA + scaled_1;
    out[2] = sum_a * kA2 + scaled_2;
    out[3] = difference_a * kA3 + scaled_3;
  }

  /// G g.
  template <typename V>
  static PAM_INLINE void taps(const V* g, V* out) {
    constexpr double a = kA, b = kB, a2 = a * a, b2 = b * b;
    out[0] = g[0] * (1 / (a2 * b2));
    const V even_a = (g[0] + g[2] * a2) * (1 / (2 * a2 * (a2 - b2))), odd_a = g[1] * (a / (2 * a2 * (a2 - b2)));
    out[1] = even_a + odd_a, out[2] = even_a - odd_a;
    const V even_b = (g[0] + g[2] * b2) * (1 / (2 * b2 * (b2 - a2))), odd_b = g[1] * (b / (2 * b2 * (b2 - a2)));
    out[3] = even_b + odd_b, out[4] = even_b - odd_b;
    out[5] = g[2];
  }
};

/// F(5x5, 3x3), with 49 products instead of 225: an eighth less than F(4x4, 3x3) needs. The points are +-3/8, +-7/8,
/// +-3/2 and infinity; the error, as above, is 2.9e-6 of the largest output.
struct LargeWinogradPoints {
  static constexpr int kOut = 5, kStride = 1, kSpan = 7, kPositions = 7, kPoints = 7, kCount = kPoints * kPoints;
  static constexpr float kA = 0.375f, kB = 0.875f, kC = 1.5f;
  static constexpr float kA2 = kA * kA, kB2 = kB * kB, kC2 = kC * kC;

  static constexpr int point(int position) { return position; }

  template <typename V>
  static PAM_INLINE void input(const V* d, V* out) {
    pair<V>(d, kA, kB2, kC2, out[0], out[1]);
    pair<V>(d, kB, kA2, kC2, out[2], out[3]);
    pair<V>(d, kC, kA2, kB2, out[4], out[5]);
    out[6] =
        (d[6] - d[4] * (kA2 + kB2 + kC2)) + (d[2] * (kA2 * kB2 + kA2 * kC2 + kB2 * kC2) - d[0] * (kA2 * kB2 * kC2));
  }

  template <typename V>
  static PAM_INLINE void output(const V* m, V* out) {
    const V sum_a = m[0] + m[1], sum_b = m[2] + m[3], sum_c = m[4] + m[5];
    const V difference_a = m[0] - m[1], difference_b = m[2] - m[3], difference_c = m[4] - m[5];
    out[0] = sum_a + sum_b + sum_c;
    out[1] = difference_a * kA + (difference_b * kB + difference_c * kC);
    out[2] = sum_a * kA2 + (sum_b * kB2 + sum_c * kC2);
    out[3] = difference_a * (kA2 * kA) + (difference_b * (kB2 * kB) + difference_c * (kC2 * kC));
    const V rest = m[6] + sum_c * (kC2 * kC2);
    out[4] = sum_a * (kA2 * kA2) + (sum_b * (kB2 * kB2) + rest);
  }

  template <typename V>
  static PAM_INLINE void taps(const V* g, V* out) {
    constexpr double a2 = kA2, b2 = kB2, c2 = kC2;
    pair_taps<V>(g, kA, (a2 - b2) * (a2 - c2), out[0], out[1]);
    pair_taps<V>(g, kB, (b2 - a2) * (b2 - c2), out[2], out[3]);
    pair_taps<V>(g, kC, (c2 - a2) * (c2 - b2), out[4], out[5]);
    out[6] = g[2];
  }

 private:
  /// The points +-x; y2 and z2 are the squares of the others.
  template <typename V>
  static PAM_INLINE void pair(const V* d, float x, float y2, float z2, V& positive, V& negative) {
    const V even = d[4] - d[2] * (y2 + z2) + d[0] * (y2 * z2), odd = d[5] - d[3] * (y2 + z2) + d[1] * (y2 * z2);
    positive = odd + even * x, negative = odd - even * x;
  }
  template <typename V>
  static PAM_INLINE void pair_taps(const V* g, double x, double others, V& positive, V& negative) {
    const V even = (g[0] + g[2] * (x * x)) * (1 / (2 * x * others)), odd = g[1] * (1 / (2 * others));
    positive = odd + even, negative = odd - even;
  }
};

/// A 3x3 convolution of stride 2. Output k of a row is g0 x[2 k - 1] + g2 x[2 k + 1], a convolution of two taps over
/// the odd pixels, for which F(4, 2) needs 5 products for 4 outputs, plus g1 x[2 k]: 9 products instead of 12, and on
/// both axes 81 instead of 144. F(4, 2)'s points are +-1/2, +-1 and infinity.
struct StridedWinogradPoints {
  static constexpr int kOut = 4, kStride = 2, kSpan = 9, kPositions = 9, kPoints = 6, kCount = kPoints * kPoints;
  static constexpr float kA = 0.5f, kB = 1.f;
  static constexpr float kA2 = kA * kA, kB2 = kB * kB, kA3 = kA2 * kA, kB3 = kB2 * kB, kSum = kA2 + kB2,
                         kProduct = kA2 * kB2;

  static constexpr int point(int position) { return position < 5 ? position : 5; }

  /// Of pixels -1, 0, ..., 7: what becomes of the five odd ones, then the even ones as they are.
  template <typename V>
  static PAM_INLINE void input(const V* d, V* out) {
    const V even_a = d[4] - d[0] * kB2, odd_a = d[6] - d[2] * kB2;
    out[0] = odd_a + even_a * kA, out[1] = odd_a - even_a * kA;
    const V even_b = d[4] - d[0] * kA2, odd_b = d[6] - d[2] * kA2;
    out[2] = odd_b + even_b * kB, out[3] = odd_b - even_b * kB;
    out[4] = d[0] * kProduct + (d[8] - d[4] * kSum);
    PAM_UNROLL for (int k = 0; k < 4; ++k) out[5 + k] = d[2 * k + 1];
  }

  template <typename V>
  static PAM_INLINE void output(const V* m, V* out) {
    const V sum_a = m[0] + m[1], difference_a = m[0] - m[1], sum_b = m[2] + m[3], difference_b = m[2] - m[3];
    out[0] = m[5] + (sum_a + sum_b);
    const V scaled_1 = m[6] + difference_b * kB, scaled_2 = m[7] + sum_b * kB2,
            scaled_3 = (m[8] + m[4]) + difference_b * kB3;
    out[1] = difference_a * kA + scaled_1;
    out[2] = sum_a * kA2 + scaled_2;
    out[3] = difference_a * kA3 + scaled_3;
  }

  template <typename V>
  static PAM_INLINE void taps(const V* g, V* out) {
    constexpr double a = kA, b = kB, a2 = a * a, b2 = b * b;
    const V even_a = g[2] * (1 / (2 * (a2 - b2))), odd_a = g[0] * (1 / (2 * a * (a2 - b2)));
    out[0] = even_a + odd_a, out[1] = even_a - odd_a;
    const V even_b = g[2] * (1 / (2 * (b2 - a2))), odd_b = g[0] * (1 / (2 * b * (b2 - a2)));
    out[2] = even_b + odd_b, out[3] = even_b - odd_b;
    out[4] = g[2], out[5] = g[1];
  }
};

/// Output channels lie in panels of this many: u[point][panel][input channel][kPanel].
constexpr std::int64_t kPanel = 16;
PAM_INLINE std::int64_t whole_panels(std::int64_t channels) { return (channels + kPanel - 1) / kPanel * kPanel; }

/// Between the matrices of two points in memory; an odd number of cache lines, or the same element of all matrices
/// would lie in the same few lines of a cache.
PAM_INLINE std::int64_t point_stride(std::int64_t rows, std::int64_t padded_channels) {
  return (rows * padded_channels / kPanel | 1) * kPanel;
}

/// Weights in memory, (out, in, 3, 3) as the convolution is to see them.
struct Taps {
  const float* data;
  std::int64_t out_stride, in_stride, step;  ///< step: from a tap to the next, row by row
  std::int64_t in_channels, out_channels;
};

/// G g G^T of one panel and the input channels [first, last).
template <typename Lanes, typename Points>
struct TransformTaps {
  static PAM_INLINE void run(const Taps* taps, std::int64_t panel, std::int64_t first, std::int64_t last, float* u) {
    using Wide = typename Lanes::Wide;
    using Vector = typename Lanes::Vector;
    constexpr int points = Points::kPoints;
    constexpr auto size = static_cast<std::size_t>(points);
    const auto stride = point_stride(taps->in_channels, whole_panels(taps->out_channels));
    const auto rest = taps->out_channels - panel * kPanel, lanes = rest < kPanel ? rest : kPanel;
    alignas(128) double g[9][kPanel] = {};
    for (auto c = first; c < last; ++c) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        const float* from = taps->data + (panel * kPanel + lane) * taps->out_stride + c * taps->in_stride;
        for (int i = 0; i < 9; ++i) g[i][lane] = from[i * taps->step];
      }
      for (std::int64_t lane = 0; lane < kPanel; lane += Lanes::kCount) {
        Wide rows[size][3];
        PAM_UNROLL for (int j = 0; j < 3; ++j) {
          Wide row[3], column[size];
          PAM_UNROLL for (int i = 0; i < 3; ++i) row[i] = *reinterpret_cast<const Wide*>(&g[3 * i + j][lane]);
          Points::taps(row, column);
          PAM_UNROLL for (int i = 0; i < points; ++i) rows[i][j] = column[i];
        }
        PAM_UNROLL for (int i = 0; i < points; ++i) {
          Wide row[size];
          Points::taps(rows[i], row);
          PAM_UNROLL for (int j = 0; j < points; ++j) {
            float* to = u + (i * points + j) * stride + (panel * taps->in_channels + c) * kPanel + lane;
            *reinterpret_cast<Vector*>(to) = __builtin_convertvector(row[j], Vector);
          }
        }
      }
    }
  }
};

}  // namespace pam::kernels::cpu

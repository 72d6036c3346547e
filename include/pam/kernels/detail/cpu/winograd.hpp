// SPDX-License-Identifier: MIT
/// Winograd's convolution F(4x4, 3x3) (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015):
/// a tile of 4x4 outputs is A^T [(G g G^T) * (B^T d B)] A, with 36 products per input and output channel instead of
/// 144. The products of many tiles are 36 matrix products, one per point.
///
/// The polynomials are interpolated at 0, +-5/8, +-3/2 and infinity. The usual points 0, +-1, +-2 save a few
/// multiplications but lose digits: over 256 channels of random numbers the largest error, divided by the largest
/// output, is 1.0e-5 with them and 2.4e-6 with these (1.2e-6 with the sums in parts of 64 channels, as here; 1.5e-6 for
/// the plain sum of products in float32). Every constant of B and A is exact in float32, those of G are applied in
/// float64.
#pragma once

#include <pam/kernels/detail/cpu/lanes.hpp>
#include <pam/kernels/detail/cpu/upsample_rows.hpp>

namespace pam::kernels::cpu {

/// The constants of F(4x4, 3x3) for the points 0, +-a, +-b and infinity.
struct WinogradPoints {
  static constexpr int kOut = 4, kIn = 6, kCount = kIn * kIn;
  static constexpr float kA = 0.625f, kB = 1.5f;
  static constexpr float kA2 = kA * kA, kB2 = kB * kB, kA3 = kA2 * kA, kB3 = kB2 * kB, kSum = kA2 + kB2,
                         kProduct = kA2 * kB2;

  /// B^T d of six vectors.
  template <typename V>
  static PAM_INLINE void input(const V* d, V* out) {
    out[0] = d[0] * kProduct + (d[4] - d[2] * kSum);
    const V even_a = d[4] - d[2] * kB2, odd_a = d[3] - d[1] * kB2;
    out[1] = even_a + odd_a * kA, out[2] = even_a - odd_a * kA;
    const V even_b = d[4] - d[2] * kA2, odd_b = d[3] - d[1] * kA2;
    out[3] = even_b + odd_b * kB, out[4] = even_b - odd_b * kB;
    out[5] = d[1] * kProduct + (d[5] - d[3] * kSum);
  }

  /// A^T m of six vectors.
  template <typename V>
  static PAM_INLINE void output(const V* m, V* out) {
    const V sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    out[0] = m[0] + (sum_a + sum_b);
    const V scaled_1 = difference_b * kB, scaled_2 = sum_b * kB2, scaled_3 = m[5] + difference_b * kB3;
    out[1] = difference_a * kA + scaled_1;
    out[2] = sum_a * kA2 + scaled_2;
    out[3] = difference_a * kA3 + scaled_3;
  }

  /// G g of three vectors.
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

/// Output channels lie in panels of this many: u[point][panel][input channel][kPanel].
constexpr std::int64_t kPanel = 16;
PAM_INLINE std::int64_t whole_panels(std::int64_t channels) { return (channels + kPanel - 1) / kPanel * kPanel; }

/// Between the matrices of two points in memory; an odd number of cache lines, or the same element of all 36 matrices
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
template <typename Lanes>
struct TransformTaps {
  static PAM_INLINE void run(const Taps* taps, std::int64_t panel, std::int64_t first, std::int64_t last, float* u) {
    using Wide = typename Lanes::Wide;
    using Vector = typename Lanes::Vector;
    const auto stride = point_stride(taps->in_channels, whole_panels(taps->out_channels));
    const auto rest = taps->out_channels - panel * kPanel, lanes = rest < kPanel ? rest : kPanel;
    alignas(128) double g[9][kPanel] = {};
    for (auto c = first; c < last; ++c) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        const float* from = taps->data + (panel * kPanel + lane) * taps->out_stride + c * taps->in_stride;
        for (int i = 0; i < 9; ++i) g[i][lane] = from[i * taps->step];
      }
      for (std::int64_t lane = 0; lane < kPanel; lane += Lanes::kCount) {
        Wide rows[6][3];
        PAM_UNROLL for (int j = 0; j < 3; ++j) {
          Wide row[3], column[6];
          PAM_UNROLL for (int i = 0; i < 3; ++i) row[i] = *reinterpret_cast<const Wide*>(&g[3 * i + j][lane]);
          WinogradPoints::taps(row, column);
          PAM_UNROLL for (int i = 0; i < 6; ++i) rows[i][j] = column[i];
        }
        PAM_UNROLL for (int i = 0; i < 6; ++i) {
          Wide points[6];
          WinogradPoints::taps(rows[i], points);
          PAM_UNROLL for (int j = 0; j < 6; ++j) {
            float* to = u + (i * 6 + j) * stride + (panel * taps->in_channels + c) * kPanel + lane;
            *reinterpret_cast<Vector*>(to) = __builtin_convertvector(points[j], Vector);
          }
        }
      }
    }
  }
};

/// Channels-last pixels in memory. Where there is a table, what they stand for is relu(x * scale + shift): every sample
/// has `channels` scales and then as many shifts.
struct Pixels {
  const float *x, *table;
  std::int64_t height, width, channels;
};

/// A convolution of x, or of [deep upsampled to x's size, x], to y (N, height, width, out_channels).
struct WinogradJob {
  Pixels x, deep;         ///< deep: channels is 0 where there is none, else a multiple of every vector's length
  AxisView down, across;  ///< of the upsampling
  const float *u, *bias;  ///< bias: whole_panels(out_channels) numbers
  const float* zeros;     ///< a pixel outside of the picture: x.channels zeros
  float* y;
  float* moments;  ///< of every tile's outputs: whole_panels(out_channels) means, as many sums of squared deviations
  std::int64_t height, width, in_channels, out_channels;

  [[nodiscard]] std::int64_t tiles_high() const { return (height + 3) / 4; }
  [[nodiscard]] std::int64_t tiles_wide() const { return (width + 3) / 4; }
  [[nodiscard]] std::int64_t padded_in() const { return whole_panels(in_channels); }
  [[nodiscard]] std::int64_t padded_out() const { return whole_panels(out_channels); }
};

/// The tiles [first, first + count), numbered over all pictures, row by row. What is computed for a tile does not
/// depend on the tiles beside it.
template <typename Lanes>
class WinogradTiles : LaneVectors<Lanes> {
  using Vector = typename Lanes::Vector;
  using Unaligned = typename Lanes::Unaligned;
  static constexpr int kLanes = Lanes::kCount;

 public:
  /// Rows of a matrix product are computed in groups; the last group is filled up with rows of zeros.
  static constexpr std::int64_t kRows = 12;
  /// Sums are taken in parts of this many channels, for accuracy, and so that a panel's part fits the first cache.
  static constexpr std::int64_t kDepth = 64;

  static std::int64_t scratch(std::int64_t tiles, const WinogradJob& job) {
    const auto rows = (tiles + kRows - 1) / kRows * kRows;
    return WinogradPoints::kCount * (point_stride(rows, job.padded_in()) + point_stride(rows, job.padded_out()));
  }

  static PAM_INLINE void run(const WinogradJob* job, std::int64_t first, std::int64_t count, float* memory) {
    const auto rows = (count + kRows - 1) / kRows * kRows, in = job->padded_in(), out = job->padded_out();
    const auto v_stride = point_stride(rows, in), m_stride = point_stride(rows, out);
    float *v = memory, *m = memory + WinogradPoints::kCount * v_stride;
    for (std::int64_t t = 0; t < count; ++t) read(*job, first + t, v + t * in, v_stride);
    for (int point = 0; point < WinogradPoints::kCount; ++point) {
      float* matrix = v + point * v_stride;
      for (auto i = count * in; i < rows * in; ++i) matrix[i] = 0;
      multiply_point(*job, matrix, job->u + point * point_stride(job->in_channels, out), rows, m + point * m_stride);
    }
    for (std::int64_t t = 0; t < count; ++t) write(*job, first + t, m + t * out, m_stride);
  }

 private:
  using LaneVectors<Lanes>::vector;

  /// Where a tile lies: its sample, and the picture's row and column that its 4x4 outputs begin with.
  struct Place {
    std::int64_t sample, top, left;
    PAM_INLINE Place(const WinogradJob& job, std::int64_t tile)
        : sample(tile / (job.tiles_wide() * job.tiles_high())),
          top(tile / job.tiles_wide() % job.tiles_high() * 4),
          left(tile % job.tiles_wide() * 4) {}
  };

  /// B^T d B of one tile.
  static PAM_INLINE void read(const WinogradJob& job, std::int64_t tile, float* v, std::int64_t step) {
    const Place place(job, tile);
    if (job.deep.channels > 0) read_upsampled(job, place, v, step);
    read_pixels(job, place, v + job.deep.channels, step);
  }

  // The transform of 6x6 vectors takes them from one of these: as they are in memory, with norm and ReLU, or from an
  // array. A pixel outside of the picture is zero in any case: the padding comes after the ReLU. `ahead` is the way to
  // the next tile's pixels, which are fetched meanwhile (5 % of a layer of 32 channels and 160 x 160 pixels).

  struct Plain {
    const float* const* pixels;
    std::int64_t c, ahead;
    PAM_INLINE void get(int i, Vector& to) const {
      if (i % 6 >= 2) __builtin_prefetch(pixels[i] + c + ahead);
      to = *reinterpret_cast<const Unaligned*>(pixels[i] + c);
    }
  };
  struct Normalised {
    const float* const* pixels;
    std::int64_t c, ahead;
    Vector scale, shift;
    PAM_INLINE void get(int i, Vector& to) const {
      if (i % 6 >= 2) __builtin_prefetch(pixels[i] + c + ahead);
      to = *reinterpret_cast<const Unaligned*>(pixels[i] + c) * scale + shift;
      LaneVectors<Lanes>::relu(to);
    }
  };
  struct Staged {
    const Vector* values;
    PAM_INLINE void get(int i, Vector& to) const { to = values[i]; }
  };

  static PAM_INLINE void read_pixels(const WinogradJob& job, const Place& place, float* v, std::int64_t step) {
    const auto channels = job.x.channels, top = place.top - 1, left = place.left - 1;
    const float* picture = job.x.x + place.sample * job.height * job.width * channels;
    const float* pixels[WinogradPoints::kCount];
    for (int i = 0; i < 6; ++i) {
      const auto y = top + i;
      for (int j = 0; j < 6; ++j) {
        const auto x = left + j;
        const bool inside = y >= 0 && y < job.height && x >= 0 && x < job.width;
        pixels[i * 6 + j] = inside ? picture + (y * job.width + x) * channels : job.zeros;
      }
    }
    const float* scales = job.x.table == nullptr ? nullptr : job.x.table + place.sample * 2 * channels;
    std::int64_t c = 0;
    if (scales == nullptr) {
      for (; c + kLanes <= channels; c += kLanes) read_lanes(Plain{pixels, c, 4 * channels}, v + c, step);
    } else if (top >= 0 && left >= 0 && top + 6 <= job.height && left + 6 <= job.width) {
      for (; c + kLanes <= channels; c += kLanes) {
        const auto &scale = *reinterpret_cast<const Unaligned*>(scales + c),
                   &shift = *reinterpret_cast<const Unaligned*>(scales + channels + c);
        read_lanes(Normalised{pixels, c, 4 * channels, scale, shift}, v + c, step);
      }
    }
    for (; c < channels; c += kLanes) {  // at the border, and the channels that do not fill a vector
      Vector scale, shift, values[WinogradPoints::kCount];
      if (scales != nullptr)
        load_some(scales + c, channels - c, scale), load_some(scales + channels + c, channels - c, shift);
      for (int i = 0; i < WinogradPoints::kCount; ++i) {
        load_some(pixels[i] + c, channels - c, values[i]);
        if (scales == nullptr || pixels[i] == job.zeros) continue;
        values[i] = values[i] * scale + shift;
        LaneVectors<Lanes>::relu(values[i]);
      }
      read_lanes(Staged{values}, v + c, step);
    }
  }

  /// The first `count` numbers, and zeros where they do not fill the vector.
  static PAM_INLINE void load_some(const float* from, std::int64_t count, Vector& to) {
    if (count >= kLanes) {
      to = *reinterpret_cast<const Unaligned*>(from);
      return;
    }
    to = Vector{};
    for (int lane = 0; lane < count; ++lane) reinterpret_cast<float*>(&to)[lane] = from[lane];
  }

  /// Six rows or columns of a picture and the rows or columns of the smaller one that they lie between. These are at
  /// most 7, because a step in the picture is at most one in the smaller one.
  struct Stretch {
    static constexpr int kMost = 7;
    std::int64_t first = 0;
    int count = 0, lower[6] = {}, upper[6] = {};
    float weight[6] = {};
    bool inside[6] = {};
    PAM_INLINE Stretch(const AxisView& axis, std::int64_t start) {
      for (int i = 0; i < 6; ++i) {
        const auto at = start + i;
        inside[i] = at >= 0 && at < axis.size;
        if (!inside[i]) continue;
        if (count == 0) first = axis.lower[at];
        lower[i] = static_cast<int>(axis.lower[at] - first), upper[i] = static_cast<int>(axis.upper[at] - first);
        weight[i] = axis.weight[at];
        count = upper[i] + 1;
      }
    }
  };

  /// The channels of `deep`, interpolated: each row first, then between rows.
  static PAM_INLINE void read_upsampled(const WinogradJob& job, const Place& place, float* v, std::int64_t step) {
    const Stretch rows(job.down, place.top - 1), columns(job.across, place.left - 1);
    const auto channels = job.deep.channels, line = job.deep.width * channels;
    const float* from = job.deep.x + (place.sample * job.deep.height + rows.first) * line + columns.first * channels;
    const float* scales = job.deep.table == nullptr ? nullptr : job.deep.table + place.sample * 2 * channels;
    for (std::int64_t c = 0; c < channels; c += kLanes, from += kLanes) {
      Vector wide[Stretch::kMost][6], values[WinogradPoints::kCount];
      for (int r = 0; r < rows.count; ++r) {
        Vector narrow[Stretch::kMost];
        for (int k = 0; k < columns.count; ++k) {
          narrow[k] = *reinterpret_cast<const Unaligned*>(from + r * line + k * channels);
          if (scales == nullptr) continue;
          narrow[k] = narrow[k] * *reinterpret_cast<const Unaligned*>(scales + c) +
                      *reinterpret_cast<const Unaligned*>(scales + channels + c);
          LaneVectors<Lanes>::relu(narrow[k]);
        }
        for (int j = 0; j < 6; ++j) {
          wide[r][j] = Vector{};
          if (!columns.inside[j]) continue;
          const auto &a = narrow[columns.lower[j]], &b = narrow[columns.upper[j]];
          wide[r][j] = a + (b - a) * columns.weight[j];
        }
      }
      for (int i = 0; i < 6; ++i) {
        for (int j = 0; j < 6; ++j) {
          const auto &a = wide[rows.lower[i]][j], &b = wide[rows.upper[i]][j];
          values[i * 6 + j] = rows.inside[i] ? a + (b - a) * rows.weight[i] : Vector{};
        }
      }
      read_lanes(Staged{values}, v + c, step);
    }
  }

  template <typename Source>
  static PAM_INLINE void read_lanes(const Source& source, float* v, std::int64_t step) {
    Vector rows[6][6];
    PAM_UNROLL for (int j = 0; j < 6; ++j) {
      Vector d[6], column[6];
      PAM_UNROLL for (int i = 0; i < 6; ++i) source.get(i * 6 + j, d[i]);
      WinogradPoints::input(d, column);
      PAM_UNROLL for (int i = 0; i < 6; ++i) rows[i][j] = column[i];
    }
    PAM_UNROLL for (int i = 0; i < 6; ++i) {
      Vector points[6];
      WinogradPoints::input(rows[i], points);
      PAM_UNROLL for (int j = 0; j < 6; ++j) vector(v + (i * 6 + j) * step) = points[j];
    }
  }

  /// m (rows, outputs) = v (rows, channels) times u (channels, outputs).
  static PAM_INLINE void multiply_point(const WinogradJob& job, const float* v, const float* u, std::int64_t rows,
                                        float* m) {
    const auto outputs = job.padded_out();
    std::int64_t k = 0;
    if constexpr (kLanes == 16) {
      for (; k + 64 <= outputs; k += 64) multiply_panels<6, 4>(job, v, u + k * job.in_channels, rows, m + k);
      for (; k + 32 <= outputs; k += 32) multiply_panels<12, 2>(job, v, u + k * job.in_channels, rows, m + k);
      for (; k < outputs; k += 16) multiply_panels<12, 1>(job, v, u + k * job.in_channels, rows, m + k);
    } else {
      for (; k < outputs; k += kPanel) multiply_panels<6, 2>(job, v, u + k * job.in_channels, rows, m + k);
    }
  }

  /// In groups of `Rows` rows and `Vectors` vectors of output channels, whose sums stay in registers.
  template <int Rows, int Vectors>
  static PAM_INLINE void multiply_panels(const WinogradJob& job, const float* v, const float* u, std::int64_t rows,
                                         float* m) {
    constexpr std::int64_t panels = Vectors * kLanes / kPanel;
    const auto channels = job.in_channels, panel = channels * kPanel, row = job.padded_in(), out_row = job.padded_out();
    for (std::int64_t c = 0; c < channels; c += kDepth) {
      const auto depth = channels - c < kDepth ? channels - c : kDepth;
      const float* next = u + (c + kDepth < channels ? (c + kDepth) * kPanel : panels * panel);
      for (std::int64_t r = 0; r < rows; r += Rows) {
        // Each of the first groups fetches a panel of the next part: the weights are the only data from far away.
        const auto ahead = r / Rows < panels ? r / Rows : panels - 1;
        multiply<Rows, Vectors>(v + r * row + c, row, u + c * kPanel, panel, next + ahead * panel, depth,
                                m + r * out_row, out_row, c > 0);
      }
    }
  }

  template <int Rows, int Vectors>
  static PAM_INLINE void multiply(const float* v, std::int64_t row, const float* u, std::int64_t panel,
                                  const float* next, std::int64_t depth, float* m, std::int64_t out_row, bool add) {
    Vector sums[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Vectors)];
    PAM_UNROLL for (int r = 0; r < Rows; ++r) { PAM_UNROLL for (int i = 0; i < Vectors; ++i) sums[r][i] = Vector{}; }
    for (std::int64_t c = 0; c < depth; ++c) {
      __builtin_prefetch(next + c * kPanel);
      Vector weights[static_cast<std::size_t>(Vectors)];
      PAM_UNROLL for (int i = 0; i < Vectors; ++i) {
        weights[i] = vector(u + i * kLanes / kPanel * panel + c * kPanel + i * kLanes % kPanel);
      }
      PAM_UNROLL for (int r = 0; r < Rows; ++r) {
        const float value = v[r * row + c];
        PAM_UNROLL for (int i = 0; i < Vectors; ++i) sums[r][i] = sums[r][i] + weights[i] * value;
      }
    }
    PAM_UNROLL for (int r = 0; r < Rows; ++r) {
      PAM_UNROLL for (int i = 0; i < Vectors; ++i) {
        auto& to = vector(m + r * out_row + i * kLanes);
        to = add ? to + sums[r][i] : sums[r][i];
      }
    }
  }

  /// A^T m A of one tile, and the bias; and the moments of what is written.
  static PAM_INLINE void write(const WinogradJob& job, std::int64_t tile, const float* m, std::int64_t step) {
    const Place place(job, tile);
    const auto high = job.height - place.top, wide = job.width - place.left;
    const bool whole = high >= 4 && wide >= 4;
    const auto row_step = job.width * job.out_channels;
    float* picture = job.y + ((place.sample * job.height + place.top) * job.width + place.left) * job.out_channels;
    for (std::int64_t k = 0; k < job.out_channels; k += kLanes) {
      Vector columns[6][4], out[16];
      PAM_UNROLL for (int j = 0; j < 6; ++j) {
        Vector column[6];
        PAM_UNROLL for (int i = 0; i < 6; ++i) column[i] = vector(m + (i * 6 + j) * step + k);
        WinogradPoints::output(column, columns[j]);
      }
      const Vector bias = *reinterpret_cast<const Unaligned*>(job.bias + k);
      PAM_UNROLL for (int i = 0; i < 4; ++i) {
        Vector row[6];
        PAM_UNROLL for (int j = 0; j < 6; ++j) row[j] = columns[j][i];
        WinogradPoints::output(row, out + i * 4);
        PAM_UNROLL for (int j = 0; j < 4; ++j) out[i * 4 + j] = out[i * 4 + j] + bias;
      }
      if (whole && k + kLanes <= job.out_channels) {
        PAM_UNROLL for (int i = 0; i < 16; ++i) {
          *reinterpret_cast<Unaligned*>(picture + i / 4 * row_step + i % 4 * job.out_channels + k) = out[i];
        }
      } else {
        for (int i = 0; i < 4 && i < high; ++i) {
          for (int j = 0; j < 4 && j < wide; ++j) {
            float* to = picture + i * row_step + j * job.out_channels + k;
            for (int lane = 0; lane < kLanes && k + lane < job.out_channels; ++lane) to[lane] = out[i * 4 + j][lane];
          }
        }
      }
      if (job.moments != nullptr) {
        float* moments = job.moments + tile * 2 * job.padded_out() + k;
        keep_moments(out, high, wide, vector(moments), vector(moments + job.padded_out()));
      }
    }
  }

  /// Of the outputs that lie in the picture. They come from the differences to the first one, which are exact where the
  /// mean is large. With n outputs the sum of the squares is at most n times that of the squared deviations from the
  /// mean, so the subtraction loses 4 bits at worst, and never gives less than zero.
  static PAM_INLINE void keep_moments(const Vector* out, std::int64_t high, std::int64_t wide, Vector& mean,
                                      Vector& squares) {
    if (high >= 4 && wide >= 4) {
      Vector sums[4] = {}, parts[4] = {};
      PAM_UNROLL for (int i = 1; i < 16; ++i) {
        const Vector d = out[i] - out[0];
        sums[i % 4] = sums[i % 4] + d;
        parts[i % 4] = parts[i % 4] + d * d;
      }
      const Vector sum = (sums[0] + sums[1]) + (sums[2] + sums[3]), shift = sum * 0.0625f;
      mean = out[0] + shift, squares = ((parts[0] + parts[1]) + (parts[2] + parts[3])) - sum * shift;
      return;
    }
    const int rows = high < 4 ? static_cast<int>(high) : 4, columns = wide < 4 ? static_cast<int>(wide) : 4;
    Vector sum{}, all{};
    for (int i = 1; i < 16; ++i) {
      if (i / 4 >= rows || i % 4 >= columns) continue;
      const Vector d = out[i] - out[0];
      sum = sum + d, all = all + d * d;
    }
    const Vector shift = sum * (1.f / static_cast<float>(rows * columns));
    mean = out[0] + shift, squares = all - sum * shift;
  }
};

/// Mean and biased variance of one sample's outputs, kPanel channels from k on, from the moments of its tiles.
template <typename Lanes>
struct MergeTiles {
  static PAM_INLINE void run(const WinogradJob* job, std::int64_t sample, std::int64_t k, float* mean,
                             float* variance) {
    typedef typename Lanes::Wide Wide;
    typedef typename Lanes::Vector Vector;
    const auto high = job->tiles_high(), wide = job->tiles_wide(), step = 2 * job->padded_out();
    const auto all = static_cast<double>(job->height * job->width);
    const auto pixels = [](std::int64_t at, std::int64_t size) { return size - 4 * at < 4 ? size - 4 * at : 4; };
    for (int lane = 0; lane < kPanel && k < job->out_channels; lane += Lanes::kCount, k += Lanes::kCount) {
      Wide sums[2] = {};
      for (int pass = 0; pass < 2; ++pass) {  // the sum of the values, then that of their squared deviations
        const Wide middle = sums[0] / all;
        const float* at = job->moments + sample * high * wide * step + k;
        for (std::int64_t y = 0; y < high; ++y) {
          for (std::int64_t x = 0; x < wide; ++x, at += step) {
            const auto n = static_cast<double>(pixels(y, job->height) * pixels(x, job->width));
            const Wide of_tile = __builtin_convertvector(*reinterpret_cast<const Vector*>(at), Wide);
            if (pass == 0) {
              sums[0] = sums[0] + of_tile * n;
            } else {
              const float* squares = at + job->padded_out();
              const Wide d = of_tile - middle;
              sums[1] =
                  sums[1] + (__builtin_convertvector(*reinterpret_cast<const Vector*>(squares), Wide) + d * d * n);
            }
          }
        }
      }
      *reinterpret_cast<Vector*>(mean + lane) = __builtin_convertvector(sums[0] / all, Vector);
      *reinterpret_cast<Vector*>(variance + lane) = __builtin_convertvector(sums[1] / all, Vector);
    }
  }
};

}  // namespace pam::kernels::cpu

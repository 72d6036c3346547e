// SPDX-License-Identifier: MIT
/// Winograd's convolution (winograd_points.hpp) of a block of tiles: the products of many tiles are matrix products,
/// one per position.
#pragma once

#include <pam/kernels/detail/cpu/winograd_read.hpp>

namespace pam::kernels::cpu {

/// Some outputs of some tiles. What is computed for a tile depends neither on the tiles beside it nor on the outputs
/// that are computed with it.
template <typename Lanes, typename Points>
class WinogradTiles : LaneVectors<Lanes> {
  using Vector = typename Lanes::Vector;
  using Unaligned = typename Lanes::Unaligned;
  static constexpr int kLanes = Lanes::kCount, kSide = Points::kOut, kPositions = Points::kPositions;
  static constexpr auto kSideSize = static_cast<std::size_t>(kSide),
                        kPositionsSize = static_cast<std::size_t>(kPositions);  ///< for the sizes of arrays

 public:
  /// Fewer than kGroup outputs are computed for this many tiles at a time, kGroup outputs for 4 to 6.
  static constexpr std::int64_t kRows = 12;
  /// Outputs are computed in groups of this many: their products are transformed before they leave the cache.
  static constexpr std::int64_t kGroup = 64;
  /// Sums are taken in parts of this many channels, for accuracy, and so that a panel's part fits the first cache.
  static constexpr std::int64_t kDepth = 64;

  static std::int64_t scratch(std::int64_t tiles, const WinogradJob& job) {
    const auto rows = whole_rows(tiles, job);
    return kPositions * kPositions *
           (point_stride(rows, job.padded_in()) + point_stride(rows, std::min(kGroup, job.padded_out())));
  }

  /// The outputs [k, end), k a multiple of kGroup, of the tiles [first, first + count).
  static PAM_INLINE void run(const WinogradJob* job, std::int64_t first, std::int64_t count, std::int64_t k,
                             std::int64_t end, float* memory) {
    const auto rows = whole_rows(count, *job), in = job->padded_in(), v_stride = point_stride(rows, in);
    float *v = memory, *m = memory + kPositions * kPositions * v_stride;
    for (int i = 0; i < kPositions * kPositions; ++i) {
      for (auto at = count * in; at < rows * in; ++at) v[i * v_stride + at] = 0;
    }
    WinogradReader<Lanes, Points>::run(*job, first, count, v, v_stride, in);
    for (; k < end; k += kGroup) {
      const auto outputs = whole_panels(std::min(kGroup, end - k)), m_stride = point_stride(rows, outputs);
      for (int p = 0; p < kPositions; ++p) {
        for (int q = 0; q < kPositions; ++q) {
          const auto point = Points::point(p) * Points::kPoints + Points::point(q);
          const float* u = job->u + point * point_stride(job->in_channels, job->padded_out()) + k * job->in_channels;
          multiply(*job, v + (p * kPositions + q) * v_stride, u, count, outputs, m + (p * kPositions + q) * m_stride);
        }
      }
      TilePlace place(*job, first);
      for (std::int64_t t = 0; t < count; ++t, place.next(*job)) {
        write(*job, place, first + t, m + t * outputs, m_stride, k, std::min(k + outputs, job->out_channels));
      }
    }
  }

 private:
  using LaneVectors<Lanes>::vector;

  /// With the rows that the last group of rows may have too many.
  static PAM_INLINE std::int64_t whole_rows(std::int64_t tiles, const WinogradJob& job) {
    return job.padded_out() % kGroup == 0 ? tiles + 3 : (tiles + kRows - 1) / kRows * kRows;
  }

  /// m (count, outputs) = v (count, channels) times u (channels, outputs).
  static PAM_INLINE void multiply(const WinogradJob& job, const float* v, const float* u, std::int64_t count,
                                  std::int64_t outputs, float* m) {
    std::int64_t k = 0;
    if constexpr (kLanes == 16) {
      for (; k + 64 <= outputs; k += 64) multiply_panels<6, 4>(job, v, u + k * job.in_channels, count, m + k, outputs);
      for (; k + 32 <= outputs; k += 32) multiply_panels<12, 2>(job, v, u + k * job.in_channels, count, m + k, outputs);
      for (; k < outputs; k += 16) multiply_panels<12, 1>(job, v, u + k * job.in_channels, count, m + k, outputs);
    } else {
      for (; k < outputs; k += kPanel) multiply_panels<6, 2>(job, v, u + k * job.in_channels, count, m + k, outputs);
    }
  }

  /// In groups of at most `Rows` rows, as equal as possible, and `Vectors` vectors of outputs, whose sums stay in
  /// registers.
  template <int Rows, int Vectors>
  static PAM_INLINE void multiply_panels(const WinogradJob& job, const float* v, const float* u, std::int64_t count,
                                         float* m, std::int64_t outputs) {
    constexpr std::int64_t panels = Vectors * kLanes / kPanel;
    const auto channels = job.in_channels, panel = channels * kPanel, row = job.padded_in();
    for (std::int64_t c = 0; c < channels; c += kDepth) {
      const auto depth = std::min(kDepth, channels - c);
      const float* next = u + (c + kDepth < channels ? (c + kDepth) * kPanel : panels * panel);
      std::int64_t group = 0;
      for (std::int64_t r = 0; r < count; ++group) {
        // Each of the first groups fetches two panels of the next part: the weights are the only data from far away.
        const float* ahead[] = {next + std::min(2 * group, panels - 1) * panel,
                                next + std::min(2 * group + 1, panels - 1) * panel};
        const Block block{v + r * row + c, row,   u + c * kPanel,  panel,   ahead[0],
                          ahead[1],        depth, m + r * outputs, outputs, c > 0};
        const auto rest = count - r, groups = (rest + Rows - 1) / Rows, size = (rest + groups - 1) / groups;
        if constexpr (Rows == 6) {
          if (size == 5) {
            multiply_rows<5, Vectors>(block), r += 5;
            continue;
          }
          if (size <= 4) {
            multiply_rows<4, Vectors>(block), r += 4;
            continue;
          }
        }
        multiply_rows<Rows, Vectors>(block), r += Rows;
      }
    }
  }

  struct Block {
    const float* v;
    std::int64_t row;
    const float* u;
    std::int64_t panel;
    const float *next, *after_next;
    std::int64_t depth;
    float* m;
    std::int64_t outputs;
    bool add;
  };

  template <int Rows, int Vectors>
  static PAM_INLINE void multiply_rows(const Block& b) {
    Vector sums[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Vectors)];
    PAM_UNROLL for (int r = 0; r < Rows; ++r) { PAM_UNROLL for (int i = 0; i < Vectors; ++i) sums[r][i] = Vector{}; }
    for (std::int64_t c = 0; c < b.depth; ++c) {
      __builtin_prefetch(b.next + c * kPanel, 0, 2), __builtin_prefetch(b.after_next + c * kPanel, 0, 2);
      Vector weights[static_cast<std::size_t>(Vectors)];
      PAM_UNROLL for (int i = 0; i < Vectors; ++i) {
        weights[i] = vector(b.u + i * kLanes / kPanel * b.panel + c * kPanel + i * kLanes % kPanel);
      }
      PAM_UNROLL for (int r = 0; r < Rows; ++r) {
        const float value = b.v[r * b.row + c];
        PAM_UNROLL for (int i = 0; i < Vectors; ++i) sums[r][i] = sums[r][i] + weights[i] * value;
      }
    }
    PAM_UNROLL for (int r = 0; r < Rows; ++r) {
      PAM_UNROLL for (int i = 0; i < Vectors; ++i) {
        auto& to = vector(b.m + r * b.outputs + i * kLanes);
        to = b.add ? to + sums[r][i] : sums[r][i];
      }
    }
  }

  /// A^T m A of one tile and the outputs [k, end), and the bias; and the moments of what is written.
  static PAM_INLINE void write(const WinogradJob& job, const TilePlace& place, std::int64_t tile, const float* m,
                               std::int64_t step, std::int64_t k, std::int64_t end) {
    const auto top = place.row * kSide, left = place.column * kSide;
    const auto high = job.height - top, wide = job.width - left;
    const bool whole = high >= kSide && wide >= kSide;
    const auto row_step = job.width * job.out_channels;
    float* picture = job.y + ((place.sample * job.height + top) * job.width + left) * job.out_channels;
    for (; k < end; k += kLanes, m += kLanes) {
      Vector columns[kPositionsSize][kSideSize], out[kSideSize * kSideSize];
      PAM_UNROLL for (int j = 0; j < kPositions; ++j) {
        Vector column[kPositionsSize];
        PAM_UNROLL for (int i = 0; i < kPositions; ++i) column[i] = vector(m + (i * kPositions + j) * step);
        Points::output(column, columns[j]);
      }
      const Vector bias = *reinterpret_cast<const Unaligned*>(job.bias + k);
      PAM_UNROLL for (int i = 0; i < kSide; ++i) {
        Vector row[kPositionsSize];
        PAM_UNROLL for (int j = 0; j < kPositions; ++j) row[j] = columns[j][i];
        Points::output(row, out + i * kSide);
        PAM_UNROLL for (int j = 0; j < kSide; ++j) out[i * kSide + j] = out[i * kSide + j] + bias;
      }
      if (whole && k + kLanes <= job.out_channels) {
        PAM_UNROLL for (int i = 0; i < kSide * kSide; ++i) {
          float* to = picture + i / kSide * row_step + i % kSide * job.out_channels + k;
          __builtin_prefetch(to + kSide * job.out_channels, /*write=*/1, 2);  // the next tile's, to the second cache
          *reinterpret_cast<Unaligned*>(to) = out[i];
        }
      } else {
        for (int i = 0; i < kSide && i < high; ++i) {
          for (int j = 0; j < kSide && j < wide; ++j) {
            float* to = picture + i * row_step + j * job.out_channels + k;
            for (int lane = 0; lane < kLanes && k + lane < job.out_channels; ++lane)
              to[lane] = out[i * kSide + j][lane];
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
  /// mean, so the subtraction loses 5 bits at worst, and never gives less than zero.
  static PAM_INLINE void keep_moments(const Vector* out, std::int64_t high, std::int64_t wide, Vector& mean,
                                      Vector& squares) {
    Vector sums[4] = {}, parts[4] = {};
    if (high >= kSide && wide >= kSide) {
      PAM_UNROLL for (int i = 1; i < kSide * kSide; ++i) {
        const Vector d = out[i] - out[0];
        sums[i % 4] = sums[i % 4] + d;
        parts[i % 4] = parts[i % 4] + d * d;
      }
    } else {
      for (int i = 1; i < kSide * kSide; ++i) {
        if (i / kSide >= high || i % kSide >= wide) continue;
        const Vector d = out[i] - out[0];
        sums[0] = sums[0] + d;
        parts[0] = parts[0] + d * d;
      }
    }
    const auto count = std::min<std::int64_t>(high, kSide) * std::min<std::int64_t>(wide, kSide);
    const Vector sum = (sums[0] + sums[1]) + (sums[2] + sums[3]), shift = sum * (1.f / static_cast<float>(count));
    mean = out[0] + shift, squares = ((parts[0] + parts[1]) + (parts[2] + parts[3])) - sum * shift;
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
    const auto pixels = [&](std::int64_t at, std::int64_t size) { return std::min(size - job->side * at, job->side); };
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

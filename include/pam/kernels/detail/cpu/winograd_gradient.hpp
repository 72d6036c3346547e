// SPDX-License-Identifier: MIT
/// The weights' gradient of a 3x3 convolution by Winograd's method, F(3x3, 4x4): of a tile's outputs
/// y = A^T [(G g G^T) * (B^T d B)] A (winograd.hpp) the derivative in g is G^T [(A dy A^T) * (B^T d B)] G. The products
/// of many tiles are 36 matrix products over the tiles, one per point: 36 multiplications per tile and pair of channels
/// instead of 144.
#pragma once

#include <pam/kernels/detail/cpu/tensors.hpp>
#include <pam/kernels/detail/cpu/winograd_points.hpp>

#include <algorithm>
#include <vector>

namespace pam::kernels::cpu {

/// The transposes of `WinogradPoints::output` and `WinogradPoints::taps`.
struct WinogradGradientPoints : WinogradPoints {
  /// A y of four vectors.
  template <typename V>
  static PAM_INLINE void spread(const V* y, V* out) {
    out[0] = y[0];
    const V even_a = y[0] + y[2] * kA2, odd_a = y[1] * kA + y[3] * kA3;
    out[1] = even_a + odd_a, out[2] = even_a - odd_a;
    const V even_b = y[0] + y[2] * kB2, odd_b = y[1] * kB + y[3] * kB3;
    out[3] = even_b + odd_b, out[4] = even_b - odd_b;
    out[5] = y[3];
  }

  /// G^T m of six vectors.
  template <typename V>
  static PAM_INLINE void gather(const V* m, V* out) {
    constexpr float first = 1 / kProduct, of_a = 1 / (2 * kA2 * (kA2 - kB2)), of_b = 1 / (2 * kB2 * (kB2 - kA2));
    const V sum_a = (m[1] + m[2]) * of_a, sum_b = (m[3] + m[4]) * of_b;
    out[0] = m[0] * first + (sum_a + sum_b);
    out[1] = (m[1] - m[2]) * (kA * of_a) + (m[3] - m[4]) * (kB * of_b);
    out[2] = m[5] + (sum_a * kA2 + sum_b * kB2);
  }
};

/// A gradient of channels-last x (N, height, width, in_channels) and dy (N, height, width, out_channels).
struct WinogradGradientJob {
  const float *x, *dy;
  const float* zeros;  ///< a pixel outside of the picture: zeros for the larger number of channels
  float* sums;         ///< (groups, out_channels, 9, padded_in())
  std::int64_t samples, height, width, in_channels, out_channels;

  [[nodiscard]] std::int64_t tiles_wide() const { return (width + 3) / 4; }
  [[nodiscard]] std::int64_t tiles_high() const { return (height + 3) / 4; }
  [[nodiscard]] std::int64_t tiles() const { return samples * tiles_high() * tiles_wide(); }
  [[nodiscard]] std::int64_t padded_in() const { return whole_panels(in_channels); }
  /// Work is shared out by groups of tiles and by parts of the channels, whose number depends on the sizes alone: so
  /// do the sums' order and the result.
  [[nodiscard]] std::int64_t in_parts() const { return (in_channels + kInPart - 1) / kInPart; }
  [[nodiscard]] std::int64_t out_parts() const { return (out_channels + kOutPart - 1) / kOutPart; }
  [[nodiscard]] std::int64_t groups() const {
    return std::clamp<std::int64_t>(kItems / (in_parts() * out_parts()), 1, (tiles() + kTiles - 1) / kTiles);
  }
  [[nodiscard]] std::int64_t items() const { return groups() * in_parts() * out_parts(); }

  static constexpr std::int64_t kInPart = 128, kOutPart = 64, kTiles = 64, kItems = 64;
};

template <typename Lanes>
class WinogradGradient : LaneVectors<Lanes> {
  using Job = WinogradGradientJob;
  using Points = WinogradGradientPoints;
  using Vector = typename Lanes::Vector;
  using Unaligned = typename Lanes::Unaligned;
  static constexpr int kLanes = Lanes::kCount, kCount = Points::kCount;
  /// Sums that are in registers at once: of this many outputs, and of these vectors of inputs.
  static constexpr int kRows = kLanes == 16 ? 8 : 4, kVectors = 2;

 public:
  static constexpr std::int64_t kRow = Job::kInPart + Job::kOutPart;
  /// An odd number of cache lines between the points, so that they do not share a few lines of a cache.
  static constexpr std::int64_t kStep = (Job::kTiles * kRow / 16 | 1) * 16;
  static constexpr std::int64_t kScratch = kCount * kStep;

  /// Item `index` of `job`: the sum over one group of tiles for one part of the inputs and one of the outputs.
  static PAM_INLINE void run(const Job* job, std::int64_t index, float* memory) {
    const auto parts = job->in_parts() * job->out_parts(), group = index / parts, groups = job->groups();
    const auto c = index % parts / job->out_parts() * Job::kInPart, k = index % job->out_parts() * Job::kOutPart;
    const auto first = job->tiles() * group / groups, last = job->tiles() * (group + 1) / groups;
    const Part part{job->sums + group * job->out_channels * 9 * job->padded_in(), c,
                    std::min(job->in_channels - c, Job::kInPart), k, std::min(job->out_channels - k, Job::kOutPart)};
    for (auto tile = first; tile < last; tile += Job::kTiles) {
      const auto count = std::min(last - tile, Job::kTiles);
      for (std::int64_t t = 0; t < count; ++t) read(*job, part, tile + t, memory + t * kRow);
      multiply(*job, part, count, memory, tile > first);
    }
  }

 private:
  struct Part {
    float* sums;  ///< (out_channels, 9, padded_in()) of this group
    std::int64_t c, inputs, k, outputs;
  };

  using LaneVectors<Lanes>::vector;

  /// B^T d B of one tile of x to `to`, and A dy A^T beside it, both padded with zeros to whole vectors.
  static PAM_INLINE void read(const Job& job, const Part& part, std::int64_t tile, float* to) {
    const auto wide = job.tiles_wide(), high = job.tiles_high();
    const auto top = tile / wide % high * 4, left = tile % wide * 4;
    const auto picture = tile / (wide * high) * job.height * job.width;
    const float *pixels[kCount], *outputs[16];
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 6; ++j) {
        const auto y = top - 1 + i, x = left - 1 + j;
        const bool inside = y >= 0 && y < job.height && x >= 0 && x < job.width;
        const auto at = picture + y * job.width + x;
        pixels[i * 6 + j] = (inside ? job.x + at * job.in_channels : job.zeros) + part.c;
        if (i < 1 || i > 4 || j < 1 || j > 4) continue;
        outputs[(i - 1) * 4 + j - 1] = (inside ? job.dy + at * job.out_channels : job.zeros) + part.k;
      }
    }
    lanes<kCount, Input>(pixels, part.inputs, to);
    lanes<16, Output>(outputs, part.outputs, to + Job::kInPart);
  }

  /// B^T d B of one vector of channels.
  struct Input {
    static PAM_INLINE void run(const float* const* pixels, std::int64_t c, float* to) {
      Vector rows[6][6];
      PAM_UNROLL for (int j = 0; j < 6; ++j) {
        Vector d[6], column[6];
        PAM_UNROLL for (int i = 0; i < 6; ++i) d[i] = *reinterpret_cast<const Unaligned*>(pixels[i * 6 + j] + c);
        Points::input(d, column);
        PAM_UNROLL for (int i = 0; i < 6; ++i) rows[i][j] = column[i];
      }
      PAM_UNROLL for (int i = 0; i < 6; ++i) {
        Vector points[6];
        Points::input(rows[i], points);
        PAM_UNROLL for (int j = 0; j < 6; ++j) vector(to + (i * 6 + j) * kStep) = points[j];
      }
    }
  };

  /// A dy A^T of one vector of channels.
  struct Output {
    static PAM_INLINE void run(const float* const* pixels, std::int64_t k, float* to) {
      Vector rows[6][4];
      PAM_UNROLL for (int j = 0; j < 4; ++j) {
        Vector y[4], column[6];
        PAM_UNROLL for (int i = 0; i < 4; ++i) y[i] = *reinterpret_cast<const Unaligned*>(pixels[i * 4 + j] + k);
        Points::spread(y, column);
        PAM_UNROLL for (int i = 0; i < 6; ++i) rows[i][j] = column[i];
      }
      PAM_UNROLL for (int i = 0; i < 6; ++i) {
        Vector points[6];
        Points::spread(rows[i], points);
        PAM_UNROLL for (int j = 0; j < 6; ++j) vector(to + (i * 6 + j) * kStep) = points[j];
      }
    }
  };

  /// `Transform` of every vector of channels of `Pixels` pixels; the last one is filled up with zeros.
  template <int Pixels, typename Transform>
  static PAM_INLINE void lanes(const float* const* pixels, std::int64_t channels, float* to) {
    std::int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) Transform::run(pixels, c, to + c);
    if (c == channels) return;
    float rest[static_cast<std::size_t>(Pixels)][static_cast<std::size_t>(kLanes)];
    const float* copies[static_cast<std::size_t>(Pixels)];
    for (int i = 0; i < Pixels; ++i) {
      for (int lane = 0; lane < kLanes; ++lane) rest[i][lane] = c + lane < channels ? pixels[i][c + lane] : 0.f;
      copies[i] = rest[i];
    }
    Transform::run(copies, 0, to + c);
  }

  /// Sums over the tiles in memory, turned into gradients and added to those of the tiles before.
  static PAM_INLINE void multiply(const Job& job, const Part& part, std::int64_t tiles, const float* memory, bool add) {
    for (std::int64_t c = 0; c < part.inputs; c += kVectors * kLanes) {
      const bool one = part.inputs - c <= kLanes;
      for (std::int64_t k = 0; k < part.outputs; k += kRows) {
        one ? multiply<1>(job, part, c, k, tiles, memory, add)
            : multiply<kVectors>(job, part, c, k, tiles, memory, add);
      }
    }
  }

  template <int Vectors>
  static PAM_INLINE void multiply(const Job& job, const Part& part, std::int64_t c, std::int64_t k, std::int64_t tiles,
                                  const float* memory, bool add) {
    Vector products[static_cast<std::size_t>(kCount)][static_cast<std::size_t>(kRows)]
                   [static_cast<std::size_t>(Vectors)];
    for (int point = 0; point < kCount; ++point) {
      const float *v = memory + point * kStep + c, *d = memory + point * kStep + Job::kInPart + k;
      Vector sums[static_cast<std::size_t>(kRows)][static_cast<std::size_t>(Vectors)];
      PAM_UNROLL for (int r = 0; r < kRows; ++r) { PAM_UNROLL for (int i = 0; i < Vectors; ++i) sums[r][i] = Vector{}; }
      for (std::int64_t t = 0; t < tiles; ++t, v += kRow, d += kRow) {
        Vector inputs[static_cast<std::size_t>(Vectors)];
        PAM_UNROLL for (int i = 0; i < Vectors; ++i) inputs[i] = vector(v + i * kLanes);
        PAM_UNROLL for (int r = 0; r < kRows; ++r) {
          PAM_UNROLL for (int i = 0; i < Vectors; ++i) sums[r][i] = sums[r][i] + inputs[i] * d[r];
        }
      }
      PAM_UNROLL for (int r = 0; r < kRows; ++r) {
        PAM_UNROLL for (int i = 0; i < Vectors; ++i) products[point][r][i] = sums[r][i];
      }
    }
    for (int r = 0; r < kRows && k + r < part.outputs; ++r) {
      for (int i = 0; i < Vectors; ++i) {
        float* to = part.sums + (part.k + k + r) * 9 * job.padded_in() + part.c + c + i * kLanes;
        Vector rows[3][6];
        PAM_UNROLL for (int j = 0; j < 6; ++j) {
          Vector m[6], column[3];
          PAM_UNROLL for (int p = 0; p < 6; ++p) m[p] = products[p * 6 + j][r][i];
          Points::gather(m, column);
          PAM_UNROLL for (int p = 0; p < 3; ++p) rows[p][j] = column[p];
        }
        PAM_UNROLL for (int p = 0; p < 3; ++p) {
          Vector taps[3];
          Points::gather(rows[p], taps);
          PAM_UNROLL for (int j = 0; j < 3; ++j) {
            auto& sum = vector(to + (p * 3 + j) * job.padded_in());
            sum = add ? sum + taps[j] : taps[j];
          }
        }
      }
    }
  }
};

/// Sums over the groups in order and in float64, of one output channel: (9, padded channels).
template <typename Lanes>
struct SumGroups {
  static PAM_INLINE void run(const float* parts, std::int64_t groups, std::int64_t step, std::int64_t n, float* to) {
    using Unaligned = typename Lanes::Unaligned;
    for (std::int64_t i = 0; i < n; i += Lanes::kCount) {
      typename Lanes::Wide sum{};
      for (std::int64_t group = 0; group < groups; ++group) {
        const Unaligned part = *reinterpret_cast<const Unaligned*>(parts + group * step + i);
        sum = sum + __builtin_convertvector(part, typename Lanes::Wide);
      }
      *reinterpret_cast<Unaligned*>(to + i) = __builtin_convertvector(sum, typename Lanes::Vector);
    }
  }
};

/// The gradient of `weight`, float32 (K, C, 3, 3), in its layout, from dense channels-last float32 x (N, C, H, W) and
/// dy (N, K, H, W). The same on any number of threads.
inline torch::Tensor winograd_gradient(const torch::Tensor& x, const torch::Tensor& dy, const torch::Tensor& weight) {
  WinogradGradientJob job{};
  job.x = x.data_ptr<float>(), job.dy = dy.data_ptr<float>();
  job.samples = x.size(0), job.height = x.size(2), job.width = x.size(3);
  job.in_channels = x.size(1), job.out_channels = dy.size(1);
  const std::vector<float> zeros(static_cast<std::size_t>(std::max(job.in_channels, job.out_channels)));
  job.zeros = zeros.data();
  const auto row = 9 * job.padded_in(), step = row * job.out_channels;
  const Scratch sums(job.groups() * step);
  job.sums = sums.data();
  const bool large = isa() == Isa::Avx512;
  const auto* work = static_cast<const WinogradGradientJob*>(&job);
  parallel(job.items(), 32768, [&](std::int64_t first, std::int64_t last) {
    const Scratch memory(WinogradGradient<Lanes16>::kScratch);
    for (auto i = first; i < last; ++i) {
      large ? run_avx512<WinogradGradient<Lanes16>>(work, i, memory.data())
            : run_avx2<WinogradGradient<Lanes8>>(work, i, memory.data());
    }
  });
  auto result = torch::empty_like(weight);
  auto* to = result.data_ptr<float>();
  const auto k_stride = result.stride(0), c_stride = result.stride(1), high = result.stride(2), wide = result.stride(3);
  parallel(job.out_channels, row * job.groups(), [&](std::int64_t first, std::int64_t last) {
    const Scratch memory(row);
    for (auto k = first; k < last; ++k) {
      const float* parts = job.sums + k * row;
      large ? run_avx512<SumGroups<Lanes16>>(parts, job.groups(), step, row, memory.data())
            : run_avx2<SumGroups<Lanes8>>(parts, job.groups(), step, row, memory.data());
      for (std::int64_t c = 0; c < job.in_channels; ++c) {
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          to[k * k_stride + c * c_stride + tap / 3 * high + tap % 3 * wide] = memory.data()[tap * job.padded_in() + c];
        }
      }
    }
  });
  return result;
}

}  // namespace pam::kernels::cpu

// SPDX-License-Identifier: MIT
/// The matrix products of 1x1 convolutions between channels-last tensors and planes of a vector of channels each
/// (dilated_lanes.hpp): the sums stay in registers, and neither side is transposed.
#pragma once

#include <pam/kernels/detail/cpu/dilated_lanes.hpp>
#include <pam/kernels/detail/cpu/turn_layout.hpp>
#include <pam/kernels/detail/cpu/winograd_points.hpp>

namespace pam::kernels::cpu {

/// weight (O, C) in panels of `lanes` rows: packed[panel][c][lane], with zeros where there is no row, and panels of
/// `depth` >= C columns.
inline void pack_panels(const torch::Tensor& weight, std::int64_t lanes, std::int64_t depth, float* packed) {
  const auto rows = weight.size(0), columns = weight.size(1), panels = (rows + lanes - 1) / lanes;
  const auto* from = weight.data_ptr<float>();
  parallel(panels, lanes * depth, [=](std::int64_t first, std::int64_t last) {
    for (auto panel = first; panel < last; ++panel) {
      auto* to = packed + panel * depth * lanes;
      const auto some = std::min(lanes, rows - panel * lanes);
      if (some < lanes || columns < depth) std::fill_n(to, depth * lanes, 0.f);
      detail::transpose(from + panel * lanes * columns, columns, some, columns, to, lanes);
    }
  });
}

/// Pixels of a channels-last tensor, `step` floats apart.
template <typename Lanes>
class PixelProducts {
  using Vectors = LaneVectors<Lanes>;
  using Vector = typename Vectors::Vector;
  static constexpr std::int64_t kLanes = Vectors::kLanes;

 public:
  /// out (count, kLanes) = `count` pixels of `depth` channels times weights (depth, kLanes).
  static PAM_INLINE void multiply(const float* pixels, std::int64_t step, std::int64_t count, const float* weights,
                                  std::int64_t depth, float* out) {
    std::int64_t i = 0;
    for (; i + 12 <= count; i += 12) rows<12>(pixels + i * step, step, weights, depth, out + i * kLanes);
    if (i + 8 <= count) rows<8>(pixels + i * step, step, weights, depth, out + i * kLanes), i += 8;
    if (i + 4 <= count) rows<4>(pixels + i * step, step, weights, depth, out + i * kLanes), i += 4;
    for (; i < count; ++i) rows<1>(pixels + i * step, step, weights, depth, out + i * kLanes);
  }

  /// sums (depth, kLanes) += the pixels' channels times `lanes` (count, kLanes), summed over the pixels. A call for
  /// some hundred pixels keeps float32's digits.
  static PAM_INLINE void accumulate(const float* pixels, std::int64_t step, std::int64_t count, const float* lanes,
                                    std::int64_t depth, float* sums) {
    constexpr int most = Lanes::kCount == 16 ? 16 : 8;
    std::int64_t c = 0;
    for (; c + most <= depth; c += most) columns<most>(pixels + c, step, count, lanes, sums + c * kLanes);
    if (c + 4 <= depth) columns<4>(pixels + c, step, count, lanes, sums + c * kLanes), c += 4;
    for (; c < depth; ++c) columns<1>(pixels + c, step, count, lanes, sums + c * kLanes);
  }

 private:
  template <int Pixels>
  static PAM_INLINE void rows(const float* from, std::int64_t step, const float* weights, std::int64_t depth,
                              float* out) {
    Vector sums[static_cast<std::size_t>(Pixels)];
    PAM_UNROLL for (int i = 0; i < Pixels; ++i) sums[i] = Vector{};
    for (std::int64_t c = 0; c < depth; ++c) {
      const Vector weight = Vectors::vector(weights + c * kLanes);
      PAM_UNROLL for (int i = 0; i < Pixels; ++i) sums[i] = sums[i] + weight * from[i * step + c];
    }
    PAM_UNROLL for (int i = 0; i < Pixels; ++i) Vectors::vector(out + i * kLanes) = sums[i];
  }

  template <int Columns>
  static PAM_INLINE void columns(const float* pixels, std::int64_t step, std::int64_t count, const float* lanes,
                                 float* out) {
    Vector sums[static_cast<std::size_t>(Columns)];
    PAM_UNROLL for (int c = 0; c < Columns; ++c) sums[c] = Vector{};
    for (std::int64_t p = 0; p < count; ++p, pixels += step) {
      const Vector v = Vectors::vector(lanes + p * kLanes);
      PAM_UNROLL for (int c = 0; c < Columns; ++c) sums[c] = sums[c] + v * pixels[c];
    }
    PAM_UNROLL for (int c = 0; c < Columns; ++c) {
      auto& to = Vectors::vector(out + c * kLanes);
      to = to + sums[c];
    }
  }
};

/// `groups` planes of a vector of channels each, (pixels, kLanes), `stride` floats apart, and weights for all of their
/// channels: panels of kPanel outputs, (groups * kLanes, kPanel) each.
struct LanePlanes {
  const float* data;
  std::int64_t stride, groups;
  const float* panels;
  std::int64_t outputs;  ///< padded to whole panels

  /// Planes must be readable for this many pixels more: rows of a product are computed in groups.
  static constexpr std::int64_t kRows = 12;
  static std::int64_t whole_rows(std::int64_t count) { return (count + kRows - 1) / kRows * kRows; }
};

/// out (whole_rows(count), outputs) = the pixels [first, first + count) times the weights.
template <typename Lanes>
class PlaneProduct {
  using Vectors = LaneVectors<Lanes>;
  using Vector = typename Vectors::Vector;
  static constexpr std::int64_t kLanes = Vectors::kLanes;

 public:
  static PAM_INLINE void run(const LanePlanes* planes, std::int64_t first, std::int64_t count, float* out) {
    const auto outputs = planes->outputs;
    std::int64_t k = 0;
    if constexpr (kLanes == 16) {
      for (; k + 64 <= outputs; k += 64) panels<6, 4>(*planes, first, count, k, out);
      for (; k + 32 <= outputs; k += 32) panels<12, 2>(*planes, first, count, k, out);
      for (; k < outputs; k += 16) panels<12, 1>(*planes, first, count, k, out);
    } else {
      for (; k < outputs; k += kPanel) panels<6, 2>(*planes, first, count, k, out);
    }
  }

 private:
  /// Sums are taken in parts of this many groups, whose weights fit the first cache.
  static constexpr std::int64_t kPart = 64 / kLanes;

  template <int Rows, int Count>
  static PAM_INLINE void panels(const LanePlanes& planes, std::int64_t first, std::int64_t count, std::int64_t k,
                                float* out) {
    const auto panel = planes.groups * kLanes * kPanel;
    for (std::int64_t g = 0; g < planes.groups; g += kPart) {
      const auto* z = planes.data + g * planes.stride + first * kLanes;
      const auto* u = planes.panels + k / kPanel * panel + g * kLanes * kPanel;
      for (std::int64_t r = 0; r < count; r += Rows) {
        rows<Rows, Count>(z + r * kLanes, planes.stride, u, panel, std::min(kPart, planes.groups - g),
                          out + r * planes.outputs + k, planes.outputs, g > 0);
      }
    }
  }

  template <int Rows, int Count>
  static PAM_INLINE void rows(const float* z, std::int64_t stride, const float* u, std::int64_t panel,
                              std::int64_t groups, float* out, std::int64_t out_row, bool add) {
    Vector sums[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Count)];
    PAM_UNROLL for (int r = 0; r < Rows; ++r) { PAM_UNROLL for (int i = 0; i < Count; ++i) sums[r][i] = Vector{}; }
    for (std::int64_t g = 0; g < groups; ++g, z += stride, u += kLanes * kPanel) {
      for (std::int64_t c = 0; c < kLanes; ++c) {
        Vector weights[static_cast<std::size_t>(Count)];
        PAM_UNROLL for (int i = 0; i < Count; ++i) {
          weights[i] = Vectors::vector(u + i * kLanes / kPanel * panel + c * kPanel + i * kLanes % kPanel);
        }
        PAM_UNROLL for (int r = 0; r < Rows; ++r) {
          const float value = z[r * kLanes + c];
          PAM_UNROLL for (int i = 0; i < Count; ++i) sums[r][i] = sums[r][i] + weights[i] * value;
        }
      }
    }
    PAM_UNROLL for (int r = 0; r < Rows; ++r) {
      PAM_UNROLL for (int i = 0; i < Count; ++i) {
        auto& to = Vectors::vector(out + r * out_row + i * kLanes);
        to = add ? to + sums[r][i] : sums[r][i];
      }
    }
  }
};

}  // namespace pam::kernels::cpu

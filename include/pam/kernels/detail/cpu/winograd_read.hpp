// SPDX-License-Identifier: MIT
/// What Winograd's convolution reads: B^T d B of every tile (winograd_points.hpp). The norm and ReLU of its input, and
/// the upsampling and concatenation, are computed on the way.
#pragma once

#include <pam/kernels/detail/cpu/upsample_rows.hpp>
#include <pam/kernels/detail/cpu/winograd_points.hpp>

#include <algorithm>

namespace pam::kernels::cpu {

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
  float* y;
  float* moments;  ///< of every tile's outputs: whole_panels(out_channels) means, as many sums of squared deviations
  std::int64_t height, width, in_channels, out_channels;
  std::int64_t side;  ///< outputs of a tile along an axis

  [[nodiscard]] std::int64_t tiles_high() const { return (height + side - 1) / side; }
  [[nodiscard]] std::int64_t tiles_wide() const { return (width + side - 1) / side; }
  [[nodiscard]] std::int64_t padded_in() const { return whole_panels(in_channels); }
  [[nodiscard]] std::int64_t padded_out() const { return whole_panels(out_channels); }
};

/// Where a tile lies: its sample, and its row and column among the sample's tiles. Tiles are numbered over all samples,
/// row by row.
struct TilePlace {
  std::int64_t sample, row, column;

  PAM_INLINE TilePlace(const WinogradJob& job, std::int64_t tile)
      : sample(tile / (job.tiles_wide() * job.tiles_high())),
        row(tile / job.tiles_wide() % job.tiles_high()),
        column(tile % job.tiles_wide()) {}
  PAM_INLINE void next(const WinogradJob& job) {
    if (++column < job.tiles_wide()) return;
    column = 0;
    if (++row < job.tiles_high()) return;
    row = 0, ++sample;
  }
};

/// Reads tiles that follow each other. A column of a tile's pixels is transformed once, also where two tiles overlap.
template <typename Lanes, typename Points>
class WinogradReader : LaneVectors<Lanes> {
  using Vector = typename Lanes::Vector;
  using Unaligned = typename Lanes::Unaligned;
  static constexpr std::int64_t kLanes = Lanes::kCount;
  static constexpr int kSpan = Points::kSpan, kPositions = Points::kPositions, kStep = Points::kOut * Points::kStride;
  /// Vectors of channels that are read together: their columns stay in the first cache.
  static constexpr int kChunk = 4096 / (kSpan * kPositions * static_cast<int>(kLanes)) < 2 ? 2 : 4;
  // For the sizes of arrays.
  static constexpr auto kSpanSize = static_cast<std::size_t>(kSpan),
                        kPositionsSize = static_cast<std::size_t>(kPositions),
                        kChunkSize = static_cast<std::size_t>(kChunk);
  using LaneVectors<Lanes>::vector;

 public:
  /// B^T d B of `count` tiles from `first` on: position (p, q) of tile t goes to v[(p * kPositions + q) * step + t *
  /// row] and the channels behind it.
  static PAM_INLINE void run(const WinogradJob& job, std::int64_t first, std::int64_t count, float* v,
                             std::int64_t step, std::int64_t row) {
    if constexpr (Points::kStride == 1) {
      if (job.deep.channels > 0) read<Upsampled>(job, first, count, job.deep, v, step, row);
    }
    read<Straight>(job, first, count, job.x, v + job.deep.channels, step, row);
  }

 private:
  template <typename Source>
  static PAM_INLINE void read(const WinogradJob& job, std::int64_t first, std::int64_t count, const Pixels& pixels,
                              float* v, std::int64_t step, std::int64_t row) {
    for (std::int64_t start = 0; start < pixels.channels; start += kChunk * kLanes) {
      const auto end = std::min(start + kChunk * kLanes, pixels.channels);
      Source source(job, pixels);
      Vector columns[kChunkSize][kSpanSize][kPositionsSize];  // column x of the picture lies at (x + 1) % kSpan
      TilePlace place(job, first);
      for (std::int64_t t = 0; t < count; ++t, place.next(job)) {
        const bool fresh = t == 0 || place.column == 0;
        const auto left = place.column * kStep - 1, slot = (left + 1) % kSpan;
        const std::int64_t known = fresh ? 0 : kSpan - kStep;
        source.enter(place, fresh);
        for (auto c = start; c < end; c += kLanes) {
          auto& mine = columns[(c - start) / kLanes];
          source.prepare(c, (c - start) / kLanes);
          Vector* at[kSpanSize];
          PAM_UNROLL for (int j = 0; j < kSpan; ++j) at[j] = mine[slot + j < kSpan ? slot + j : slot + j - kSpan];
          for (auto j = known; j < kSpan; ++j) source.column(left + j, c, (c - start) / kLanes, at[j]);
          float* to = v + t * row + c;
          PAM_UNROLL for (int p = 0; p < kPositions; ++p) {
            Vector d[kSpanSize], points[kPositionsSize];
            PAM_UNROLL for (int j = 0; j < kSpan; ++j) d[j] = at[j][p];
            Points::input(d, points);
            PAM_UNROLL for (int q = 0; q < kPositions; ++q) vector(to + (p * kPositions + q) * step) = points[q];
          }
        }
      }
    }
  }

  /// The pixels as they are, with their norm and ReLU. A pixel outside of the picture is zero in any case: the padding
  /// comes after the ReLU.
  class Straight {
   public:
    PAM_INLINE Straight(const WinogradJob&, const Pixels& pixels) : pixels_(pixels) {}
    PAM_INLINE void enter(const TilePlace& place, bool fresh) {
      if (!fresh) return;
      inside_ = true;
      for (int i = 0; i < kSpan; ++i) {
        const auto y = place.row * kStep - 1 + i;
        const bool is_inside = y >= 0 && y < pixels_.height;
        rows_[i] =
            is_inside ? pixels_.x + (place.sample * pixels_.height + y) * pixels_.width * pixels_.channels : nullptr;
        inside_ = inside_ && is_inside;
      }
      table_ = pixels_.table == nullptr ? nullptr : pixels_.table + place.sample * 2 * pixels_.channels;
    }
    PAM_INLINE void prepare(std::int64_t, std::int64_t) {}
    PAM_INLINE void column(std::int64_t x, std::int64_t c, std::int64_t, Vector* out) const {
      if (x < 0 || x >= pixels_.width) {
        PAM_UNROLL for (int i = 0; i < kPositions; ++i) out[i] = Vector{};
        return;
      }
      if (!inside_ || c + kLanes > pixels_.channels) {
        border(x, c, out);
      } else if (table_ == nullptr) {
        interior<false>(x, c, out);
      } else {
        interior<true>(x, c, out);
      }
    }

   private:
    template <bool HasTable>
    PAM_INLINE void interior(std::int64_t x, std::int64_t c, Vector* out) const {
      const auto channels = pixels_.channels, at = x * channels + c;
      Vector d[kSpanSize], scale, shift;
      if constexpr (HasTable) {
        scale = *reinterpret_cast<const Unaligned*>(table_ + c);
        shift = *reinterpret_cast<const Unaligned*>(table_ + channels + c);
      }
      PAM_UNROLL for (int i = 0; i < kSpan; ++i) {
        __builtin_prefetch(rows_[i] + at + kStep * channels, 0, 2);  // the next tile's, to the second cache
        d[i] = *reinterpret_cast<const Unaligned*>(rows_[i] + at);
        if constexpr (HasTable) {
          d[i] = d[i] * scale + shift;
          LaneVectors<Lanes>::relu(d[i]);
        }
      }
      Points::input(d, out);
    }

    /// At the upper and lower border, and the channels that do not fill a vector.
    PAM_INLINE void border(std::int64_t x, std::int64_t c, Vector* out) const {
      const auto channels = pixels_.channels;
      Vector d[kSpanSize], scale{}, shift{};
      if (table_ != nullptr)
        load_some(table_ + c, channels - c, scale), load_some(table_ + channels + c, channels - c, shift);
      for (int i = 0; i < kSpan; ++i) {
        d[i] = Vector{};
        if (rows_[i] == nullptr) continue;
        load_some(rows_[i] + x * channels + c, channels - c, d[i]);
        if (table_ == nullptr) continue;
        d[i] = d[i] * scale + shift;
        LaneVectors<Lanes>::relu(d[i]);
      }
      Points::input(d, out);
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

    Pixels pixels_;
    const float *rows_[kSpanSize], *table_ = nullptr;
    bool inside_ = false;
  };

  /// The pixels upsampled. Interpolation and transform are both linear, so the smaller picture's columns are
  /// interpolated downwards and transformed first, and a column of the picture lies between two of these.
  class Upsampled {
    /// A tile's rows lie between at most so many of the smaller picture, because a step in the picture is at most one
    /// in the smaller one; of the columns as many are in use at a time.
    static constexpr int kMost = kSpan + 1, kSlots = 8;
    static constexpr auto kMostSize = static_cast<std::size_t>(kMost);
    static_assert(kMost <= kSlots);

   public:
    PAM_INLINE Upsampled(const WinogradJob& job, const Pixels& pixels)
        : pixels_(pixels), down_(job.down), across_(job.across) {}
    PAM_INLINE void enter(const TilePlace& place, bool fresh) {
      const auto left = place.column * kStep - 1;
      const auto at = [&](std::int64_t x) { return std::clamp<std::int64_t>(x, 0, across_.size - 1); };
      from_ = fresh ? across_.lower[at(left)] : to_;
      to_ = across_.upper[at(left + kSpan - 1)] + 1;
      if (!fresh) return;
      count_ = 0;
      std::int64_t first = 0;
      for (int i = 0; i < kSpan; ++i) {
        const auto y = place.row * kStep - 1 + i;
        inside_[i] = y >= 0 && y < down_.size;
        if (!inside_[i]) continue;
        if (count_ == 0) first = down_.lower[y];
        lower_[i] = static_cast<int>(down_.lower[y] - first), upper_[i] = static_cast<int>(down_.upper[y] - first);
        weight_[i] = down_.weight[y];
        count_ = upper_[i] + 1;
      }
      data_ = pixels_.x + (place.sample * pixels_.height + first) * pixels_.width * pixels_.channels;
      table_ = pixels_.table == nullptr ? nullptr : pixels_.table + place.sample * 2 * pixels_.channels;
    }
    /// The smaller picture's columns that are new.
    PAM_INLINE void prepare(std::int64_t c, std::int64_t index) {
      const auto channels = pixels_.channels, line = pixels_.width * channels;
      for (auto x = from_; x < to_; ++x) {
        Vector pixels[kMostSize], d[kSpanSize];
        for (int r = 0; r < count_; ++r) {
          const float* at = data_ + r * line + x * channels + c;
          __builtin_prefetch(at + 3 * channels, 0, 2);  // about the next tile's
          pixels[r] = *reinterpret_cast<const Unaligned*>(at);
          if (table_ == nullptr) continue;
          pixels[r] = pixels[r] * *reinterpret_cast<const Unaligned*>(table_ + c) +
                      *reinterpret_cast<const Unaligned*>(table_ + channels + c);
          LaneVectors<Lanes>::relu(pixels[r]);
        }
        PAM_UNROLL for (int i = 0; i < kSpan; ++i) {
          d[i] = Vector{};
          if (inside_[i]) d[i] = pixels[lower_[i]] + (pixels[upper_[i]] - pixels[lower_[i]]) * weight_[i];
        }
        Points::input(d, columns_[index][x % kSlots]);
      }
    }
    PAM_INLINE void column(std::int64_t x, std::int64_t, std::int64_t index, Vector* out) const {
      if (x < 0 || x >= across_.size) {
        PAM_UNROLL for (int i = 0; i < kPositions; ++i) out[i] = Vector{};
        return;
      }
      const auto *a = columns_[index][across_.lower[x] % kSlots], *b = columns_[index][across_.upper[x] % kSlots];
      const float weight = across_.weight[x];
      PAM_UNROLL for (int i = 0; i < kPositions; ++i) out[i] = a[i] + (b[i] - a[i]) * weight;
    }

   private:
    Pixels pixels_;
    AxisView down_, across_;
    const float *data_ = nullptr, *table_ = nullptr;
    std::int64_t from_ = 0, to_ = 0;
    int count_ = 0, lower_[kSpanSize] = {}, upper_[kSpanSize] = {};
    float weight_[kSpanSize] = {};
    bool inside_[kSpanSize] = {};
    Vector columns_[kChunkSize][kSlots][kPositionsSize];
  };
};

}  // namespace pam::kernels::cpu

// SPDX-License-Identifier: MIT
/// Winograd's 3x3 convolution on tensors, autograd aside: tiles shared out over threads.
#pragma once

#include <pam/kernels/detail/cpu/norm_plane.hpp>
#include <pam/kernels/detail/cpu/winograd.hpp>
#include <pam/kernels/detail/cpu/winograd_weights.hpp>

#include <vector>

namespace pam::kernels::cpu {

/// How a convolution is shared out: blocks of `tiles` tiles times `parts` parts of the outputs. Results do not depend
/// on it.
struct WinogradShares {
  std::int64_t tiles, parts;

  /// The fastest of several. A block's work is counted in products of all weights with one tile: as many as it has
  /// tiles, 4 for reading the weights, and 7 channels' for each number that is transformed.
  WinogradShares(std::int64_t all, std::int64_t in, std::int64_t out, std::int64_t threads) : tiles(all), parts(1) {
    using Tiles = WinogradTiles<Lanes16, WinogradPoints>;
    const auto divided = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
    const auto step = out < Tiles::kGroup ? Tiles::kRows : 1;  // fewer outputs are computed for so many tiles at a time
    // More tiles would leave the second cache before they are used, and with fewer the weights are read too often.
    constexpr std::int64_t most = 24;
    const auto groups = divided(out, Tiles::kGroup), fewest = divided(all, most);
    std::int64_t least = 0;
    for (auto blocks = fewest; blocks <= std::min(all, fewest + 2 * threads); ++blocks) {
      for (std::int64_t some = 1; some <= std::min(groups, threads); ++some) {
        const auto size = divided(divided(all, blocks), step) * step;
        const auto outputs = std::min(out, divided(groups, some) * Tiles::kGroup);
        if (outputs * (some - 1) >= out) continue;  // one part would be empty
        const auto cost =
            divided(divided(all, size) * some, threads) * (in * outputs * (size + 4) + 7 * size * (in + outputs));
        if (least != 0 && cost >= least) continue;
        least = cost, tiles = size, parts = some;
      }
    }
  }
};

/// What a convolution reads: x, or [deep upsampled to x's size, x]. float32 (N, C, H, W), dense channels-last; where
/// there is a table of the same samples and channels, relu(x * scale + shift) (affine_table in instance_norm.hpp).
struct WinogradInput {
  torch::Tensor x, table, deep, deep_table;
  [[nodiscard]] std::int64_t channels() const { return x.size(1) + (deep.defined() ? deep.size(1) : 0); }
};

/// The norm that is to follow a convolution: weight and bias float32 (K).
struct FollowingNorm {
  torch::Tensor weight, bias;
  float eps;
};

inline Pixels pixels_of(const torch::Tensor& x, const torch::Tensor& table) {
  return {x.data_ptr<float>(), table.defined() ? table.data_ptr<float>() : nullptr, x.size(2), x.size(3), x.size(1)};
}

/// The table of the norm of a convolution whose tiles' moments are known.
inline torch::Tensor table_of_tiles(const WinogradJob& job, std::int64_t samples, const FollowingNorm& norm) {
  const auto k = job.out_channels, panels = whole_panels(k) / kPanel;
  auto table = torch::empty({samples, 2, k}, norm.weight.options());
  auto* rows = table.data_ptr<float>();
  const auto *weight = norm.weight.data_ptr<float>(), *bias = norm.bias.data_ptr<float>();
  const bool large = isa() == Isa::Avx512;
  parallel(samples * panels, job.tiles_high() * job.tiles_wide() * 2 * kPanel,
           [&](std::int64_t first, std::int64_t last) {
             for (auto i = first; i < last; ++i) {
               alignas(64) float mean[kPanel], variance[kPanel];
               const auto sample = i / panels, from = i % panels * kPanel;
               large ? run_avx512<MergeTiles<Lanes16>>(&job, sample, from, &mean[0], &variance[0])
                     : run_avx2<MergeTiles<Lanes8>>(&job, sample, from, &mean[0], &variance[0]);
               for (auto c = from; c < std::min(from + kPanel, k); ++c) {
                 const auto a = affine_of({mean[c - from], rstd_of(variance[c - from], norm.eps)}, weight[c], bias[c]);
                 rows[2 * sample * k + c] = a.scale, rows[(2 * sample + 1) * k + c] = a.shift;
               }
             }
           });
  return table;
}

/// All outputs of `tiles` tiles, by all threads.
template <typename Points>
void winograd_tiles(const WinogradJob& job, std::int64_t tiles) {
  using Large = WinogradTiles<Lanes16, Points>;
  using Small = WinogradTiles<Lanes8, Points>;
  const WinogradShares shares(tiles, job.padded_in(), job.padded_out(), at::get_num_threads());
  const auto size = shares.tiles, blocks = (tiles + size - 1) / size;
  const auto groups = (job.out_channels + Large::kGroup - 1) / Large::kGroup;
  const auto outputs = (groups + shares.parts - 1) / shares.parts * Large::kGroup;
  const bool large = isa() == Isa::Avx512;
  const auto scratch = Large::scratch(std::min(size, tiles), job);
  parallel(blocks * shares.parts, size * 16 * job.in_channels, [&](std::int64_t first, std::int64_t last) {
    const Scratch memory(scratch);
    for (auto i = first; i < last; ++i) {
      const auto tile = i % blocks * size, count = std::min(size, tiles - tile);
      const auto k = i / blocks * outputs, end = std::min(k + outputs, job.out_channels);
      large ? run_avx512<Large>(&job, tile, count, k, end, memory.data())
            : run_avx2<Small>(&job, tile, count, k, end, memory.data());
    }
  });
}

/// in (N, C, H, W) -> (N, K, H, W), or (N, K, ceil(H / 2), ceil(W / 2)) where the weights are of stride 2; float32,
/// dense channels-last. `bias`: float32 (K), contiguous, or undefined. Where there is a `norm`, `table` becomes that of
/// its result.
inline torch::Tensor winograd_conv(const WinogradInput& in, const WinogradWeights& weights, const torch::Tensor& bias,
                                   const FollowingNorm* norm = nullptr, torch::Tensor* table = nullptr) {
  const auto& x = in.x;
  const auto samples = x.size(0), k = weights.out_channels;
  WinogradJob job{};
  job.x = pixels_of(x, in.table);
  with_points(weights.kind, [&](auto points) {
    constexpr std::int64_t stride = decltype(points)::kStride;
    job.height = (x.size(2) + stride - 1) / stride, job.width = (x.size(3) + stride - 1) / stride;
    job.side = decltype(points)::kOut;
  });
  job.in_channels = weights.in_channels, job.out_channels = k;
  // With these strides also where LibTorch would call the tensor contiguous (one channel, one pixel).
  const auto y = torch::empty({samples, job.height, job.width, k}, x.options()).permute({0, 3, 1, 2});
  std::vector<float> biases(static_cast<std::size_t>(whole_panels(k)));
  if (bias.defined()) std::copy_n(bias.data_ptr<float>(), k, biases.data());
  const bool joined = in.deep.defined();
  const Axis down(joined ? in.deep.size(2) : 1, joined ? x.size(2) : 0),
      across(joined ? in.deep.size(3) : 1, joined ? x.size(3) : 0);
  if (joined) {
    job.deep = pixels_of(in.deep, in.deep_table);
    job.down = detail::view(down), job.across = detail::view(across);
  }
  job.u = weights.data(), job.y = y.data_ptr<float>(), job.bias = biases.data();
  const auto tiles = samples * job.tiles_high() * job.tiles_wide();
  const Scratch moments(norm != nullptr ? tiles * 2 * job.padded_out() : 0);
  job.moments = moments.data();
  with_points(weights.kind, [&](auto points) { winograd_tiles<decltype(points)>(job, tiles); });
  if (norm != nullptr) *table = table_of_tiles(job, samples, *norm);
  return y;
}

}  // namespace pam::kernels::cpu

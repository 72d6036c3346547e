// SPDX-License-Identifier: MIT
/// Winograd's 3x3 convolution on tensors, autograd aside: tiles shared out over threads.
#pragma once

#include <pam/kernels/detail/cpu/norm_plane.hpp>
#include <pam/kernels/detail/cpu/winograd_weights.hpp>

#include <vector>

namespace pam::kernels::cpu {

/// Tiles per block. A thread that has b blocks of t tiles works for about b * (t + 4) tiles: the last group of rows of
/// a block is filled up, and every block reads all weights. Results do not depend on it.
inline std::int64_t tiles_per_block(std::int64_t tiles, std::int64_t threads) {
  constexpr std::int64_t rows = 12, most = 5 * rows, reading = 4;
  std::int64_t best = rows, least = 0;
  for (auto size = rows; size <= most; size += rows) {
    const auto blocks = (tiles + size - 1) / size;
    const auto cost = (blocks + threads - 1) / threads * (size + reading);
    if (least == 0 || cost <= least) best = size, least = cost;
  }
  return best;
}

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

/// in (N, C, H, W) -> (N, K, H, W), float32, dense channels-last. `bias`: float32 (K), contiguous, or undefined. Where
/// there is a `norm`, `table` becomes that of its result.
inline torch::Tensor winograd_conv(const WinogradInput& in, const WinogradWeights& weights, const torch::Tensor& bias,
                                   const FollowingNorm* norm = nullptr, torch::Tensor* table = nullptr) {
  const auto& x = in.x;
  const auto samples = x.size(0), k = weights.out_channels;
  // With these strides also where LibTorch would call the tensor contiguous (one channel, one pixel).
  const auto y = torch::empty({samples, x.size(2), x.size(3), k}, x.options()).permute({0, 3, 1, 2});
  std::vector<float> zeros(static_cast<std::size_t>(x.size(1))), biases(static_cast<std::size_t>(whole_panels(k)));
  if (bias.defined()) std::copy_n(bias.data_ptr<float>(), k, biases.data());
  WinogradJob job{};
  job.x = pixels_of(x, in.table);
  const bool joined = in.deep.defined();
  const Axis down(joined ? in.deep.size(2) : 1, joined ? x.size(2) : 0),
      across(joined ? in.deep.size(3) : 1, joined ? x.size(3) : 0);
  if (joined) {
    job.deep = pixels_of(in.deep, in.deep_table);
    job.down = detail::view(down), job.across = detail::view(across);
  }
  job.u = weights.data(), job.y = y.data_ptr<float>();
  job.bias = biases.data(), job.zeros = zeros.data();
  job.height = x.size(2), job.width = x.size(3), job.in_channels = weights.in_channels, job.out_channels = k;
  const auto tiles = samples * job.tiles_high() * job.tiles_wide();
  const Scratch moments(norm != nullptr ? tiles * 2 * job.padded_out() : 0);
  job.moments = moments.data();
  const auto size = tiles_per_block(tiles, at::get_num_threads()), blocks = (tiles + size - 1) / size;
  const bool large = isa() == Isa::Avx512;
  const auto scratch = WinogradTiles<Lanes16>::scratch(std::min(size, tiles), job);
  parallel(blocks, size * 16 * job.in_channels, [&, tiles](std::int64_t first, std::int64_t last) {
    const Scratch memory(scratch);
    const auto* work = static_cast<const WinogradJob*>(&job);
    for (auto block = first; block < last; ++block) {
      const auto tile = block * size, count = std::min(size, tiles - tile);
      large ? run_avx512<WinogradTiles<Lanes16>>(work, tile, count, memory.data())
            : run_avx2<WinogradTiles<Lanes8>>(work, tile, count, memory.data());
    }
  });
  if (norm != nullptr) *table = table_of_tiles(job, samples, *norm);
  return y;
}

}  // namespace pam::kernels::cpu

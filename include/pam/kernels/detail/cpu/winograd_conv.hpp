// SPDX-License-Identifier: MIT
/// Winograd's 3x3 convolution on tensors, autograd aside: tiles shared out over threads.
#pragma once

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

/// x (N, C, H, W), float32, dense channels-last -> (N, K, H, W), the same. `bias`: float32 (K), contiguous, or
/// undefined.
inline torch::Tensor winograd_conv(const torch::Tensor& x, const WinogradWeights& weights, const torch::Tensor& bias) {
  const auto samples = x.size(0), k = weights.out_channels;
  // With these strides also where LibTorch would call the tensor contiguous (one channel, one pixel).
  const auto y = torch::empty({samples, x.size(2), x.size(3), k}, x.options()).permute({0, 3, 1, 2});
  std::vector<float> zeros(static_cast<std::size_t>(weights.in_channels)),
      biases(static_cast<std::size_t>(whole_panels(k)));
  if (bias.defined()) std::copy_n(bias.data_ptr<float>(), k, biases.data());
  WinogradJob job{};
  job.x = x.data_ptr<float>(), job.u = weights.data(), job.y = y.data_ptr<float>();
  job.bias = biases.data(), job.zeros = zeros.data();
  job.height = x.size(2), job.width = x.size(3), job.in_channels = weights.in_channels, job.out_channels = k;
  const auto tiles = samples * job.tiles_high() * job.tiles_wide();
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
  return y;
}

}  // namespace pam::kernels::cpu

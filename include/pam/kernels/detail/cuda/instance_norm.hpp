// SPDX-License-Identifier: MIT
/// Host code of the CUDA instance norm + ReLU (+ gate), for any Launcher; the counterpart of cpu/instance_norm.hpp.
#pragma once

#include <pam/kernels/detail/cuda/launcher.hpp>

#include <utility>

namespace pam::kernels::cuda {

namespace detail {

/// How a channels-last tensor's pixels are cut: blocks of (chunk, sample, 32 packs of channels).
struct PixelChunks {
  PixelChunks(const torch::Tensor& x, const Build& build, const Launcher& device)
      : samples(x.size(0)), channels(x.size(1)), pixels(x.size(2) * x.size(3)), packs(channels / build.pack) {
    const auto tiles = ceil_div(packs, 32);
    const auto wanted = std::max<std::int64_t>(1, device.busy_blocks() / (samples * tiles));
    chunk = std::max<std::int64_t>(64, ceil_div(pixels, wanted));
    chunks = ceil_div(pixels, chunk);
    sums = {{chunks, samples, tiles},
            device.block(),
            static_cast<std::int64_t>(device.block()) * 2 * build.pack * static_cast<std::int64_t>(sizeof(float))};
  }
  std::int64_t samples, channels, pixels, packs, chunk, chunks;
  Launch sums;
};

}  // namespace detail

/// relu(norm(x)), or with defined `logits` times (sigmoid(logits) + identity). `output` may be x itself. All dense in
/// one layout; weight and bias float32. Returns the table that the backward pass needs, (N * C, 4).
inline torch::Tensor instance_norm_relu(Launcher& device, const torch::Tensor& x, const torch::Tensor& logits,
                                        const torch::Tensor& weight, const torch::Tensor& bias, double eps,
                                        bool identity, const torch::Tensor& output) {
  const auto table = torch::empty({x.size(0) * x.size(1), 4}, weight.options());
  const auto n = static_cast<int>(x.size(2) * x.size(3)), channels = static_cast<int>(x.size(1));
  const float small = static_cast<float>(eps), one = identity ? 1.f : 0.f;
  if (!is_channels_last(x)) {
    const auto build = build_for(n, x, logits, output);
    device.run(build, "norm_plane", {{x.size(0) * x.size(1), 1, 1}, device.block(), 0}, pointer(x), pointer(logits),
               pointer(output), pointer(weight), pointer(bias), pointer(table), n, channels, small, one);
    return table;
  }
  const auto build = build_for(channels, x, logits, output);
  const detail::PixelChunks cut(x, build, device);
  const auto parts = torch::empty({cut.samples, cut.chunks, 2, channels}, weight.options());
  device.run(build, "norm_pixel_sums", cut.sums, pointer(x), pointer(parts), n, channels, static_cast<int>(cut.chunk));
  device.run(build, "norm_pixel_table", device.threads(cut.samples * channels), pointer(x), pointer(parts),
             pointer(weight), pointer(bias), pointer(table), static_cast<int>(cut.samples), n, channels,
             static_cast<int>(cut.chunks), small);
  device.run(build, "norm_pixel_apply", device.threads(cut.pixels * cut.packs, cut.samples), pointer(x),
             pointer(logits), pointer(table), pointer(output), n, channels, one);
  return table;
}

struct NormGradients {
  torch::Tensor x, weight, bias, logits;
};

/// dy dense in x's layout.
inline NormGradients instance_norm_relu_backward(Launcher& device, const torch::Tensor& x, const torch::Tensor& logits,
                                                 bool identity, const torch::Tensor& table, const torch::Tensor& dy) {
  NormGradients out;
  out.x = torch::empty_like(x);
  if (logits.defined()) out.logits = torch::empty_like(x);
  const auto sums = torch::empty({x.size(0), x.size(1), 2}, table.options());
  const auto n = static_cast<int>(x.size(2) * x.size(3)), channels = static_cast<int>(x.size(1));
  const float one = identity ? 1.f : 0.f;
  if (!is_channels_last(x)) {
    const auto build = build_for(n, x, logits, dy, out.x, out.logits);
    device.run(build, "norm_plane_backward", {{x.size(0) * x.size(1), 1, 1}, device.block(), 0}, pointer(x),
               pointer(logits), pointer(dy), pointer(table), pointer(out.x), pointer(out.logits), pointer(sums), n,
               one);
  } else {
    const auto build = build_for(channels, x, logits, dy, out.x, out.logits);
    const detail::PixelChunks cut(x, build, device);
    const auto parts = torch::empty({cut.samples, cut.chunks, 2, channels}, table.options());
    device.run(build, "norm_pixel_grad_sums", cut.sums, pointer(x), pointer(logits), pointer(dy), pointer(table),
               pointer(parts), n, channels, static_cast<int>(cut.chunk), one);
    device.run(build, "norm_pixel_grad_table", device.threads(cut.samples * channels), pointer(parts), pointer(sums),
               static_cast<int>(cut.samples), channels, static_cast<int>(cut.chunks));
    device.run(build, "norm_pixel_grad_apply", device.threads(cut.pixels * cut.packs, cut.samples), pointer(x),
               pointer(logits), pointer(dy), pointer(table), pointer(sums), pointer(out.x), pointer(out.logits), n,
               channels, one);
  }
  const auto total = sums.sum(0);
  out.weight = total.select(1, 0).contiguous(), out.bias = total.select(1, 1).contiguous();
  return out;
}

}  // namespace pam::kernels::cuda

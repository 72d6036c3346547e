// SPDX-License-Identifier: MIT
/// Host code of the CUDA depth-wise convolutions of channels-last tensors, for any Launcher.
#pragma once

#include <pam/kernels/detail/cuda/instance_norm.hpp>

namespace pam::kernels::cuda {

namespace detail {

/// The kernels' Conv, of the same layout in memory.
struct StridedConv {
  StridedConv(at::IntArrayRef input, std::int64_t stride, std::int64_t dilation_)
      : h(static_cast<int>(input[2])),
        w(static_cast<int>(input[3])),
        height(static_cast<int>((input[2] + stride - 1) / stride)),
        width(static_cast<int>((input[3] + stride - 1) / stride)),
        halved(stride == 2 ? 1 : 0),
        dilation(static_cast<int>(std::min(dilation_, std::max(input[2], input[3])))) {}
  int h, w, height, width, halved, dilation;
};

/// Blocks of (chunk of pixels, sample, `tile` packs).
struct DepthwiseCut {
  DepthwiseCut(const Launcher& device, std::int64_t samples, std::int64_t pixels, std::int64_t packs,
               std::int64_t tile) {
    const auto tiles = ceil_div(packs, tile);
    const auto wanted = std::max<std::int64_t>(1, device.busy_blocks() / (samples * tiles));
    const auto pixels_a_block = std::max<std::int64_t>(16, ceil_div(pixels, wanted));
    chunk = static_cast<int>(pixels_a_block);
    launch = {{ceil_div(pixels, pixels_a_block), samples, tiles}, device.block(), 0};
  }
  Launch launch;
  int chunk;
};

}  // namespace detail

struct DepthwiseNorm {
  torch::Tensor output, conv, table;  ///< conv: the convolution itself, undefined unless it was to be kept
};

/// relu(norm(conv(x))): 3x3, one kernel a channel, stride 1 or 2, padding = dilation. x channels-last and dense; conv
/// (C, 1, 3, 3). `keep`: for the backward pass.
inline DepthwiseNorm depthwise_norm(Launcher& device, const torch::Tensor& x, const torch::Tensor& conv,
                                    const torch::Tensor& weight, const torch::Tensor& bias, std::int64_t stride,
                                    std::int64_t dilation, double eps, bool keep) {
  const detail::StridedConv s(x.sizes(), stride, dilation);
  const auto channels = static_cast<int>(x.size(1));
  DepthwiseNorm out;
  const auto like = x.options().memory_format(at::MemoryFormat::ChannelsLast);
  out.output = torch::empty({x.size(0), channels, s.height, s.width}, like);
  const auto build = build_for(channels, x, out.output);
  const Parameters p(x, conv, weight, bias);
  if (const auto slabs = detail::slabs_of(device, out.output, build, 1, build.pack); slabs.wide > 0) {
    if (keep) out.conv = torch::empty_like(out.output);
    out.table = torch::empty({4, x.size(0) * channels},
                             x.options().dtype(torch::kFloat).memory_format(at::MemoryFormat::Contiguous));
    device.run(build, "depthwise_norm", slabs.launch, pointer(x), p[0], p[1], p[2], p.narrow, pointer(out.conv),
               pointer(out.output), pointer(out.table), s, channels, static_cast<int>(slabs.wide),
               static_cast<float>(eps));
    return out;
  }
  const auto z = keep ? torch::empty_like(out.output) : out.output;
  const detail::DepthwiseCut cut(device, x.size(0), std::int64_t{s.height} * s.width, channels / build.pack, 32);
  device.run(build, "depthwise_forward", cut.launch, pointer(x), p[0], p.narrow, pointer(z), s, channels, cut.chunk);
  out.table = instance_norm_relu(device, z, {}, weight, bias, eps, false, out.output);
  if (keep) out.conv = z;
  return out;
}

/// dx and d(conv) (float32, (C, 1, 3, 3)) from the gradient of the convolution's output, dense and channels-last.
inline std::pair<torch::Tensor, torch::Tensor> depthwise_backward(Launcher& device, const torch::Tensor& x,
                                                                  const torch::Tensor& conv, std::int64_t stride,
                                                                  std::int64_t dilation, const torch::Tensor& dy) {
  const detail::StridedConv s(x.sizes(), stride, dilation);
  const auto channels = static_cast<int>(x.size(1));
  const auto dx = torch::empty_like(x);
  const auto build = build_for(channels, x, dy, dx);
  const auto packs = channels / build.pack;
  const Parameters p(x, conv);
  const detail::DepthwiseCut to_input(device, x.size(0), std::int64_t{s.h} * s.w, packs, 32);
  device.run(build, "depthwise_input_grad", to_input.launch, pointer(dy), p[0], p.narrow, pointer(dx), s, channels,
             to_input.chunk);
  detail::DepthwiseCut to_weights(device, x.size(0), std::int64_t{s.height} * s.width, packs, 8);
  to_weights.launch.shared =
      std::int64_t{device.block()} * (3 * build.pack + 1) * static_cast<std::int64_t>(sizeof(float));
  const auto parts = torch::empty({x.size(0) * to_weights.launch.grid[0], channels * 9},
                                  x.options().dtype(torch::kFloat).memory_format(at::MemoryFormat::Contiguous));
  device.run(build, "depthwise_weight_grad", to_weights.launch, pointer(x), pointer(dy), pointer(parts), s, channels,
             to_weights.chunk);
  return {dx, parts.sum(0).view({channels, 1, 3, 3})};
}

}  // namespace pam::kernels::cuda

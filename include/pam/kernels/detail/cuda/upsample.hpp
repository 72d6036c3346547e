// SPDX-License-Identifier: MIT
/// Host code of the CUDA upsampling kernels, for any Launcher; the counterpart of cpu/upsample.hpp.
#pragma once

#include <pam/kernels/detail/cuda/launcher.hpp>

namespace pam::kernels::cuda {

namespace detail {

/// The kernels' Grid, of the same layout in memory.
struct ResizeGrid {
  ResizeGrid(const torch::Tensor& small, std::int64_t height_, std::int64_t width_, bool last_, const Build& build)
      : channels(static_cast<int>(small.size(1)) / (last_ ? build.pack : 1)),
        h(static_cast<int>(small.size(2))),
        w(static_cast<int>(small.size(3))),
        height(static_cast<int>(height_)),
        width(static_cast<int>(width_)),
        last(last_) {}
  int channels, h, w, height, width, last;
};

/// Channels-last moves packs of channels; planes one element a thread, beside each other along a row.
template <typename... Tensors>
Build resize_build(bool last, std::int64_t channels, const torch::Tensor& x, const Tensors&... others) {
  return last ? build_for(channels, x, others...) : Build{x.scalar_type(), 1};
}

inline at::MemoryFormat format(bool last) {
  return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

}  // namespace detail

/// [upsample(x), skip]; both dense in skip's layout and of one type.
inline torch::Tensor upsample_concat(Launcher& device, const torch::Tensor& x, const torch::Tensor& skip) {
  const bool last = is_channels_last(skip);
  auto y = torch::empty({x.size(0), x.size(1) + skip.size(1), skip.size(2), skip.size(3)},
                        x.options().memory_format(detail::format(last)));
  // One pack width for both parts: the narrower of the two.
  const auto one = detail::resize_build(last, x.size(1), x, skip, y), two = detail::resize_build(last, skip.size(1), x);
  const auto build = one.pack < two.pack ? one : two;
  const detail::ResizeGrid grid(x, skip.size(2), skip.size(3), last, build);
  const std::int64_t total = y.numel() / build.pack;
  device.run(build, "upsample_concat", device.threads(total), pointer(x), pointer(skip), pointer(y), grid,
             static_cast<int>(skip.size(1)) / (last ? build.pack : 1), total);
  return y;
}

/// dx of `upsample_concat` from dy, dense in the layout of the output.
inline torch::Tensor upsample_concat_backward(Launcher& device, const torch::Tensor& dy, at::IntArrayRef x_shape,
                                              bool last) {
  auto dx = torch::empty(x_shape, dy.options().memory_format(detail::format(last)));
  const auto one = detail::resize_build(last, dx.size(1), dy, dx), two = detail::resize_build(last, dy.size(1), dy);
  const auto build = one.pack < two.pack ? one : two;
  const detail::ResizeGrid grid(dx, dy.size(2), dy.size(3), last, build);
  const std::int64_t total = dx.numel() / build.pack;
  device.run(build, "upsample_backward", device.threads(total), pointer(dy),
             static_cast<int>(dy.size(1)) / (last ? build.pack : 1), pointer(dx), grid, total);
  return dx;
}

/// f * (sigmoid(upsample(logits) + shortcut) + identity); all dense in f's layout and of one type.
inline torch::Tensor upsample_gate(Launcher& device, const torch::Tensor& f, const torch::Tensor& logits,
                                   const torch::Tensor& shortcut, bool identity) {
  const bool last = is_channels_last(f);
  auto y = torch::empty_like(f);
  const auto build = detail::resize_build(last, f.size(1), f, logits, shortcut, y);
  const detail::ResizeGrid grid(logits, f.size(2), f.size(3), last, build);
  const std::int64_t total = f.numel() / build.pack;
  device.run(build, "upsample_gate", device.threads(total), pointer(f), pointer(logits), pointer(shortcut), pointer(y),
             grid, identity ? 1.f : 0.f, total);
  return y;
}

struct UpsampleGateGradients {
  torch::Tensor features, logits, shortcut;  ///< shortcut undefined where it is the features
};

inline UpsampleGateGradients upsample_gate_backward(Launcher& device, const torch::Tensor& f,
                                                    const torch::Tensor& logits, const torch::Tensor& shortcut,
                                                    bool identity, bool same, const torch::Tensor& dy) {
  const bool last = is_channels_last(f);
  UpsampleGateGradients out;
  out.features = torch::empty_like(f);
  out.logits = torch::empty(logits.sizes(), f.options().memory_format(detail::format(last)));
  if (!same) out.shortcut = torch::empty_like(f);
  const auto da = torch::empty_like(f, f.options().dtype(torch::kFloat));
  const auto build = detail::resize_build(last, f.size(1), f, logits, shortcut, dy, out.features, out.shortcut, da);
  const detail::ResizeGrid grid(logits, f.size(2), f.size(3), last, build);
  const std::int64_t large = f.numel() / build.pack, small = logits.numel() / build.pack;
  device.run(build, "upsample_gate_backward", device.threads(large), pointer(f), pointer(logits), pointer(shortcut),
             pointer(dy), pointer(out.features), pointer(out.shortcut), pointer(da), grid, identity ? 1.f : 0.f, large);
  device.run(build, "upsample_backward_float", device.threads(small), pointer(da), grid.channels, pointer(out.logits),
             grid, small);
  return out;
}

}  // namespace pam::kernels::cuda

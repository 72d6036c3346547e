// SPDX-License-Identifier: MIT
/// Host code of the CUDA upsampling kernels, for any Launcher; the counterpart of cpu/upsample.hpp.
#pragma once

#include <pam/kernels/detail/cuda/instance_norm.hpp>

namespace pam::kernels::cuda {

namespace detail {

/// The kernels' Resize, of the same layout in memory.
struct Resize {
  Resize(at::IntArrayRef small, std::int64_t height_, std::int64_t width_, bool last_, const Build& build)
      : channels(static_cast<int>(small[1]) / (last_ ? build.pack : 1)),
        h(static_cast<int>(small[2])),
        w(static_cast<int>(small[3])),
        height(static_cast<int>(height_)),
        width(static_cast<int>(width_)),
        last(last_) {}
  int channels, h, w, height, width, last;
};

/// A thread a column, and `rows` rows a block: grid (columns, groups of rows, samples).
struct Columns {
  /// `loads`: how much of the memory's latency a thread hides, against one of `upsample_concat`.
  Columns(const Launcher& device, std::int64_t columns, std::int64_t height, std::int64_t samples, int loads)
      : launch(device.threads(columns)) {
    // The more rows, the less is read and computed twice, but there must be blocks for the whole device.
    const auto fair = ceil_div(height * launch.grid[0] * samples * loads, device.busy_blocks());
    const auto most = std::max<std::int64_t>(std::min<std::int64_t>(fair, 16 * loads), ceil_div(height, 65535));
    rows = static_cast<int>(most);
    launch.grid[1] = ceil_div(height, most);
    launch.grid[2] = samples;
  }
  Launch launch;
  int rows;
};

inline at::MemoryFormat format(bool last) {
  return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

/// Packs of channels, or of a row's pixels.
template <typename... Tensors>
Build resize_build(bool last, const torch::Tensor& large, const Tensors&... others) {
  return build_for(large.size(last ? 1 : 3), large, others...);
}

/// How `upsample_concat` is launched, and its result.
struct Concat {
  Concat(const Launcher& device, const torch::Tensor& x, const torch::Tensor& skip)
      : last(is_channels_last(skip)),
        y(torch::empty({x.size(0), x.size(1) + skip.size(1), skip.size(2), skip.size(3)},
                       x.options().memory_format(format(last)))),
        // One width for both parts.
        build(last && build_for(x.size(1), x).pack == 1 ? Build{x.scalar_type(), 1} : resize_build(last, skip, y)),
        s(x.sizes(), skip.size(2), skip.size(3), last, build),
        beside(static_cast<int>(skip.size(1)) / (last ? build.pack : 1)),
        cut(device, std::int64_t{last ? s.width : s.width / build.pack} * (s.channels + beside), s.height, x.size(0),
            1) {}
  bool last;
  torch::Tensor y;
  Build build;
  Resize s;
  int beside;
  Columns cut;
};

}  // namespace detail

/// [upsample(x), skip]; both dense in skip's layout and of one type.
inline torch::Tensor upsample_concat(Launcher& device, const torch::Tensor& x, const torch::Tensor& skip) {
  const detail::Concat c(device, x, skip);
  device.run(c.build, "upsample_concat", c.cut.launch, pointer(x), pointer(skip), pointer(c.y), c.s, c.beside,
             c.cut.rows);
  return c.y;
}

/// [upsample(relu(norm(x))), skip]; both dense, channels-last and of one type.
inline torch::Tensor upsample_concat(Launcher& device, const torch::Tensor& x, const torch::Tensor& weight,
                                     const torch::Tensor& bias, double eps, const torch::Tensor& skip) {
  const detail::Concat c(device, x, skip);
  const Parameters rows(x, weight, bias);
  const detail::PixelSums sums(device, x, c.build);
  auto launch = c.cut.launch;
  launch.shared = 2 * x.size(1) * 4;
  device.run(c.build, "upsample_concat_normed", launch, pointer(x), pointer(sums.parts), rows[0], rows[1], rows.narrow,
             pointer(skip), pointer(c.y), c.s, c.beside, c.cut.rows, sums.chunks(), static_cast<float>(eps));
  return c.y;
}

/// dx of `upsample_concat` from dy, dense in the layout of the output.
inline torch::Tensor upsample_concat_backward(Launcher& device, const torch::Tensor& dy, at::IntArrayRef x_shape,
                                              bool last) {
  auto dx = torch::empty(x_shape, dy.options().memory_format(detail::format(last)));
  auto build = last ? build_for(dx.size(1), dy, dx) : Build{dy.scalar_type(), 1};
  if (last && build_for(dy.size(1), dy).pack == 1) build.pack = 1;
  const detail::Resize s(x_shape, dy.size(2), dy.size(3), last, build);
  const detail::Columns cut(device, std::int64_t{s.channels} * s.w, s.h, dx.size(0), 2);
  device.run(build, "upsample_backward", cut.launch, pointer(dy),
             static_cast<int>(dy.size(1)) / (last ? build.pack : 1), pointer(dx), s, cut.rows);
  return dx;
}

/// f * (sigmoid(upsample(logits) + shortcut) + identity); all dense in f's layout and of one type.
inline torch::Tensor upsample_gate(Launcher& device, const torch::Tensor& f, const torch::Tensor& logits,
                                   const torch::Tensor& shortcut, bool identity) {
  const bool last = is_channels_last(f);
  auto y = torch::empty_like(f);
  auto build = detail::resize_build(last, f, shortcut, y);
  if (last && build_for(f.size(1), logits).pack == 1) build.pack = 1;
  const detail::Resize s(logits.sizes(), f.size(2), f.size(3), last, build);
  const detail::Columns cut(device, f.numel() / f.size(0) / f.size(2) / build.pack, s.height, f.size(0), 1);
  device.run(build, "upsample_gate", cut.launch, pointer(f), pointer(logits), pointer(shortcut), pointer(y), s,
             identity ? 1.f : 0.f, cut.rows);
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
  const auto layout = f.options().memory_format(detail::format(last));
  out.logits = torch::empty(logits.sizes(), layout);
  if (!same) out.shortcut = torch::empty_like(f);
  auto build = detail::resize_build(last, f, shortcut, dy, out.features, out.shortcut);
  if (last && build_for(f.size(1), logits, out.logits).pack == 1) build.pack = 1;
  const detail::Resize s(logits.sizes(), f.size(2), f.size(3), last, build);
  const detail::Columns cut(device, f.numel() / f.size(0) / f.size(2) / build.pack, s.h, f.size(0), 2);
  const auto groups = static_cast<int>(cut.launch.grid[1]);
  const auto columns = torch::empty({f.size(0), f.size(1), s.h + groups, s.width}, layout);
  device.run(build, "upsample_gate_backward", cut.launch, pointer(f), pointer(logits), pointer(same ? f : shortcut),
             pointer(dy), pointer(out.features), pointer(out.shortcut), pointer(columns), s, identity ? 1.f : 0.f,
             cut.rows);
  if (!last) build.pack = 1;
  auto across = device.threads(std::int64_t{s.channels} * s.w * s.h);
  across.grid[2] = f.size(0);
  device.run(build, "upsample_gate_across", across, pointer(columns), pointer(out.logits), s, cut.rows, groups);
  return out;
}

}  // namespace pam::kernels::cuda

// SPDX-License-Identifier: MIT
/// The pixels that a strided 1x1 convolution reads.
#pragma once

#include <pam/kernels/detail/cpu/tensors.hpp>
#include <pam/kernels/detail/dispatch.hpp>

#include <cstring>

namespace pam::kernels::detail {

/// Every `stride`-th row and column.
inline torch::Tensor every(const torch::Tensor& x, std::int64_t stride) {
  return stride == 1 ? x : x.slice(2, 0, x.size(2), stride).slice(3, 0, x.size(3), stride);
}

/// These pixels, dense in x's layout.
inline torch::Tensor read_pixels(const torch::Tensor& x, std::int64_t stride) {
  const auto input = dense(x);
  const auto layout = layout_of(input);
  if (stride == 1 || !on_cpu(input) || layout != at::MemoryFormat::ChannelsLast) {
    return every(input, stride).contiguous(layout);
  }
  // A pixel is contiguous memory: LibTorch's copy of the strided view takes several times as long.
  const auto n = input.size(0), c = input.size(1), in_h = input.size(2), in_w = input.size(3);
  const auto h = (in_h + stride - 1) / stride, w = (in_w + stride - 1) / stride;
  auto pixels = torch::empty({n, c, h, w}, input.options().memory_format(layout));
  const auto bytes = static_cast<std::size_t>(c) * input.itemsize();
  const auto* from = static_cast<const char*>(input.data_ptr());
  auto* to = static_cast<char*>(pixels.data_ptr());
  cpu::parallel(n * h, w * c, [=](std::int64_t first, std::int64_t last) {
    for (auto row = first; row < last; ++row) {
      const auto* line = from + static_cast<std::size_t>((row / h * in_h + row % h * stride) * in_w) * bytes;
      for (std::int64_t column = 0; column < w; ++column) {
        std::memcpy(to + static_cast<std::size_t>(row * w + column) * bytes,
                    line + static_cast<std::size_t>(column * stride) * bytes, bytes);
      }
    }
  });
  return pixels;
}

}  // namespace pam::kernels::detail

// SPDX-License-Identifier: MIT
/// float32 tensors from one layout to the other, on all threads: several times as fast as LibTorch's contiguous(), by
/// transposing blocks of 4 pixels x 4 channels. Four lanes suffice: compiled once, for SSE2.
#pragma once

#include <pam/kernels/detail/cpu/tensors.hpp>

#include <algorithm>

#if PAM_X86
#include <xmmintrin.h>
#endif

namespace pam::kernels::cpu {

namespace detail {

/// to[j * to_stride + i] = from[i * from_stride + j] for i, j < 4.
PAM_INLINE void transpose4(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
#if PAM_X86
  auto a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_stride), c = _mm_loadu_ps(from + 2 * from_stride),
       d = _mm_loadu_ps(from + 3 * from_stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a), _mm_storeu_ps(to + to_stride, b);
  _mm_storeu_ps(to + 2 * to_stride, c), _mm_storeu_ps(to + 3 * to_stride, d);
#else
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) to[j * to_stride + i] = from[i * from_stride + j];
  }
#endif
}

/// to[c * to_stride + r] = from[r * from_stride + c] for r < rows, c < columns.
inline void transpose(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, float* to,
                      std::int64_t to_stride) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    std::int64_t c = 0;
    for (; c + 4 <= columns; c += 4)
      transpose4(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    for (; c < columns; ++c) {
      for (int i = 0; i < 4; ++i) to[c * to_stride + r + i] = from[(r + i) * from_stride + c];
    }
  }
  for (; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

/// `f(sample, first pixel, pixels)` for blocks of a cache line of pixels each.
template <typename F>
void each_line(const torch::Tensor& x, const F& f) {
  constexpr std::int64_t line = 16;
  const auto pixels = x.size(2) * x.size(3), lines = (pixels + line - 1) / line;
  parallel(x.size(0) * lines, line * x.size(1), [&](std::int64_t first, std::int64_t last) {
    for (auto i = first; i < last; ++i) {
      const auto pixel = i % lines * line;
      f(i / lines, pixel, std::min(line, pixels - pixel));
    }
  });
}

}  // namespace detail

/// Of contiguous x (N, C, H, W): the same numbers channels-last.
inline torch::Tensor to_pixels(const torch::Tensor& x) {
  const auto c = x.size(1), pixels = x.size(2) * x.size(3);
  const auto y = torch::empty({x.size(0), x.size(2), x.size(3), c}, x.options()).permute({0, 3, 1, 2});
  const auto* from = x.data_ptr<float>();
  auto* to = y.data_ptr<float>();
  detail::each_line(x, [=](std::int64_t sample, std::int64_t pixel, std::int64_t count) {
    const auto start = sample * c * pixels;
    detail::transpose(from + start + pixel, pixels, c, count, to + start + pixel * c, c);
  });
  return y;
}

/// And back.
inline torch::Tensor to_planes(const torch::Tensor& x) {
  const auto c = x.size(1), pixels = x.size(2) * x.size(3);
  auto y = torch::empty(x.sizes(), x.options());
  const auto* from = x.data_ptr<float>();
  auto* to = y.data_ptr<float>();
  detail::each_line(x, [=](std::int64_t sample, std::int64_t pixel, std::int64_t count) {
    const auto start = sample * c * pixels;
    for (std::int64_t k = 0; k < c; k += 4) {  // so that each line is completed while it is in the cache
      detail::transpose(from + start + pixel * c + k, c, count, std::min<std::int64_t>(4, c - k),
                        to + start + k * pixels + pixel, pixels);
    }
  });
  return y;
}

}  // namespace pam::kernels::cpu

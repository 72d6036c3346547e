// SPDX-License-Identifier: MIT
/// Channels-last tensors for kernels that work on planes: 16 channels at a time (a cache line of float32) are
/// transposed into planes in a buffer that fits the cache, and back, in blocks of 4 pixels x 4 channels. Done element
/// by element, this took three times as long as the work on the planes. Four lanes suffice: compiled once, for SSE2.
#pragma once

#include <pam/kernels/detail/cpu/simd.hpp>

#include <algorithm>

#if PAM_X86
#include <xmmintrin.h>
#endif

namespace pam::kernels::cpu {

/// Groups of channels of a channels-last tensor.
struct ChannelGroups {
  static constexpr std::int64_t kSize = 16;
  struct Group {
    std::int64_t first, channels;  ///< channels [first, first + channels)
    std::int64_t offset;           ///< of the first value in the tensor
    std::int64_t plane;            ///< sample * C + first
  };

  ChannelGroups(std::int64_t channels_, std::int64_t pixels_)
      : channels(channels_),
        pixels(pixels_),
        count((channels_ + kSize - 1) / kSize),
        stride((pixels_ + 15) / 16 * 16 + 16),
        floats(stride * kSize) {}

  [[nodiscard]] Group at(std::int64_t i) const {
    const auto sample = i / count, first = i % count * kSize;
    return {first, std::min(kSize, channels - first), sample * pixels * channels + first, sample * channels + first};
  }

  std::int64_t channels, pixels;
  std::int64_t count;   ///< groups of one sample
  std::int64_t stride;  ///< between staged planes: more than the pixels, so that 16 planes do not share cache sets
  std::int64_t floats;  ///< of a staged group
};

namespace detail {

#if PAM_X86
PAM_INLINE __m128 load4(const float* p) { return _mm_loadu_ps(p); }
PAM_INLINE __m128 load4(const at::BFloat16* p) { return _mm_setr_ps(load(p), load(p + 1), load(p + 2), load(p + 3)); }
PAM_INLINE void store4(float* p, __m128 v) { _mm_storeu_ps(p, v); }
PAM_INLINE void store4(at::BFloat16* p, __m128 v) {
  alignas(16) float values[4];
  _mm_store_ps(values, v);
  for (int i = 0; i < 4; ++i) store(p + i, values[i]);
}

/// to[j * to_stride + i] = from[i * from_stride + j] for i, j < 4.
template <typename From, typename To>
PAM_INLINE void transpose4(const From* from, std::int64_t from_stride, To* to, std::int64_t to_stride) {
  auto a = load4(from), b = load4(from + from_stride), c = load4(from + 2 * from_stride),
       d = load4(from + 3 * from_stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  store4(to, a), store4(to + to_stride, b), store4(to + 2 * to_stride, c), store4(to + 3 * to_stride, d);
}
#else
template <typename From, typename To>
PAM_INLINE void transpose4(const From* from, std::int64_t from_stride, To* to, std::int64_t to_stride) {
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) store(to + j * to_stride + i, load(from + i * from_stride + j));
  }
}
#endif

/// to[c * to_stride + r] = from[r * from_stride + c] for r < rows, c < columns.
template <typename From, typename To>
PAM_INLINE void transpose(const From* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, To* to,
                          std::int64_t to_stride) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    std::int64_t c = 0;
    for (; c + 4 <= columns; c += 4)
      transpose4(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    for (; c < columns; ++c) {
      for (int i = 0; i < 4; ++i) store(to + c * to_stride + r + i, load(from + (r + i) * from_stride + c));
    }
  }
  for (; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) store(to + c * to_stride + r, load(from + r * from_stride + c));
  }
}

}  // namespace detail

/// A group's pixels into planes `groups.stride` apart.
template <typename T>
struct StagePlanes {
  static void run(const T* x, const ChannelGroups& groups, std::int64_t channels, float* planes) {
    detail::transpose(x, groups.channels, groups.pixels, channels, planes, groups.stride);
  }
};

/// And back. Goes through the tensor four pixels at a time, so that each cache line is completed while it is cached.
template <typename T>
struct UnstagePlanes {
  static void run(const float* planes, const ChannelGroups& groups, std::int64_t channels, T* x) {
    for (std::int64_t p = 0; p < groups.pixels; p += 4) {
      detail::transpose(planes + p, groups.stride, channels, std::min<std::int64_t>(4, groups.pixels - p),
                        x + p * groups.channels, groups.channels);
    }
  }
};

}  // namespace pam::kernels::cpu

// SPDX-License-Identifier: MIT
/// Instance norm + ReLU (+ gate) on the CPU: forward and backward on plain tensors, autograd aside.
#pragma once

#include <pam/kernels/detail/cpu/norm_pixels.hpp>
#include <pam/kernels/detail/cpu/tensors.hpp>

#include <vector>

namespace pam::kernels::cpu {

/// What the backward pass needs beside the inputs: Moments of every plane, (N * C, 2).
struct NormResult {
  torch::Tensor output, moments;
};

struct NormGradients {
  torch::Tensor x, weight, bias, logits;
};

namespace detail {

inline Moments* moments_data(const torch::Tensor& moments) {
  return reinterpret_cast<Moments*>(moments.data_ptr<float>());
}

template <typename T>
T* data_or_null(const torch::Tensor& x) {
  return x.defined() ? x.data_ptr<T>() : nullptr;
}

template <typename T, bool Gated>
void norm_planes(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                 const torch::Tensor& bias, float eps, float identity, const NormResult& result) {
  const auto channels = x.size(1), n = x.size(2) * x.size(3);
  const auto* from = x.data_ptr<T>();
  const auto* gate = data_or_null<T>(logits);
  auto* to = result.output.data_ptr<T>();
  auto* moments = moments_data(result.moments);
  const auto *w = weight.data_ptr<float>(), *b = bias.data_ptr<float>();
  parallel(x.size(0) * channels, n, [=](std::int64_t first, std::int64_t last) {
    for (auto i = first; i < last; ++i) {
      vectorized<NormPlane<T, Gated>>(from + i * n, Gated ? gate + i * n : nullptr, to + i * n, n, w[i % channels],
                                      b[i % channels], eps, identity, moments + i);
    }
  });
}

template <typename T, bool Gated>
void norm_planes_backward(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                          const torch::Tensor& bias, float identity, const torch::Tensor& moments,
                          const torch::Tensor& dy, const NormGradients& out, float* sums) {
  const auto channels = x.size(1), n = x.size(2) * x.size(3);
  const auto *from = x.data_ptr<T>(), *up = dy.data_ptr<T>(), *gate = data_or_null<T>(logits);
  auto *to = out.x.data_ptr<T>(), *to_logits = data_or_null<T>(out.logits);
  const auto* m = moments_data(moments);
  const auto *w = weight.data_ptr<float>(), *b = bias.data_ptr<float>();
  parallel(x.size(0) * channels, n, [=](std::int64_t first, std::int64_t last) {
    const Scratch kept(Gated ? n : 0);
    for (auto i = first; i < last; ++i) {
      const auto at = i * n;
      vectorized<NormPlaneBackward<T, Gated>>(from + at, Gated ? gate + at : nullptr, up + at, to + at,
                                              Gated ? to_logits + at : nullptr, n, w[i % channels], b[i % channels],
                                              identity, m[i], kept.data(), sums + 2 * i);
    }
  });
}

/// Channels-last work: each sample's pixels in blocks that fit a core's cache, whatever the number of threads.
struct PixelBlocks {
  explicit PixelBlocks(const torch::Tensor& x)
      : samples(x.size(0)),
        channels(x.size(1)),
        pixels(x.size(2) * x.size(3)),
        size(std::max<std::int64_t>(16, 16384 / channels)),
        per_sample((pixels + size - 1) / size) {}

  /// `f(sample, block, first pixel counted over all samples, pixels)` for every block, in parallel.
  template <typename F>
  void each(const F& f) const {
    parallel(samples * per_sample, size * channels, [&](std::int64_t first, std::int64_t last) {
      for (auto i = first; i < last; ++i) {
        const auto sample = i / per_sample, start = i % per_sample * size;
        f(sample, i, sample * pixels + start, std::min(size, pixels - start));
      }
    });
  }

  std::int64_t samples, channels, pixels, size, per_sample;
};

/// Merges the blocks' moments (Chan, Golub, LeVeque: accurate for any mean) into those of every (sample, channel).
inline void merge_moments(const PixelBlocks& blocks, const std::vector<float>& mean, const std::vector<float>& squares,
                          float eps, Moments* moments) {
  const auto channels = blocks.channels;
  for (std::int64_t plane = 0; plane < blocks.samples * channels; ++plane) {
    const auto sample = plane / channels, c = plane % channels;
    double n = 0, m = 0, s = 0;
    for (std::int64_t k = 0; k < blocks.per_sample; ++k) {
      const auto at = static_cast<std::size_t>((sample * blocks.per_sample + k) * channels + c);
      const auto extra = static_cast<double>(std::min(blocks.size, blocks.pixels - k * blocks.size));
      const auto delta = mean[at] - m;
      s += squares[at] + delta * delta * n * extra / (n + extra);
      m += delta * extra / (n + extra);
      n += extra;
    }
    const auto variance = s < 0 ? 0.f : static_cast<float>(s / n);  // corrected sums may round below zero; NaN passes
    moments[plane] = {static_cast<float>(m), 1.f / std::sqrt(variance + eps)};
  }
}

/// The constants of each (sample, channel) as separate arrays, for vector loads.
struct PlaneConstants {
  PlaneConstants(const Moments* moments, const float* weight, const float* bias, std::int64_t planes,
                 std::int64_t channels)
      : scale(planes), shift(planes), mean(planes), rstd(planes) {
    for (std::int64_t i = 0; i < planes; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto a = affine_of(moments[i], weight[i % channels], bias[i % channels]);
      scale[at] = a.scale, shift[at] = a.shift, mean[at] = moments[i].mean, rstd[at] = moments[i].rstd;
    }
  }
  std::vector<float> scale, shift, mean, rstd;
};

template <typename T, bool Gated>
void norm_pixels(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                 const torch::Tensor& bias, float eps, float identity, const NormResult& result) {
  const PixelBlocks blocks(x);
  const auto channels = blocks.channels;
  const auto* from = x.data_ptr<T>();
  const auto* gate = data_or_null<T>(logits);
  auto* to = result.output.data_ptr<T>();
  std::vector<float> mean(static_cast<std::size_t>(blocks.samples * blocks.per_sample * channels)),
      squares(mean.size()), rest(mean.size());
  blocks.each([&](std::int64_t, std::int64_t block, std::int64_t pixel, std::int64_t count) {
    const auto row = block * channels;
    vectorized<BlockMoments<T>>(from + pixel * channels, count, channels, mean.data() + row, squares.data() + row,
                                rest.data() + row);
  });
  merge_moments(blocks, mean, squares, eps, moments_data(result.moments));
  const PlaneConstants c(moments_data(result.moments), weight.data_ptr<float>(), bias.data_ptr<float>(),
                         blocks.samples * channels, channels);
  blocks.each([&](std::int64_t sample, std::int64_t, std::int64_t pixel, std::int64_t count) {
    const auto at = pixel * channels, row = sample * channels;
    vectorized<NormBlock<T, Gated>>(from + at, Gated ? gate + at : nullptr, to + at, count, channels,
                                    c.scale.data() + row, c.shift.data() + row, identity);
  });
}

template <typename T, bool Gated>
void norm_pixels_backward(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                          const torch::Tensor& bias, float identity, const torch::Tensor& moments,
                          const torch::Tensor& dy, const NormGradients& out, float* sums) {
  const PixelBlocks blocks(x);
  const auto channels = blocks.channels, planes = blocks.samples * channels;
  const auto *from = x.data_ptr<T>(), *up = dy.data_ptr<T>(), *gate = data_or_null<T>(logits);
  auto *to = out.x.data_ptr<T>(), *to_logits = data_or_null<T>(out.logits);
  const PlaneConstants c(moments_data(moments), weight.data_ptr<float>(), bias.data_ptr<float>(), planes, channels);
  std::vector<float> sum_xhat(static_cast<std::size_t>(blocks.samples * blocks.per_sample * channels)),
      sum(sum_xhat.size());
  const Scratch kept(Gated ? x.numel() : 0);
  blocks.each([&](std::int64_t sample, std::int64_t block, std::int64_t pixel, std::int64_t count) {
    const auto at = pixel * channels, row = sample * channels;
    vectorized<NormBlockSums<T, Gated>>(from + at, Gated ? gate + at : nullptr, up + at,
                                        Gated ? to_logits + at : nullptr, Gated ? kept.data() + at : nullptr, count,
                                        channels, c.scale.data() + row, c.shift.data() + row, c.mean.data() + row,
                                        c.rstd.data() + row, identity, sum_xhat.data() + block * channels,
                                        sum.data() + block * channels);
  });
  std::vector<float> mean_g(static_cast<std::size_t>(planes)), slope(mean_g.size());
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    const auto sample = plane / channels;
    const auto at = static_cast<std::size_t>(plane);
    double g = 0, g_xhat = 0;
    for (std::int64_t k = 0; k < blocks.per_sample; ++k) {
      const auto from_block = static_cast<std::size_t>((sample * blocks.per_sample + k) * channels + plane % channels);
      g += sum[from_block], g_xhat += sum_xhat[from_block];
    }
    sums[2 * plane] = static_cast<float>(g_xhat), sums[2 * plane + 1] = static_cast<float>(g);
    mean_g[at] = static_cast<float>(g / static_cast<double>(blocks.pixels));
    slope[at] = c.scale[at] * c.rstd[at] * static_cast<float>(g_xhat / static_cast<double>(blocks.pixels));
  }
  blocks.each([&](std::int64_t sample, std::int64_t, std::int64_t pixel, std::int64_t count) {
    const auto at = pixel * channels, row = sample * channels;
    const auto finish = [&](const auto* g) {
      using G = std::remove_const_t<std::remove_pointer_t<decltype(g)>>;
      vectorized<NormBlockBackward<T, G, Gated>>(from + at, g + at, to + at, count, channels, c.scale.data() + row,
                                                 c.shift.data() + row, c.mean.data() + row, mean_g.data() + row,
                                                 slope.data() + row);
    };
    if constexpr (Gated) {
      finish(static_cast<const float*>(kept.data()));
    } else {
      finish(up);
    }
  });
}

}  // namespace detail

/// relu(norm(x)), or with defined `logits` relu(norm(x)) * (sigmoid(logits) + identity). `output` may be `x` itself.
/// x and logits dense in one layout, weight and bias float32.
inline NormResult instance_norm_relu(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                                     const torch::Tensor& bias, double eps, bool identity, torch::Tensor output) {
  const NormResult result{std::move(output), torch::empty({x.size(0) * x.size(1), 2}, weight.options())};
  const bool pixels = is_channels_last(x);
  with_element(x, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    const auto run = pixels ? (logits.defined() ? detail::norm_pixels<T, true> : detail::norm_pixels<T, false>)
                            : (logits.defined() ? detail::norm_planes<T, true> : detail::norm_planes<T, false>);
    run(x, logits, weight, bias, static_cast<float>(eps), identity ? 1.f : 0.f, result);
  });
  return result;
}

/// Gradients of `instance_norm_relu`; dy dense in x's layout.
inline NormGradients instance_norm_relu_backward(const torch::Tensor& x, const torch::Tensor& logits,
                                                 const torch::Tensor& weight, const torch::Tensor& bias, bool identity,
                                                 const torch::Tensor& moments, const torch::Tensor& dy) {
  NormGradients out;
  out.x = torch::empty_like(x);
  if (logits.defined()) out.logits = torch::empty_like(x);
  const auto sums = torch::empty({x.size(0), x.size(1), 2}, weight.options());
  const bool pixels = is_channels_last(x);
  with_element(x, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    const auto run =
        pixels ? (logits.defined() ? detail::norm_pixels_backward<T, true> : detail::norm_pixels_backward<T, false>)
               : (logits.defined() ? detail::norm_planes_backward<T, true> : detail::norm_planes_backward<T, false>);
    run(x, logits, weight, bias, identity ? 1.f : 0.f, moments, dy, out, sums.data_ptr<float>());
  });
  const auto total = ordered_sum(sums.view({x.size(0), -1})).view({x.size(1), 2});
  out.weight = total.select(1, 0).contiguous(), out.bias = total.select(1, 1).contiguous();
  return out;
}

}  // namespace pam::kernels::cpu

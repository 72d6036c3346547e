// SPDX-License-Identifier: MIT
/// Instance norm + ReLU (+ gate) on the CPU: forward and backward on plain tensors, autograd aside.
#pragma once

#include <pam/kernels/detail/cpu/elements.hpp>
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

inline void norm_planes(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                        const torch::Tensor& bias, float eps, float identity, const NormResult& result) {
  const auto channels = x.size(1), n = x.size(2) * x.size(3);
  const Elements input(x), gate(logits), output(result.output);
  auto* moments = moments_data(result.moments);
  const auto *w = weight.data_ptr<float>(), *b = bias.data_ptr<float>();
  parallel(x.size(0) * channels, n, [&](std::int64_t first, std::int64_t last) {
    const Scratch plane(input.scratch(n)), gates(gate.scratch(n));
    for (auto i = first; i < last; ++i) {
      const auto* from = input.read(i * n, n, plane.data());
      auto* to = output.write(i * n, plane.data());
      vectorized<PlaneMoments>(from, n, n, static_cast<float*>(nullptr), eps, moments + i);
      vectorized<NormPlane>(from, gate.read(i * n, n, gates.data()), to, n,
                            affine_of(moments[i], w[i % channels], b[i % channels]), identity);
      output.finish(i * n, n, to);
    }
  });
}

inline void norm_planes_backward(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                                 const torch::Tensor& bias, float identity, const torch::Tensor& moments,
                                 const torch::Tensor& dy, const NormGradients& out, float* sums) {
  const auto channels = x.size(1), n = x.size(2) * x.size(3);
  const Elements input(x), gate(logits), up(dy), to(out.x), to_logits(out.logits);
  const auto* m = moments_data(moments);
  const auto *w = weight.data_ptr<float>(), *b = bias.data_ptr<float>();
  parallel(x.size(0) * channels, n, [&](std::int64_t first, std::int64_t last) {
    const Scratch plane(input.scratch(n)), gates(gate.scratch(n)), ups(up.scratch(n));
    for (auto i = first; i < last; ++i) {
      const auto at = i * n;
      const auto* from = input.read(at, n, plane.data());
      // g is kept where dx will stand; of bfloat16, where dy does.
      auto *dx = to.write(at, ups.data()), *dlogits = to_logits.write(at, gates.data());
      NormSlope slope;
      vectorized<MaskAndSum>(from, gate.read(at, n, gates.data()), up.read(at, n, ups.data()), dlogits, dx, n,
                             affine_of(m[i], w[i % channels], b[i % channels]), m[i], identity, &slope, sums + 2 * i);
      vectorized<NormGradient>(static_cast<const float*>(dx), from, n, slope, dx);
      to.finish(at, n, dx);
      to_logits.finish(at, n, dlogits);
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
    moments[plane] = {static_cast<float>(m), rstd_of(variance, eps)};
  }
}

/// The constants of each (sample, channel) as separate arrays, for vector loads.
struct PlaneConstants {
  PlaneConstants(const Moments* moments, const float* weight, const float* bias, std::int64_t planes,
                 std::int64_t channels)
      : scale(static_cast<std::size_t>(planes)), shift(scale.size()), mean(scale.size()), rstd(scale.size()) {
    for (std::int64_t i = 0; i < planes; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto a = affine_of(moments[i], weight[i % channels], bias[i % channels]);
      scale[at] = a.scale, shift[at] = a.shift, mean[at] = moments[i].mean, rstd[at] = moments[i].rstd;
    }
  }
  std::vector<float> scale, shift, mean, rstd;
};

}  // namespace detail

/// Moments (N * C, 2) of the planes of a channels-last tensor.
inline torch::Tensor moments_of_pixels(const torch::Tensor& x, float eps) {
  const detail::PixelBlocks blocks(x);
  const auto channels = blocks.channels, most = blocks.size * channels;
  const Elements input(x);
  auto moments = torch::empty({blocks.samples * channels, 2}, x.options().dtype(torch::kFloat));
  std::vector<float> mean(static_cast<std::size_t>(blocks.samples * blocks.per_sample * channels)),
      squares(mean.size()), rest(mean.size());
  blocks.each([&](std::int64_t, std::int64_t block, std::int64_t pixel, std::int64_t count) {
    const auto row = block * channels;
    const Scratch values(input.scratch(most));
    vectorized<BlockMoments>(input.read(pixel * channels, count * channels, values.data()), count, channels,
                             mean.data() + row, squares.data() + row, rest.data() + row);
  });
  detail::merge_moments(blocks, mean, squares, eps, detail::moments_data(moments));
  return moments;
}

/// A norm as its readers apply it, relu(x * scale + shift): (N, 2, C), every sample's scales and then its shifts.
inline torch::Tensor affine_table(const torch::Tensor& moments, const torch::Tensor& weight,
                                  const torch::Tensor& bias) {
  const auto channels = weight.size(0), samples = moments.size(0) / channels;
  auto table = torch::empty({samples, 2, channels}, weight.options());
  auto* row = table.data_ptr<float>();
  const auto *w = weight.data_ptr<float>(), *b = bias.data_ptr<float>();
  const auto* m = detail::moments_data(moments);
  for (std::int64_t i = 0; i < samples; ++i, row += 2 * channels, m += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto a = affine_of(m[c], w[c], b[c]);
      row[c] = a.scale, row[channels + c] = a.shift;
    }
  }
  return table;
}

/// relu(x * scale + shift) by a `table`, or with defined `logits` that times (sigmoid(logits) + identity).
/// Channels-last; `output` may be x.
inline void apply_table(const torch::Tensor& x, const torch::Tensor& table, const torch::Tensor& logits, bool identity,
                        const torch::Tensor& output) {
  const detail::PixelBlocks blocks(x);
  const auto channels = blocks.channels, most = blocks.size * channels;
  const Elements input(x), gate(logits), to(output);
  const auto* rows = table.data_ptr<float>();
  blocks.each([&](std::int64_t sample, std::int64_t, std::int64_t pixel, std::int64_t count) {
    const auto at = pixel * channels, n = count * channels;
    const auto* scale = rows + 2 * sample * channels;
    const Scratch values(input.scratch(most)), gates(gate.scratch(most));
    auto* written = to.write(at, values.data());
    vectorized<NormBlock>(input.read(at, n, values.data()), gate.read(at, n, gates.data()), written, count, channels,
                          scale, scale + channels, identity ? 1.f : 0.f);
    to.finish(at, n, written);
  });
}

/// The 1x1 convolution by `weight` (K, C) of relu(x * scale + shift), channels-last.
inline torch::Tensor norm_relu_pointwise(const torch::Tensor& x, const torch::Tensor& table,
                                         const torch::Tensor& weight) {
  const detail::PixelBlocks blocks(x);
  const auto outputs = weight.size(0), channels = blocks.channels;
  auto y = torch::empty({x.size(0), outputs, x.size(2), x.size(3)},
                        x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const auto *from = x.data_ptr<float>(), *rows = table.data_ptr<float>(), *w = weight.data_ptr<float>();
  auto* to = y.data_ptr<float>();
  blocks.each([&](std::int64_t sample, std::int64_t, std::int64_t pixel, std::int64_t count) {
    const auto* scale = rows + 2 * sample * channels;
    vectorized<NormDotBlock>(from + pixel * channels, count, channels, scale, scale + channels, w, outputs,
                             to + pixel * outputs);
  });
  return y;
}

namespace detail {

inline void norm_pixels_backward(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                                 const torch::Tensor& bias, float identity, const torch::Tensor& moments,
                                 const torch::Tensor& dy, const NormGradients& out, float* sums) {
  const PixelBlocks blocks(x);
  const auto channels = blocks.channels, planes = blocks.samples * channels, most = blocks.size * channels;
  const Elements input(x), gate(logits), up(dy), to(out.x), to_logits(out.logits);
  const PlaneConstants c(moments_data(moments), weight.data_ptr<float>(), bias.data_ptr<float>(), planes, channels);
  const auto constants = [&](std::int64_t sample) {
    const auto row = sample * channels;
    return BlockConstants{c.scale.data() + row, c.shift.data() + row, c.mean.data() + row, c.rstd.data() + row};
  };
  std::vector<float> sum_xhat(static_cast<std::size_t>(blocks.samples * blocks.per_sample * channels)),
      sum(sum_xhat.size());
  // With a gate, g is kept for the second pass: where dx will stand, or for bfloat16 beside it.
  const bool gated = logits.defined();
  const Scratch beside(gated ? to.scratch(x.numel()) : 0);
  blocks.each([&](std::int64_t sample, std::int64_t block, std::int64_t pixel, std::int64_t count) {
    const auto at = pixel * channels, n = count * channels;
    const Scratch values(input.scratch(most)), gates(gate.scratch(most)), ups(up.scratch(most));
    auto* dlogits = to_logits.write(at, gates.data());
    auto* kept = gated ? to.write(at, beside.data() + (to.scratch(1) ? at : 0)) : nullptr;
    vectorized<NormBlockSums>(input.read(at, n, values.data()), gate.read(at, n, gates.data()),
                              up.read(at, n, ups.data()), dlogits, kept, count, channels, constants(sample), identity,
                              sum_xhat.data() + block * channels, sum.data() + block * channels);
    to_logits.finish(at, n, dlogits);
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
    const auto at = pixel * channels, n = count * channels, row = sample * channels;
    const Scratch values(input.scratch(most)), ups(up.scratch(most));
    auto* dx = to.write(at, ups.data());
    const float* g = !gated ? up.read(at, n, ups.data()) : to.scratch(1) ? beside.data() + at : dx;
    vectorized<NormBlockBackward>(input.read(at, n, values.data()), g, dx, count, channels, constants(sample),
                                  mean_g.data() + row, slope.data() + row);
    to.finish(at, n, dx);
  });
}

}  // namespace detail

/// relu(norm(x)), or with defined `logits` relu(norm(x)) * (sigmoid(logits) + identity). `output` may be `x` itself.
/// x and logits dense in one layout, weight and bias float32.
inline NormResult instance_norm_relu(const torch::Tensor& x, const torch::Tensor& logits, const torch::Tensor& weight,
                                     const torch::Tensor& bias, double eps, bool identity, torch::Tensor output) {
  if (is_channels_last(x)) {
    const NormResult result{std::move(output), moments_of_pixels(x, static_cast<float>(eps))};
    apply_table(x, affine_table(result.moments, weight, bias), logits, identity, result.output);
    return result;
  }
  const NormResult result{std::move(output), torch::empty({x.size(0) * x.size(1), 2}, weight.options())};
  detail::norm_planes(x, logits, weight, bias, static_cast<float>(eps), identity ? 1.f : 0.f, result);
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
  const auto run = is_channels_last(x) ? detail::norm_pixels_backward : detail::norm_planes_backward;
  run(x, logits, weight, bias, identity ? 1.f : 0.f, moments, dy, out, sums.data_ptr<float>());
  const auto total = ordered_sum(sums.view({x.size(0), -1})).view({x.size(1), 2});
  out.weight = total.select(1, 0).contiguous(), out.bias = total.select(1, 1).contiguous();
  return out;
}

}  // namespace pam::kernels::cpu

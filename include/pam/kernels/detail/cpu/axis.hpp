// SPDX-License-Identifier: MIT
/// One axis of a bilinear upsampling (align_corners): which inputs an output reads, and which outputs read an input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pam::kernels::cpu {

/// Output i is (1 - weight[i]) * input[lower[i]] + weight[i] * input[upper[i]].
struct Axis {
  Axis(std::int64_t in, std::int64_t out) : size(out), lower(out), upper(out), weight(out) {
    const double scale = out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
    for (std::int64_t i = 0; i < out; ++i) {
      const double at = scale * static_cast<double>(i);
      const auto k = static_cast<std::size_t>(i);
      lower[k] = static_cast<std::int32_t>(std::min<std::int64_t>(static_cast<std::int64_t>(at), in - 1));
      upper[k] = static_cast<std::int32_t>(std::min<std::int64_t>(lower[k] + 1, in - 1));
      weight[k] = static_cast<float>(at - lower[k]);
    }
  }

  std::int64_t size;
  std::vector<std::int32_t> lower, upper;
  std::vector<float> weight;
};

/// The transpose: input i gathers outputs [first[i], first[i] + taps), each times weights[tap * inputs + i]. Padded to
/// the same number of taps everywhere with weights of zero, so that the loops over inputs vectorise.
struct AdjointAxis {
  AdjointAxis(const Axis& axis, std::int64_t in) : inputs(in), first(in) {
    std::vector<std::int64_t> begin(in, axis.size), end(in, 0);
    const auto touch = [&](std::int32_t input, std::int64_t output) {
      begin[input] = std::min(begin[input], output), end[input] = std::max(end[input], output + 1);
    };
    for (std::int64_t i = 0; i < axis.size; ++i) touch(axis.lower[i], i), touch(axis.upper[i], i);
    for (std::int64_t i = 0; i < in; ++i) taps = std::max(taps, end[i] - begin[i]);
    weights.assign(static_cast<std::size_t>(taps * in), 0.f);
    // The window is shifted to end inside the outputs: padded taps must not read past them.
    for (std::int64_t i = 0; i < in; ++i) {
      first[i] = static_cast<std::int32_t>(std::max<std::int64_t>(0, std::min(begin[i], axis.size - taps)));
    }
    for (std::int64_t i = 0; i < axis.size; ++i) {
      const auto low = axis.lower[i], high = axis.upper[i];
      weights[(i - first[low]) * in + low] += 1.f - axis.weight[i];
      weights[(i - first[high]) * in + high] += axis.weight[i];
    }
  }

  std::int64_t inputs, taps = 1;
  std::vector<std::int32_t> first;
  std::vector<float> weights;
};

}  // namespace pam::kernels::cpu

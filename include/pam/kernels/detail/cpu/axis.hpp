// SPDX-License-Identifier: MIT
/// One axis of a bilinear upsampling (align_corners): which inputs an output reads, and which outputs read an input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pam::kernels::cpu {

/// Output i is (1 - weight[i]) * input[lower[i]] + weight[i] * input[upper[i]].
struct Axis {
  Axis(std::int64_t in, std::int64_t out)
      : size(out), lower(static_cast<std::size_t>(out)), upper(lower.size()), weight(lower.size()) {
    const double scale = out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
    for (std::size_t k = 0; k < lower.size(); ++k) {
      const double at = scale * static_cast<double>(k);
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
  AdjointAxis(const Axis& axis, std::int64_t in) : inputs(in), first(static_cast<std::size_t>(in)) {
    std::vector<std::int64_t> begins(first.size(), axis.size), ends(first.size(), 0);
    const auto touch = [&](std::int32_t input, std::int64_t output) {
      auto &begin = begins[static_cast<std::size_t>(input)], &end = ends[static_cast<std::size_t>(input)];
      begin = std::min(begin, output), end = std::max(end, output + 1);
    };
    const auto *lower = axis.lower.data(), *upper = axis.upper.data();
    for (std::int64_t i = 0; i < axis.size; ++i) touch(lower[i], i), touch(upper[i], i);
    for (std::size_t i = 0; i < first.size(); ++i) taps = std::max(taps, ends[i] - begins[i]);
    weights.assign(static_cast<std::size_t>(taps * in), 0.f);
    // The window is shifted to end inside the outputs: padded taps must not read past them.
    for (std::size_t i = 0; i < first.size(); ++i) {
      first[i] = static_cast<std::int32_t>(std::max<std::int64_t>(0, std::min(begins[i], axis.size - taps)));
    }
    const auto add = [&](std::int32_t input, std::int64_t output, float weight) {
      const auto tap = output - first[static_cast<std::size_t>(input)];
      weights[static_cast<std::size_t>(tap * in + input)] += weight;
    };
    const auto* weight = axis.weight.data();
    for (std::int64_t i = 0; i < axis.size; ++i) add(lower[i], i, 1.f - weight[i]), add(upper[i], i, weight[i]);
  }

  std::int64_t inputs, taps = 1;
  std::vector<std::int32_t> first;
  std::vector<float> weights;
};

}  // namespace pam::kernels::cpu

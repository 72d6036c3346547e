// SPDX-License-Identifier: MIT
/// FPA's depth-wise branch on the CPU: planes shared out over threads, in either layout.
#pragma once

#include <pam/kernels/detail/cpu/dilated_plane.hpp>
#include <pam/kernels/detail/cpu/elements.hpp>
#include <pam/kernels/detail/cpu/stage_planes.hpp>
#include <pam/kernels/detail/cpu/tensors.hpp>

#include <cstring>

namespace pam::kernels::cpu {

/// Gradients of the branch: of x, and (C, 22) of the weights as DilatedPlaneBackward orders them.
struct BranchGradients {
  torch::Tensor x, weights;
};

namespace detail {

/// The steps' weights of channel c.
class BranchWeights {
 public:
  BranchWeights(const torch::Tensor& conv1, const torch::Tensor& norm1, const torch::Tensor& conv2,
                const torch::Tensor& norm2)
      : taps_{conv1.data_ptr<float>(), conv2.data_ptr<float>()},
        norms_{norm1.data_ptr<float>(), norm2.data_ptr<float>()} {}

  [[nodiscard]] StepWeights of(int step, std::int64_t c) const {
    StepWeights w;
    std::memcpy(w.taps, taps_[step] + 9 * c, sizeof(w.taps));
    w.weight = norms_[step][2 * c], w.bias = norms_[step][2 * c + 1];
    return w;
  }

 private:
  const float *taps_[2], *norms_[2];
};

/// Calls `f(i, scratch)` for every i in [0, count), in parallel. The first `zeroed` floats of a thread's scratch start
/// as zeros and are f's to keep so.
template <typename F>
void each_item(std::int64_t count, std::int64_t cost, std::int64_t scratch, std::int64_t zeroed, const F& f) {
  parallel(count, cost, [&](std::int64_t first, std::int64_t last) {
    const Scratch memory(scratch);
    std::fill_n(memory.data(), zeroed, 0.f);
    for (auto i = first; i < last; ++i) f(i, memory.data());
  });
}

inline void stage_planes(const torch::Tensor& x, const ChannelGroups& groups, const ChannelGroups::Group& g,
                         float* planes) {
  with_element(x, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    StagePlanes<T>::run(x.data_ptr<T>() + g.offset, groups, g.channels, planes);
  });
}

inline void unstage_planes(const float* planes, const ChannelGroups& groups, const ChannelGroups::Group& g,
                           const torch::Tensor& x) {
  with_element(x, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    UnstagePlanes<T>::run(planes, groups, g.channels, x.data_ptr<T>() + g.offset);
  });
}

}  // namespace detail

/// y = D2(D1(x)). Weights float32 and contiguous: conv (C, 9), norm (C, 2) holding weight and bias.
/// Returns y and the moments of both norms, (N * C, 4).
inline std::pair<torch::Tensor, torch::Tensor> dilated_branch(const torch::Tensor& x,
                                                              const detail::BranchWeights& weights,
                                                              std::int64_t dilation, double eps) {
  const auto channels = x.size(1);
  const PlaneShape shape(x.size(2), x.size(3), dilation);
  auto y = torch::empty_like(x);
  const auto moments = torch::empty({x.size(0) * channels, 4}, x.options().dtype(torch::kFloat));
  auto* m = reinterpret_cast<Moments*>(moments.data_ptr<float>());
  const auto small_eps = static_cast<float>(eps);
  const auto scratch = DilatedPlane::scratch(shape);
  if (!is_channels_last(x)) {
    const Elements from(x), to(y);
    detail::each_item(x.size(0) * channels, 20 * shape.pixels, scratch + from.scratch(shape.pixels), shape.padded,
                      [&](std::int64_t i, float* memory) {
                        const auto at = i * shape.pixels;
                        auto* out = to.write(at, memory + scratch);
                        DilatedPlane::run(from.read(at, shape.pixels, memory + scratch), out, shape,
                                          weights.of(0, i % channels), weights.of(1, i % channels), small_eps, memory,
                                          m + 2 * i);
                        to.finish(at, shape.pixels, out);
                      });
    return {y, moments};
  }
  const ChannelGroups groups(channels, shape.pixels);
  detail::each_item(x.size(0) * groups.count, 20 * groups.floats, scratch + groups.floats, shape.padded,
                    [&](std::int64_t i, float* memory) {
                      const auto g = groups.at(i);
                      auto* stage = memory + scratch;
                      detail::stage_planes(x, groups, g, stage);
                      for (std::int64_t c = 0; c < g.channels; ++c) {
                        auto* plane = stage + c * groups.stride;
                        DilatedPlane::run(plane, plane, shape, weights.of(0, g.first + c), weights.of(1, g.first + c),
                                          small_eps, memory, m + 2 * (g.plane + c));
                      }
                      detail::unstage_planes(stage, groups, g, y);
                    });
  return {y, moments};
}

/// dy dense in x's layout.
inline BranchGradients dilated_branch_backward(const torch::Tensor& x, const detail::BranchWeights& weights,
                                               std::int64_t dilation, const torch::Tensor& moments,
                                               const torch::Tensor& dy) {
  const auto channels = x.size(1);
  const PlaneShape shape(x.size(2), x.size(3), dilation);
  auto dx = torch::empty_like(x);
  const auto sums = torch::empty({x.size(0), channels * 22}, x.options().dtype(torch::kFloat));
  auto* total = sums.data_ptr<float>();
  const auto* m = reinterpret_cast<const Moments*>(moments.data_ptr<float>());
  const auto scratch = DilatedPlaneBackward::scratch(shape), zeroed = 3 * shape.padded;
  if (!is_channels_last(x)) {
    const Elements from(x), up(dy), to(dx);
    const auto beside = from.scratch(shape.pixels);
    detail::each_item(
        x.size(0) * channels, 60 * shape.pixels, scratch + 2 * beside, zeroed, [&](std::int64_t i, float* memory) {
          const auto at = i * shape.pixels;
          auto *in = memory + scratch, *out = to.write(at, in);
          DilatedPlaneBackward::run(from.read(at, shape.pixels, in), up.read(at, shape.pixels, in + beside), out, shape,
                                    weights.of(0, i % channels), weights.of(1, i % channels), m + 2 * i, memory,
                                    total + 22 * i);
          to.finish(at, shape.pixels, out);
        });
  } else {
    const ChannelGroups groups(channels, shape.pixels);
    detail::each_item(x.size(0) * groups.count, 60 * groups.floats, scratch + 2 * groups.floats, zeroed,
                      [&](std::int64_t i, float* memory) {
                        const auto g = groups.at(i);
                        auto *stage = memory + scratch, *stage_dy = stage + groups.floats;
                        detail::stage_planes(x, groups, g, stage);
                        detail::stage_planes(dy, groups, g, stage_dy);
                        for (std::int64_t c = 0; c < g.channels; ++c) {
                          auto* plane = stage + c * groups.stride;
                          DilatedPlaneBackward::run(plane, stage_dy + c * groups.stride, plane, shape,
                                                    weights.of(0, g.first + c), weights.of(1, g.first + c),
                                                    m + 2 * (g.plane + c), memory, total + 22 * (g.plane + c));
                        }
                        detail::unstage_planes(stage, groups, g, dx);
                      });
  }
  return {dx, ordered_sum(sums).view({channels, 22})};
}

}  // namespace pam::kernels::cpu

// SPDX-License-Identifier: MIT
/// FPA's depth-wise branch on the CPU: planes of one channel (contiguous) or of a vector of channels (channels-last),
/// shared out over threads.
#pragma once

#include <pam/kernels/detail/cpu/dilated_lanes.hpp>
#include <pam/kernels/detail/cpu/dilated_plane.hpp>
#include <pam/kernels/detail/cpu/elements.hpp>
#include <pam/kernels/detail/cpu/tensors.hpp>

#include <cstring>

namespace pam::kernels::cpu {

/// Gradients of the branch: of x, and (C, 22) of the weights as DilatedPlaneBackward orders them.
struct BranchGradients {
  torch::Tensor x, weights;
};

namespace detail {

/// The steps' weights: float32 and contiguous, taps (C, 9), norms (C, 2) holding weight and bias.
struct BranchWeights {
  BranchWeights(const torch::Tensor& taps1, const torch::Tensor& norms1, const torch::Tensor& taps2,
                const torch::Tensor& norms2)
      : taps{taps1.data_ptr<float>(), taps2.data_ptr<float>()},
        norms{norms1.data_ptr<float>(), norms2.data_ptr<float>()} {}

  /// Of one channel.
  [[nodiscard]] StepWeights of(int step, std::int64_t c) const {
    StepWeights w;
    std::memcpy(w.taps, taps[step] + 9 * c, sizeof(w.taps));
    w.weight = norms[step][2 * c], w.bias = norms[step][2 * c + 1];
    return w;
  }

  const float *taps[2], *norms[2];
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

/// The branch on channels-last tensors (N, C, H, W); `out` is y, or dx where there is dy.
struct LaneBranch {
  void *x, *dy, *out;
  bool narrow;
  std::int64_t samples, channels;
  LaneShape shape;
  BranchWeights weights;
  float eps;
  Moments* moments;  ///< of both norms of every (sample, channel)
  float* sums;       ///< 22 for every (sample, channel)

  /// Forward or backward of one vector of channels of one sample.
  template <typename Lanes>
  struct Group {
    using Dilated = DilatedLanes<Lanes>;
    static constexpr std::int64_t kLanes = Lanes::kCount;
    struct Ignore {
      PAM_INLINE void operator()(const float*) const {}
    };

    static PAM_INLINE void run(const LaneBranch* job, std::int64_t sample, std::int64_t first, float* scratch) {
      const auto& s = job->shape;
      const auto lanes = std::min(kLanes, job->channels - first);
      const auto at = sample * s.pixels() * job->channels + first, plane = sample * job->channels + first;
      const LaneStep<Lanes> one(job->weights.taps[0], job->weights.norms[0], first, lanes),
          two(job->weights.taps[1], job->weights.norms[1], first, lanes);
      const auto tensor = [&](void* data) {
        auto* const here = static_cast<char*>(data) + at * static_cast<std::int64_t>(job->narrow ? 2 : sizeof(float));
        return LaneTensor<Lanes>{here, job->narrow, s.width, job->channels, lanes};
      };
      const auto x = tensor(job->x), out = tensor(job->out);
      auto* moments = job->moments + 2 * plane;
      LaneNorm<Lanes> norms[2];
      if (job->dy != nullptr) {
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
          norms[0].set(lane, lane < lanes ? moments[2 * lane] : Moments{}, one);
          norms[1].set(lane, lane < lanes ? moments[2 * lane + 1] : Moments{}, two);
        }
        Dilated::backward(x, tensor(job->dy), out, s, one, two, norms, lanes, scratch, job->sums + 22 * plane,
                          Ignore{});
        return;
      }
      float* const conv2 = scratch + Dilated::ring(s);
      Dilated::forward(x, s, one, two, job->eps, scratch, conv2, norms);
      for (std::int64_t y = 0; y < s.height; ++y) {
        Dilated::activate(conv2 + y * s.width * kLanes, norms[1], s.width, scratch);
        out.write(y, scratch);
      }
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        for (int step = 0; step < 2; ++step) moments[2 * lane + step] = norms[step].moments(lane);
      }
    }
  };

  void run() const { isa() == Isa::Avx512 ? run_in<Lanes16>() : run_in<Lanes8>(); }

 private:
  template <typename Lanes>
  void run_in() const {
    using Dilated = DilatedLanes<Lanes>;
    constexpr std::int64_t lanes = Lanes::kCount;
    const auto groups = (channels + lanes - 1) / lanes;
    const auto scratch =
        dy != nullptr ? Dilated::backward_scratch(shape) : Dilated::ring(shape) + Dilated::plane(shape);
    each_item(samples * groups, (dy != nullptr ? 60 : 20) * lanes * shape.pixels(), scratch, 0,
              [&](std::int64_t i, float* memory) {
                in_lanes<Lanes, Group<Lanes>>(this, i / groups, i % groups * lanes, memory);
              });
  }
};

}  // namespace detail

/// y = D2(D1(x)). Returns y and the moments of both norms, (N * C, 4).
inline std::pair<torch::Tensor, torch::Tensor> dilated_branch(const torch::Tensor& x,
                                                              const detail::BranchWeights& weights,
                                                              std::int64_t dilation, double eps) {
  const auto channels = x.size(1);
  auto y = torch::empty_like(x);
  const auto moments = torch::empty({x.size(0) * channels, 4}, x.options().dtype(torch::kFloat));
  auto* m = reinterpret_cast<Moments*>(moments.data_ptr<float>());
  const auto small_eps = static_cast<float>(eps);
  if (is_channels_last(x)) {
    detail::LaneBranch{x.data_ptr(),
                       nullptr,
                       y.data_ptr(),
                       x.scalar_type() == torch::kBFloat16,
                       x.size(0),
                       channels,
                       {x.size(2), x.size(3), dilation},
                       weights,
                       small_eps,
                       m,
                       nullptr}
        .run();
    return {y, moments};
  }
  const PlaneShape shape(x.size(2), x.size(3), dilation);
  const auto scratch = DilatedPlane::scratch(shape);
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

/// dy dense in x's layout.
inline BranchGradients dilated_branch_backward(const torch::Tensor& x, const detail::BranchWeights& weights,
                                               std::int64_t dilation, const torch::Tensor& moments,
                                               const torch::Tensor& dy) {
  const auto channels = x.size(1);
  auto dx = torch::empty_like(x);
  const auto sums = torch::empty({x.size(0), channels * 22}, x.options().dtype(torch::kFloat));
  auto* total = sums.data_ptr<float>();
  auto* m = reinterpret_cast<Moments*>(moments.data_ptr<float>());
  if (is_channels_last(x)) {
    detail::LaneBranch{x.data_ptr(),
                       dy.data_ptr(),
                       dx.data_ptr(),
                       x.scalar_type() == torch::kBFloat16,
                       x.size(0),
                       channels,
                       {x.size(2), x.size(3), dilation},
                       weights,
                       0.f,
                       m,
                       total}
        .run();
    return {dx, ordered_sum(sums).view({channels, 22})};
  }
  const PlaneShape shape(x.size(2), x.size(3), dilation);
  const auto scratch = DilatedPlaneBackward::scratch(shape);
  const Elements from(x), up(dy), to(dx);
  const auto beside = from.scratch(shape.pixels);
  detail::each_item(x.size(0) * channels, 60 * shape.pixels, scratch + 2 * beside, 3 * shape.padded,
                    [&](std::int64_t i, float* memory) {
                      const auto at = i * shape.pixels;
                      auto *in = memory + scratch, *out = to.write(at, in);
                      DilatedPlaneBackward::run(from.read(at, shape.pixels, in), up.read(at, shape.pixels, in + beside),
                                                out, shape, weights.of(0, i % channels), weights.of(1, i % channels),
                                                m + 2 * i, memory, total + 22 * i);
                      to.finish(at, shape.pixels, out);
                    });
  return {dx, ordered_sum(sums).view({channels, 22})};
}

}  // namespace pam::kernels::cpu

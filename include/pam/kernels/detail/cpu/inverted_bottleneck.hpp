// SPDX-License-Identifier: MIT
/// P(D(D(E(x)))) with the expanded channels in lanes (dilated_lanes.hpp): E computes each row right before D reads it,
/// and what D leaves is laid out as the matrix product P reads it.
#pragma once

#include <pam/kernels/detail/cpu/dilated_branch.hpp>
#include <pam/kernels/detail/cpu/turn_layout.hpp>

#include <cstring>

namespace pam::kernels::cpu {

struct BottleneckJob {
  const float* x;        ///< channels-last (N, in_height, in_width, in_channels)
  const float* expand;   ///< packed: panels of kLanes expanded channels, (in_channels, kLanes) each
  const float* project;  ///< packed: panels of kPanel outputs, (expanded channels rounded up to groups, kPanel) each
  detail::BranchWeights weights;
  float eps;
  std::int64_t in_height, in_width, in_channels, stride;
  std::int64_t expanded, out_channels;
  LaneShape shape;

  [[nodiscard]] std::int64_t groups(std::int64_t lanes) const { return (expanded + lanes - 1) / lanes; }
  /// Rows of a matrix product are computed in groups of at most kRows: floats of one group of z.
  static constexpr std::int64_t kRows = 12;
  [[nodiscard]] std::int64_t group_floats(std::int64_t lanes) const { return (shape.pixels() + kRows) * lanes; }
};

/// z: relu(norm(...)) of one group of channels of one sample, (pixels, kLanes).
template <typename Lanes>
class ExpandAndDilate {
  using Dilated = DilatedLanes<Lanes>;
  using Vectors = LaneVectors<Lanes>;
  using Vector = typename Vectors::Vector;
  static constexpr std::int64_t kLanes = Vectors::kLanes;

 public:
  static PAM_INLINE void run(const BottleneckJob* job, std::int64_t sample, std::int64_t group, float* scratch,
                             float* z) {
    const auto first = group * kLanes, lanes = std::min(kLanes, job->expanded - first);
    const auto& w = job->weights;
    const LaneStep<Lanes> one(w.taps[0], w.norms[0], first, lanes), two(w.taps[1], w.norms[1], first, lanes);
    const Expanded source{job->x + sample * job->in_height * job->in_width * job->in_channels,
                          job->expand + group * job->in_channels * kLanes, job};
    LaneNorm<Lanes> norms[2];
    const float* last = Dilated::forward(source, job->shape, one, two, job->eps, scratch, norms);
    Dilated::activate(last, norms[1], job->shape.pixels(), z);
  }

 private:
  /// Source: rows of E(x).
  struct Expanded {
    const float *x, *weights;
    const BottleneckJob* job;

    PAM_INLINE void read(std::int64_t y, float* row) const {
      const auto step = job->stride * job->in_channels, width = job->shape.width;
      const float* from = x + y * job->stride * job->in_width * job->in_channels;
      std::int64_t i = 0;
      for (; i + 12 <= width; i += 12) multiply<12>(from + i * step, step, row + i * kLanes);
      if (i + 8 <= width) multiply<8>(from + i * step, step, row + i * kLanes), i += 8;
      if (i + 4 <= width) multiply<4>(from + i * step, step, row + i * kLanes), i += 4;
      for (; i < width; ++i) multiply<1>(from + i * step, step, row + i * kLanes);
    }

    /// Pixels `step` apart times the weights: the sums stay in registers.
    template <int Pixels>
    PAM_INLINE void multiply(const float* from, std::int64_t step, float* out) const {
      Vector sums[static_cast<std::size_t>(Pixels)];
      PAM_UNROLL for (int i = 0; i < Pixels; ++i) sums[i] = Vector{};
      for (std::int64_t c = 0; c < job->in_channels; ++c) {
        const Vector weight = Vectors::vector(weights + c * kLanes);
        PAM_UNROLL for (int i = 0; i < Pixels; ++i) sums[i] = sums[i] + weight * from[i * step + c];
      }
      PAM_UNROLL for (int i = 0; i < Pixels; ++i) Vectors::vector(out + i * kLanes) = sums[i];
    }
  };
};

/// y (count, out_channels rounded up to kPanel) = pixels [first, first + count) of z times P.
template <typename Lanes>
class ProjectPixels {
  using Vectors = LaneVectors<Lanes>;
  using Vector = typename Vectors::Vector;
  static constexpr std::int64_t kLanes = Vectors::kLanes;

 public:
  static std::int64_t rows(std::int64_t count) { return (count + BottleneckJob::kRows - 1) / BottleneckJob::kRows * BottleneckJob::kRows; }

  /// `scratch`: rows(count) * whole_panels(out_channels) floats.
  static PAM_INLINE void run(const BottleneckJob* job, const float* z, std::int64_t first, std::int64_t count,
                             float* scratch, float* y) {
    const auto outputs = whole_panels(job->out_channels), depth = job->groups(kLanes) * kLanes;
    const float* pixels = z + first * kLanes;
    std::int64_t k = 0;
    if constexpr (kLanes == 16) {
      for (; k + 64 <= outputs; k += 64) panels<6, 4>(*job, pixels, job->project + k * depth, count, scratch + k);
      for (; k + 32 <= outputs; k += 32) panels<12, 2>(*job, pixels, job->project + k * depth, count, scratch + k);
      for (; k < outputs; k += 16) panels<12, 1>(*job, pixels, job->project + k * depth, count, scratch + k);
    } else {
      for (; k < outputs; k += kPanel) panels<6, 2>(*job, pixels, job->project + k * depth, count, scratch + k);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(y + i * job->out_channels, scratch + i * outputs,
                  static_cast<std::size_t>(job->out_channels) * sizeof(float));
    }
  }

 private:
  /// Sums are taken in parts of this many channels, whose weights fit the first cache.
  static constexpr std::int64_t kDepth = 64;

  template <int Rows, int Count>
  static PAM_INLINE void panels(const BottleneckJob& job, const float* z, const float* u, std::int64_t count,
                                float* m) {
    const auto groups = job.groups(kLanes), panel = groups * kLanes * kPanel, out_row = whole_panels(job.out_channels);
    constexpr std::int64_t part = kDepth / kLanes;
    for (std::int64_t g = 0; g < groups; g += part) {
      const auto some = std::min(part, groups - g);
      for (std::int64_t r = 0; r < count; r += Rows) {
        multiply<Rows, Count>(z + g * job.group_floats(kLanes) + r * kLanes, job.group_floats(kLanes),
                              u + g * kLanes * kPanel, panel, some, m + r * out_row, out_row, g > 0);
      }
    }
  }

  template <int Rows, int Count>
  static PAM_INLINE void multiply(const float* z, std::int64_t group, const float* u, std::int64_t panel,
                                  std::int64_t groups, float* m, std::int64_t out_row, bool add) {
    Vector sums[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Count)];
    PAM_UNROLL for (int r = 0; r < Rows; ++r) { PAM_UNROLL for (int i = 0; i < Count; ++i) sums[r][i] = Vector{}; }
    for (std::int64_t g = 0; g < groups; ++g, z += group, u += kLanes * kPanel) {
      for (std::int64_t c = 0; c < kLanes; ++c) {
        Vector weights[static_cast<std::size_t>(Count)];
        PAM_UNROLL for (int i = 0; i < Count; ++i) {
          weights[i] = Vectors::vector(u + i * kLanes / kPanel * panel + c * kPanel + i * kLanes % kPanel);
        }
        PAM_UNROLL for (int r = 0; r < Rows; ++r) {
          const float value = z[r * kLanes + c];
          PAM_UNROLL for (int i = 0; i < Count; ++i) sums[r][i] = sums[r][i] + weights[i] * value;
        }
      }
    }
    PAM_UNROLL for (int r = 0; r < Rows; ++r) {
      PAM_UNROLL for (int i = 0; i < Count; ++i) {
        auto& to = Vectors::vector(m + r * out_row + i * kLanes);
        to = add ? to + sums[r][i] : sums[r][i];
      }
    }
  }
};

namespace detail {

/// weight (O, C) in panels of `lanes` rows: packed[panel][c][lane], with zeros where there is no row, and panels of
/// `depth` >= C columns.
inline void pack_panels(const torch::Tensor& weight, std::int64_t lanes, std::int64_t depth, float* packed) {
  const auto rows = weight.size(0), columns = weight.size(1), panels = (rows + lanes - 1) / lanes;
  const auto* from = weight.data_ptr<float>();
  parallel(panels, lanes * depth, [=](std::int64_t first, std::int64_t last) {
    for (auto panel = first; panel < last; ++panel) {
      auto* to = packed + panel * depth * lanes;
      const auto some = std::min(lanes, rows - panel * lanes);
      if (some < lanes || columns < depth) std::fill_n(to, depth * lanes, 0.f);
      transpose(from + panel * lanes * columns, columns, some, columns, to, lanes);
    }
  });
}

}  // namespace detail

/// x float32, channels-last (N, C, H, W); `expand` (E, C) and `project` (K, E), float32 and contiguous -> float32,
/// channels-last (N, K, ceil(H / stride), ceil(W / stride)).
template <typename Lanes>
torch::Tensor inverted_bottleneck_in(const torch::Tensor& x, const torch::Tensor& expand, std::int64_t stride,
                                     const detail::BranchWeights& weights, const torch::Tensor& project,
                                     std::int64_t dilation, double eps) {
  constexpr std::int64_t lanes = Lanes::kCount;
  const auto samples = x.size(0), k = project.size(0);
  const auto height = (x.size(2) + stride - 1) / stride, width = (x.size(3) + stride - 1) / stride;
  // With these strides also where LibTorch would call the tensor contiguous (one channel, one pixel).
  const auto y = torch::empty({samples, height, width, k}, x.options()).permute({0, 3, 1, 2});
  BottleneckJob job{x.data_ptr<float>(), nullptr, nullptr, weights, static_cast<float>(eps), x.size(2), x.size(3),
                    x.size(1), stride, expand.size(0), k, {height, width, dilation}};
  const auto groups = job.groups(lanes), depth = groups * lanes, pixels = job.shape.pixels();
  const Scratch expand_panels(depth * job.in_channels), project_panels(whole_panels(k) * depth);
  detail::pack_panels(expand, lanes, job.in_channels, expand_panels.data());
  detail::pack_panels(project, kPanel, depth, project_panels.data());
  job.expand = expand_panels.data(), job.project = project_panels.data();
  // As many samples at a time as occupy all threads: what lies between D and P should stay in the cache.
  const std::int64_t threads = at::get_num_threads(), some = std::min(samples, (8 * threads + groups - 1) / groups);
  const Scratch z(some * groups * job.group_floats(lanes));
  const auto parts = ((pixels + 95) / 96 + threads - 1) / threads * threads, size = (pixels + parts - 1) / parts;
  for (std::int64_t start = 0; start < samples; start += some) {
    const auto count = std::min(some, samples - start);
    parallel(count * groups, pixels * lanes * (job.in_channels + 20), [&](std::int64_t first, std::int64_t last) {
      const Scratch memory(DilatedLanes<Lanes>::forward_scratch(job.shape));
      for (auto i = first; i < last; ++i) {
        in_lanes<Lanes, ExpandAndDilate<Lanes>>(static_cast<const BottleneckJob*>(&job), start + i / groups, i % groups,
                                                memory.data(), z.data() + i * job.group_floats(lanes));
      }
    });
    parallel(count * parts, size * depth * k, [&](std::int64_t first, std::int64_t last) {
      const Scratch memory(ProjectPixels<Lanes>::rows(size) * whole_panels(k));
      for (auto i = first; i < last; ++i) {
        const auto pixel = i % parts * size, some_pixels = std::min(size, pixels - pixel);
        if (some_pixels <= 0) continue;
        in_lanes<Lanes, ProjectPixels<Lanes>>(
            static_cast<const BottleneckJob*>(&job),
            static_cast<const float*>(z.data() + i / parts * groups * job.group_floats(lanes)), pixel, some_pixels,
            memory.data(), y.data_ptr<float>() + ((start + i / parts) * pixels + pixel) * k);
      }
    });
  }
  return y;
}

inline torch::Tensor inverted_bottleneck(const torch::Tensor& x, const torch::Tensor& expand, std::int64_t stride,
                                         const detail::BranchWeights& weights, const torch::Tensor& project,
                                         std::int64_t dilation, double eps) {
  const auto run = isa() == Isa::Avx512 ? inverted_bottleneck_in<Lanes16> : inverted_bottleneck_in<Lanes8>;
  return run(x, expand, stride, weights, project, dilation, eps);
}

}  // namespace pam::kernels::cpu

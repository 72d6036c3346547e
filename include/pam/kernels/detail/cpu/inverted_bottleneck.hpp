// SPDX-License-Identifier: MIT
/// P(D(D(E(x)))) with the expanded channels in lanes (dilated_lanes.hpp), forward and backward. E computes each row
/// right before D reads it, and what D leaves is laid out as the matrix product P reads it.
#pragma once

#include <pam/kernels/detail/cpu/dilated_branch.hpp>
#include <pam/kernels/detail/cpu/lane_products.hpp>

#include <cstring>

namespace pam::kernels::cpu {

struct BottleneckResult {
  torch::Tensor y;
  // What the backward pass needs beside the inputs.
  torch::Tensor expanded;  ///< E(x): (N, groups of channels, pixels, lanes)
  torch::Tensor moments;   ///< of both norms, (N * expanded channels, 4)
};

struct BottleneckGradients {
  torch::Tensor x, expand, project;
  torch::Tensor weights;  ///< (expanded channels, 22), as in BranchGradients
};

/// The work on one vector of expanded channels ("group") of one sample.
struct BottleneckJob {
  const float* x;  ///< channels-last (N, in_height, in_width, in_channels)
  std::int64_t in_height, in_width, in_channels, stride, channels, groups;
  LaneShape shape;
  detail::BranchWeights weights;
  const float* expand;  ///< in panels of a vector of expanded channels
  float eps;
  float* expanded;   ///< receives E(x), or has it in the backward pass; null in inference
  Moments* moments;  ///< likewise
  // Of the backward pass.
  const float* dy;  ///< channels-last (N, height, width, out_channels)
  std::int64_t out_channels;
  const float* project;  ///< P transposed, in panels of a vector of expanded channels
  float* sums;           ///< 22 for every (sample, expanded channel)

  /// The pixels of x that row y of E(x) is computed from lie `step()` apart, from here on.
  [[nodiscard]] PAM_INLINE const float* row(std::int64_t sample, std::int64_t y) const {
    return x + (sample * in_height + y * stride) * in_width * in_channels;
  }
  [[nodiscard]] PAM_INLINE std::int64_t step() const { return stride * in_channels; }
};

/// z (pixels, kLanes) = D(D(E(x))).
template <typename Lanes>
struct BottleneckForward {
  using Dilated = DilatedLanes<Lanes>;
  static constexpr std::int64_t kLanes = Lanes::kCount;

  static std::int64_t scratch(const LaneShape& s) { return Dilated::ring(s); }

  static PAM_INLINE void run(const BottleneckJob* job, std::int64_t sample, std::int64_t group, float* scratch,
                             float* z) {
    const auto first = group * kLanes, lanes = std::min(kLanes, job->channels - first);
    const auto& w = job->weights;
    const LaneStep<Lanes> one(w.taps[0], w.norms[0], first, lanes), two(w.taps[1], w.norms[1], first, lanes);
    auto* kept = job->expanded;
    if (kept != nullptr) kept += (sample * job->groups + group) * Dilated::plane(job->shape);
    const Expanded source{job, job->expand + group * job->in_channels * kLanes, sample, kept};
    LaneNorm<Lanes> norms[2];
    Dilated::forward(source, job->shape, one, two, job->eps, scratch, z, norms);
    Dilated::activate(z, norms[1], job->shape.pixels(), z);
    if (job->moments == nullptr) return;
    auto* moments = job->moments + 2 * (sample * job->channels + first);
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      for (int step = 0; step < 2; ++step) moments[2 * lane + step] = norms[step].moments(lane);
    }
  }

 private:
  /// Source: rows of E(x).
  struct Expanded {
    const BottleneckJob* job;
    const float* weights;
    std::int64_t sample;
    float* kept;

    PAM_INLINE const float* read(std::int64_t y, float* row) const {
      if (kept != nullptr) row = kept + y * job->shape.width * kLanes;
      PixelProducts<Lanes>::multiply(job->row(sample, y), job->step(), job->shape.width, weights, job->in_channels,
                                     row);
      return row;
    }
  };
};

/// de (pixels, kLanes): the gradient of E(x). `expand` (in_channels, kLanes) and `project` (out_channels, kLanes), zero
/// at first, receive those of the weights.
template <typename Lanes>
struct BottleneckBackward {
  using Dilated = DilatedLanes<Lanes>;
  using Products = PixelProducts<Lanes>;
  static constexpr std::int64_t kLanes = Lanes::kCount;
  static constexpr std::int64_t kFewPixels = 96;

  static std::int64_t scratch(const LaneShape& s) {
    return Dilated::backward_scratch(s) + Dilated::plane(s) + kFewPixels * kLanes;
  }

  static PAM_INLINE void run(const BottleneckJob* job, std::int64_t sample, std::int64_t group, float* scratch,
                             float* de, float* expand, float* project) {
    const auto& s = job->shape;
    const auto first = group * kLanes, lanes = std::min(kLanes, job->channels - first), k = job->out_channels;
    const auto plane = sample * job->channels + first;
    const auto& w = job->weights;
    const LaneStep<Lanes> one(w.taps[0], w.norms[0], first, lanes), two(w.taps[1], w.norms[1], first, lanes);
    LaneNorm<Lanes> norms[2];
    const auto* moments = job->moments + 2 * plane;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      norms[0].set(lane, lane < lanes ? moments[2 * lane] : Moments{}, one);
      norms[1].set(lane, lane < lanes ? moments[2 * lane + 1] : Moments{}, two);
    }
    auto *dz = scratch + Dilated::backward_scratch(s), *few = dz + Dilated::plane(s);
    const auto* dy = job->dy + sample * s.pixels() * k;
    Products::multiply(dy, k, s.pixels(), job->project + group * k * kLanes, k, dz);
    const ProjectGradient visit{dy, k, s.pixels(), &norms[1], few, project};
    auto* const e = job->expanded + (sample * job->groups + group) * Dilated::plane(s);
    Dilated::backward(Dilated::plane_of(e, s), Dilated::plane_of(dz, s), Dilated::plane_of(de, s), s, one, two, norms,
                      lanes, scratch, job->sums + 22 * plane, visit);
    for (std::int64_t y = 0; y < s.height; ++y) {
      Products::accumulate(job->row(sample, y), job->step(), s.width, de + y * s.width * kLanes, job->in_channels,
                           expand);
    }
  }

 private:
  /// P's gradient from what D gave it.
  struct ProjectGradient {
    const float* dy;
    std::int64_t k, pixels;
    const LaneNorm<Lanes>* norm;
    float *few, *sums;

    PAM_INLINE void operator()(const float* conv2) const {
      for (std::int64_t p = 0; p < pixels; p += kFewPixels) {
        const auto count = std::min(kFewPixels, pixels - p);
        Dilated::activate(conv2 + p * kLanes, *norm, count, few);
        Products::accumulate(dy + p * k, k, count, few, k, sums);
      }
    }
  };
};

/// E (M, C), the branch's steps, P (K, M): float32 and contiguous.
struct BottleneckWeights {
  torch::Tensor expand, project;
  detail::BranchWeights steps;
  std::int64_t stride, dilation;
};

/// The bottleneck on float32 channels-last tensors, with vectors of `Lanes`.
template <typename Lanes>
class BottleneckIn {
  static constexpr std::int64_t kLanes = Lanes::kCount;
  using Forward = BottleneckForward<Lanes>;
  using Backward = BottleneckBackward<Lanes>;

 public:
  static BottleneckResult forward(const torch::Tensor& x, const BottleneckWeights& w, double eps, bool training) {
    auto job = job_of(x, w);
    job.eps = static_cast<float>(eps);
    const auto depth = job.groups * kLanes, outputs = whole_panels(job.out_channels);
    const Scratch expand(depth * job.in_channels), project(outputs * depth);
    pack_panels(w.expand, kLanes, job.in_channels, expand.data());
    pack_panels(w.project, kPanel, depth, project.data());
    job.expand = expand.data();
    BottleneckResult result;
    if (training) {
      result.expanded = torch::empty({x.size(0), job.groups, job.shape.pixels(), kLanes}, x.options());
      result.moments = torch::empty({x.size(0) * job.channels, 4}, x.options());
      job.expanded = result.expanded.template data_ptr<float>();
      job.moments = reinterpret_cast<Moments*>(result.moments.template data_ptr<float>());
    }
    // With these strides also where LibTorch would call the tensor contiguous (one channel, one pixel).
    result.y = torch::empty({x.size(0), job.shape.height, job.shape.width, job.out_channels}, x.options())
                   .permute({0, 3, 1, 2});
    auto* y = result.y.template data_ptr<float>();
    by_samples(
        x.size(0), job, Forward::scratch(job.shape), job.in_channels + 20,
        [&](std::int64_t sample, std::int64_t group, std::int64_t, float* memory, float* z) {
          in_lanes<Lanes, Forward>(const_job(job), sample, group, memory, z);
        },
        {nullptr, 0, job.groups, project.data(), outputs},
        [&](std::int64_t pixel, std::int64_t count, const float* rows) {
          for (std::int64_t i = 0; i < count; ++i)
            copy(rows + i * outputs, job.out_channels, y + (pixel + i) * job.out_channels);
        },
        [](std::int64_t) {});
    return result;
  }

  /// dy channels-last.
  static BottleneckGradients backward(const torch::Tensor& x, const BottleneckWeights& w, const torch::Tensor& expanded,
                                      const torch::Tensor& moments, const torch::Tensor& dy) {
    auto job = job_of(x, w);
    const auto samples = x.size(0), depth = job.groups * kLanes, c = job.in_channels, k = job.out_channels,
               outputs = whole_panels(c);
    const Scratch project(depth * k), expand(outputs * depth);
    pack_panels(w.project.t().contiguous(), kLanes, k, project.data());
    pack_panels(w.expand.t().contiguous(), kPanel, depth, expand.data());
    const auto sums = torch::empty({samples, job.channels * 22}, x.options());
    job.project = project.data(), job.dy = dy.data_ptr<float>(), job.sums = sums.template data_ptr<float>();
    job.expanded = expanded.data_ptr<float>(), job.moments = reinterpret_cast<Moments*>(moments.data_ptr<float>());
    const auto dx_pixels = job.stride == 1 ? torch::empty({samples, x.size(2), x.size(3), c}, x.options())
                                           : torch::zeros({samples, x.size(2), x.size(3), c}, x.options());
    auto* dx = dx_pixels.template data_ptr<float>();
    const auto some = samples_at_once(samples, job);
    const auto parts_e = torch::empty({some, job.groups, c, kLanes}, x.options()),
               parts_p = torch::empty({some, job.groups, k, kLanes}, x.options());
    auto *e = parts_e.template data_ptr<float>(), *p = parts_p.template data_ptr<float>();
    torch::Tensor de, dp;
    const auto width = job.shape.width, pixels = job.shape.pixels();
    by_samples(
        samples, job, Backward::scratch(job.shape), 2 * c + 2 * k + 60,
        [&](std::int64_t sample, std::int64_t group, std::int64_t item, float* memory, float* gradient) {
          auto *expand_sums = e + item * c * kLanes, *project_sums = p + item * k * kLanes;
          std::fill_n(expand_sums, c * kLanes, 0.f), std::fill_n(project_sums, k * kLanes, 0.f);
          in_lanes<Lanes, Backward>(const_job(job), sample, group, memory, gradient, expand_sums, project_sums);
        },
        {nullptr, 0, job.groups, expand.data(), outputs},
        [&](std::int64_t pixel, std::int64_t count, const float* rows) {
          for (auto i = pixel; i < pixel + count; ++i, rows += outputs) {
            const auto y = i % pixels / width * job.stride, column = i % width * job.stride;
            copy(rows, c, dx + ((i / pixels * x.size(2) + y) * x.size(3) + column) * c);
          }
        },
        [&](std::int64_t count) {
          const auto more_e = parts_e.slice(0, 0, count).sum(0), more_p = parts_p.slice(0, 0, count).sum(0);
          de = de.defined() ? de + more_e : more_e, dp = dp.defined() ? dp + more_p : more_p;
        });
    BottleneckGradients result;
    result.x = dx_pixels.permute({0, 3, 1, 2});
    result.expand = de.permute({0, 2, 1}).reshape({depth, c}).narrow(0, 0, job.channels);
    result.project = dp.permute({1, 0, 2}).reshape({k, depth}).narrow(1, 0, job.channels);
    result.weights = ordered_sum(sums).view({job.channels, 22});
    return result;
  }

 private:
  static const BottleneckJob* const_job(const BottleneckJob& job) { return &job; }
  static void copy(const float* from, std::int64_t count, float* to) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
  }

  static BottleneckJob job_of(const torch::Tensor& x, const BottleneckWeights& w) {
    const auto out = [&](std::int64_t side) { return (side + w.stride - 1) / w.stride; };
    const auto channels = w.expand.size(0);
    BottleneckJob job{x.data_ptr<float>(),
                      x.size(2),
                      x.size(3),
                      x.size(1),
                      w.stride,
                      channels,
                      (channels + kLanes - 1) / kLanes,
                      LaneShape(out(x.size(2)), out(x.size(3)), w.dilation),
                      w.steps,
                      nullptr,
                      0.f,
                      nullptr,
                      nullptr,
                      nullptr,
                      w.project.size(0),
                      nullptr,
                      nullptr};
    return job;
  }

  /// As many samples as occupy all threads: what lies between two steps should stay in the cache.
  static std::int64_t samples_at_once(std::int64_t samples, const BottleneckJob& job) {
    return std::min(samples, (8 * at::get_num_threads() + job.groups - 1) / job.groups);
  }

  /// For some samples at a time: `group(sample, group, item, scratch, plane)` fills the planes of all groups of all of
  /// these samples, which are then multiplied by the weights of `product`, and `write` receives rows of the result,
  /// from a pixel on that is counted over all samples. `done(samples)` follows.
  template <typename Group, typename Write, typename Done>
  static void by_samples(std::int64_t samples, const BottleneckJob& job, std::int64_t scratch, std::int64_t cost,
                         const Group& group, LanePlanes product, const Write& write, const Done& done) {
    const auto pixels = job.shape.pixels();
    const std::int64_t threads = at::get_num_threads(), some = samples_at_once(samples, job);
    product.stride = (pixels + LanePlanes::kRows) * kLanes;
    const Scratch planes(some * job.groups * product.stride);
    for (std::int64_t i = 1; i <= some * job.groups; ++i) {  // what lies there may be slow to compute with
      std::fill_n(planes.data() + i * product.stride - LanePlanes::kRows * kLanes, LanePlanes::kRows * kLanes, 0.f);
    }
    const auto parts = ((pixels + 95) / 96 + threads - 1) / threads * threads, size = (pixels + parts - 1) / parts;
    for (std::int64_t start = 0; start < samples; start += some) {
      const auto count = std::min(some, samples - start);
      parallel(count * job.groups, pixels * kLanes * cost, [&](std::int64_t first, std::int64_t last) {
        const Scratch memory(scratch);
        for (auto i = first; i < last; ++i) {
          group(start + i / job.groups, i % job.groups, i, memory.data(), planes.data() + i * product.stride);
        }
      });
      parallel(count * parts, size * job.groups * kLanes * product.outputs, [&](std::int64_t first, std::int64_t last) {
        const Scratch rows(LanePlanes::whole_rows(size) * product.outputs);
        for (auto i = first; i < last; ++i) {
          const auto pixel = i % parts * size, here = std::min(size, pixels - pixel);
          if (here <= 0) continue;
          auto sample = product;
          sample.data = planes.data() + i / parts * job.groups * product.stride;
          in_lanes<Lanes, PlaneProduct<Lanes>>(static_cast<const LanePlanes*>(&sample), pixel, here, rows.data());
          write((start + i / parts) * pixels + pixel, here, static_cast<const float*>(rows.data()));
        }
      });
      done(count);
    }
  }
};

/// x float32, channels-last (N, C, H, W) -> y (N, K, ceil(H / stride), ceil(W / stride)), the same; with `training`
/// also what the backward pass needs.
inline BottleneckResult inverted_bottleneck(const torch::Tensor& x, const BottleneckWeights& weights, double eps,
                                            bool training) {
  const auto run = isa() == Isa::Avx512 ? BottleneckIn<Lanes16>::forward : BottleneckIn<Lanes8>::forward;
  return run(x, weights, eps, training);
}

inline BottleneckGradients inverted_bottleneck_backward(const torch::Tensor& x, const BottleneckWeights& weights,
                                                        const torch::Tensor& expanded, const torch::Tensor& moments,
                                                        const torch::Tensor& dy) {
  const auto run =
      expanded.size(3) == Lanes16::kCount ? BottleneckIn<Lanes16>::backward : BottleneckIn<Lanes8>::backward;
  return run(x, weights, expanded, moments, dy);
}

}  // namespace pam::kernels::cpu

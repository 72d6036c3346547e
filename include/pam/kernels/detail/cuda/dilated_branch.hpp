// SPDX-License-Identifier: MIT
/// Host code of FPA's depth-wise branch on CUDA, for any Launcher. Contiguous planes: groups of threads carry one or
/// two in shared memory.
#pragma once

#include <pam/kernels/detail/cuda/launcher.hpp>

#include <optional>
#include <utility>

namespace pam::kernels::cuda {

/// The parameters of one step: conv (C, 1, 3, 3), the norm's weight and bias (C).
struct BranchStep {
  torch::Tensor conv, weight, bias;
};

namespace detail {

/// How planes are laid into blocks.
struct BranchPlan {
  int planes_a_word = 1, threads = 32, kept = 2;  ///< threads of a group; words a pixel that it keeps
  Launch launch;
};

/// Empty if not even one plane fits. Forward, a group keeps two words a pixel; backward four, or three where four leave
/// no room for another block beside it.
inline std::optional<BranchPlan> branch_plan(const Launcher& device, const torch::Tensor& x, std::int64_t dilation,
                                             bool backward) {
  constexpr std::int64_t kStatic = 4096;  // weights and reductions
  const auto n = x.size(2) * x.size(3), limit = device.shared_limit() - kStatic;
  BranchPlan plan;
  const bool narrow = x.element_size() == 2;
  const auto bytes = [&](std::int64_t words) { return words * n * x.element_size() * plan.planes_a_word; };
  plan.planes_a_word = narrow ? 2 : 1;
  const std::int64_t least = backward ? 3 : 2;
  if (bytes(least) > limit) plan.planes_a_word = 1;
  if (bytes(least) > limit) return std::nullopt;
  plan.kept = static_cast<int>(least);
  if (backward && (bytes(4) <= limit / 2 || (bytes(3) > limit / 2 && bytes(4) <= limit))) plan.kept = 4;
  const auto units = x.size(0) * ceil_div(x.size(1), plan.planes_a_word);
  // Several small planes a block, if their strips fill the threads: a plane of 20 x 20 has 180 at dilation 9.
  const auto strips = x.size(3) * std::min(dilation, x.size(2));
  const auto fill = [&](std::int64_t threads) {
    return static_cast<double>(strips) / static_cast<double>(ceil_div(strips, threads) * threads);
  };
  std::int64_t groups = 1;
  for (std::int64_t more = 2; more <= 8 && device.block() / more >= 32; more *= 2) {
    const bool room = more * bytes(plan.kept) <= limit / (backward ? 2 : 4) && units / more >= device.busy_blocks() / 2;
    if (room && fill(device.block() / more) >= fill(device.block() / groups)) groups = more;
  }
  plan.threads = static_cast<int>(device.block() / groups);
  // One or two blocks a processor, or a few planes in all: more threads for each. The kernels' registers allow 384.
  if (groups == 1 && (bytes(plan.kept) > limit / 4 || units < device.busy_blocks() / 4))
    plan.threads += plan.threads / 2;
  plan.launch = {{ceil_div(units, groups), 1, 1}, static_cast<int>(groups) * plan.threads, groups * bytes(plan.kept)};
  return plan;
}

inline int as_int(std::int64_t n) { return static_cast<int>(n); }

/// Taps further away than the size of the plane read only zeros; limiting them keeps the kernels' indices small.
inline int reach(const torch::Tensor& x, std::int64_t dilation) {
  return as_int(std::min(dilation, std::max(x.size(2), x.size(3))));
}

/// The kernels' Step, of the same layout in memory.
struct StepPointers {
  const void *conv, *weight, *bias;
};

}  // namespace detail

/// True if the planes of x can be carried in shared memory, and with `training` their gradients, too.
inline bool plane_fits(const Launcher& device, const torch::Tensor& x, bool training) {
  return detail::branch_plan(device, x, 1, training).has_value();
}

/// y and the table that the backward pass needs, (N * C, 2, 4). x contiguous, with plane_fits(x, false).
inline std::pair<torch::Tensor, torch::Tensor> dilated_branch(Launcher& device, const torch::Tensor& x,
                                                              const BranchStep& first, const BranchStep& second,
                                                              std::int64_t dilation, double eps) {
  using detail::as_int;
  auto y = torch::empty_like(x);
  auto table = torch::empty({x.size(0) * x.size(1), 2, 4}, x.options().dtype(torch::kFloat));
  const Parameters p(x, first.conv, first.weight, first.bias, second.conv, second.weight, second.bias);
  const detail::StepPointers one{p[0], p[1], p[2]}, two{p[3], p[4], p[5]};
  const auto plan = detail::branch_plan(device, x, dilation, false);
  TORCH_INTERNAL_ASSERT(plan.has_value());
  device.run(build_for(x.size(2) * x.size(3), x, y), plan->planes_a_word == 2 ? "branch_pair" : "branch_plane",
             plan->launch, pointer(x), pointer(y), one, two, p.narrow, pointer(table), as_int(x.size(0)),
             as_int(x.size(1)), as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation),
             static_cast<float>(eps), plan->threads);
  return {y, table};
}

/// dx, and the parameters' gradients, float32, one after another: of the first step conv (C * 9), weight (C) and bias
/// (C), then of the second.
inline std::pair<torch::Tensor, torch::Tensor> dilated_branch_backward(Launcher& device, const torch::Tensor& x,
                                                                       const BranchStep& first,
                                                                       const BranchStep& second, std::int64_t dilation,
                                                                       const torch::Tensor& table,
                                                                       const torch::Tensor& dy) {
  using detail::as_int;
  auto dx = torch::empty_like(x);
  const auto sums = torch::empty({x.size(0), 22 * x.size(1)}, table.options());
  const Parameters p(x, first.conv, first.weight, first.bias, second.conv, second.weight, second.bias);
  const detail::StepPointers one{p[0], p[1], p[2]}, two{p[3], p[4], p[5]};
  const auto plan = detail::branch_plan(device, x, dilation, true);
  TORCH_INTERNAL_ASSERT(plan.has_value());
  device.run(build_for(x.size(2) * x.size(3), x, dy, dx),
             plan->planes_a_word == 2 ? "branch_pair_backward" : "branch_plane_backward", plan->launch, pointer(x),
             pointer(dy), pointer(dx), one, two, p.narrow, pointer(table), pointer(sums), as_int(x.size(0)),
             as_int(x.size(1)), as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation), plan->threads,
             plan->kept);
  return {dx, sums.sum(0)};
}

/// Depth-wise 3x3 convolution of planes of any size (stride 1, padding = dilation); `turned` gives the gradient of its
/// input. conv (C, 1, 3, 3).
inline torch::Tensor depthwise(Launcher& device, const torch::Tensor& x, const torch::Tensor& conv,
                               std::int64_t dilation, bool turned) {
  using detail::as_int;
  auto y = torch::empty_like(x);
  const Parameters p(x, conv);
  device.run({x.scalar_type(), 1}, "branch_conv", {{x.size(0) * x.size(1), 1, 1}, device.block(), 0}, pointer(x), p[0],
             p.narrow, pointer(y), as_int(x.size(1)), as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation),
             turned ? 1 : 0);
  return y;
}

/// The gradient of its weights, (C, 9).
inline torch::Tensor depthwise_weights(Launcher& device, const torch::Tensor& dy, const torch::Tensor& x,
                                       std::int64_t dilation) {
  using detail::as_int;
  const auto sums = torch::empty({x.size(0), x.size(1), 9}, x.options().dtype(torch::kFloat));
  device.run({x.scalar_type(), 1}, "branch_conv_taps", {{x.size(0) * x.size(1), 1, 1}, device.block(), 0}, pointer(dy),
             pointer(x), pointer(sums), as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation));
  return sums.sum(0);
}

}  // namespace pam::kernels::cuda

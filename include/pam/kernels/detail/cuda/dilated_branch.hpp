// SPDX-License-Identifier: MIT
/// Host code of FPA's depth-wise branch on CUDA, for any Launcher. Contiguous planes: a block carries one in shared
/// memory.
#pragma once

#include <pam/kernels/detail/cuda/launcher.hpp>

#include <utility>

namespace pam::kernels::cuda {

/// Weights as the kernels read them: float32, conv (C, 9), norm (C, 2) holding weight and bias.
struct BranchWeights {
  torch::Tensor conv1, norm1, conv2, norm2;
};

/// True if `planes` planes of x fit into a block's shared memory: two for the forward pass, three for the gradient.
inline bool plane_fits(const Launcher& device, const torch::Tensor& x, int planes) {
  // The rest of a block's shared memory holds the reductions: 32 warps of nine floats, thrice.
  return planes * x.size(2) * x.size(3) * x.element_size() + 4096 <= device.shared_limit();
}

namespace detail {

inline Launch plane_launch(const Launcher& device, const torch::Tensor& x, int planes) {
  return {{x.size(0) * x.size(1), 1, 1},
          device.block(),
          planes * x.size(2) * x.size(3) * x.element_size()};
}

inline int as_int(std::int64_t n) { return static_cast<int>(n); }

/// Taps further away than the size of the plane read only zeros; limiting them keeps the kernels' indices small.
inline int reach(const torch::Tensor& x, std::int64_t dilation) {
  return as_int(std::min(dilation, std::max(x.size(2), x.size(3))));
}

}  // namespace detail

/// y and the table that the backward pass needs, (N * C, 2, 4). x contiguous, with plane_fits(x, 2).
inline std::pair<torch::Tensor, torch::Tensor> dilated_branch(Launcher& device, const torch::Tensor& x,
                                                              const BranchWeights& w, std::int64_t dilation,
                                                              double eps) {
  using detail::as_int;
  auto y = torch::empty_like(x);
  auto table = torch::empty({x.size(0) * x.size(1), 2, 4}, w.norm1.options());
  device.run({x.scalar_type(), 1}, "branch_plane", detail::plane_launch(device, x, 2), pointer(x), pointer(y),
             pointer(w.conv1), pointer(w.norm1), pointer(w.conv2), pointer(w.norm2), pointer(table), as_int(x.size(1)),
             as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation), static_cast<float>(eps));
  return {y, table};
}

/// dx, and (C, 22): for the first and the second step, nine taps', the norm's weight's and its bias's gradients.
inline std::pair<torch::Tensor, torch::Tensor> dilated_branch_backward(Launcher& device, const torch::Tensor& x,
                                                                       const BranchWeights& w, std::int64_t dilation,
                                                                       const torch::Tensor& table,
                                                                       const torch::Tensor& dy) {
  using detail::as_int;
  auto dx = torch::empty_like(x);
  const auto sums = torch::empty({x.size(0), x.size(1), 22}, table.options());
  device.run({x.scalar_type(), 1}, "branch_plane_backward", detail::plane_launch(device, x, 3), pointer(x), pointer(dy),
             pointer(dx), pointer(w.conv1), pointer(w.conv2), pointer(table), pointer(sums), as_int(x.size(1)),
             as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation));
  return {dx, sums.sum(0)};
}

/// Depth-wise 3x3 convolution of planes of any size (stride 1, padding = dilation); `turned` gives the gradient of its
/// input. weights float32 (C, 9).
inline torch::Tensor depthwise(Launcher& device, const torch::Tensor& x, const torch::Tensor& weights,
                               std::int64_t dilation, bool turned) {
  using detail::as_int;
  auto y = torch::empty_like(x);
  device.run({x.scalar_type(), 1}, "depthwise", device.threads(x.numel()), pointer(x), pointer(weights), pointer(y),
             as_int(x.size(1)), as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation), turned ? 1 : 0,
             static_cast<long long>(x.numel()));
  return y;
}

/// The gradient of its weights, (C, 9).
inline torch::Tensor depthwise_weights(Launcher& device, const torch::Tensor& dy, const torch::Tensor& x,
                                       std::int64_t dilation) {
  using detail::as_int;
  const auto sums = torch::empty({x.size(0), x.size(1), 9}, x.options().dtype(torch::kFloat));
  device.run({x.scalar_type(), 1}, "depthwise_tap_sums", {{x.size(0) * x.size(1), 1, 1}, device.block(), 0},
             pointer(dy), pointer(x), pointer(sums), as_int(x.size(2)), as_int(x.size(3)), detail::reach(x, dilation));
  return sums.sum(0);
}

}  // namespace pam::kernels::cuda

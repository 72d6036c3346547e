// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/error.hpp>
#include <pam/inference/non_finite_error.hpp>
#include <pam/inference/predict_planes.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pam {
namespace detail {

PAM_FUNC std::vector<std::int64_t> window_starts(std::int64_t length, std::int64_t window, double overlap) {
  if (length <= window) return {0};
  const auto step = std::max(1.0, static_cast<double>(window) * (1 - overlap));
  const auto gaps = static_cast<std::int64_t>(std::ceil(static_cast<double>(length - window) / step));
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i <= gaps; ++i) starts.push_back((length - window) * i / gaps);
  return starts;
}

PAM_FUNC torch::Tensor window_weights(std::int64_t height, std::int64_t width) {
  const auto side = [](std::int64_t length) {
    const auto n = static_cast<double>(length);
    return torch::exp(-0.5 * torch::square((torch::arange(length, torch::kDouble) - (n - 1) / 2) / (n / 8)));
  };
  return torch::outer(side(height), side(width)).to(torch::kFloat);
}

/// The mean over mirror images, or the plain probabilities.
PAM_FUNC torch::Tensor flipped_mean(const ProbabilityFunction& probabilities, const torch::Tensor& images, bool flip) {
  auto sum = probabilities(images);
  if (!flip) return sum;
  for (const auto& sides : std::vector<std::vector<std::int64_t>>{{3}, {2}, {2, 3}}) {
    sum = sum + probabilities(images.flip(sides)).flip(sides);
  }
  return sum / 4;
}

/// A place in the planes.
struct PlaneWindow {
  std::int64_t plane, top, left;
};

/// Throws `NonFiniteError` where `found`, of the windows from `windows` on, holds NaN or infinity. One pass over values
/// that took the net thousands of operations each: their sum in float64 is finite if and only if all of them are.
PAM_FUNC void check_finite(const torch::Tensor& found, const PlaneWindow* windows, std::int64_t planes) {
  if (torch::isfinite(found.sum(torch::kDouble)).item<bool>()) return;  // std::isfinite: not with -ffast-math
  for (std::int64_t i = 0; i < found.size(0); ++i) {
    const auto bad = torch::isfinite(found[i]).logical_not().sum().item<std::int64_t>();
    if (bad > 0) throw NonFiniteError(windows[i].plane, planes, bad, found[i].numel());
  }
}

}  // namespace detail

PAM_FUNC torch::Tensor predict_planes(const ProbabilityFunction& probabilities, const torch::Tensor& images,
                                      const PredictOptions& options,
                                      const std::function<void(std::int64_t, std::int64_t)>& progress) {
  check(images.defined() && images.dim() == 4 && images.numel() > 0, "predict: images must be (D, C, H, W), got {}",
        shape_string(images));
  check(options.batch >= 1, "PredictOptions::batch must be at least 1, got {}", options.batch);
  check(options.overlap >= 0 && options.overlap < 1, "PredictOptions::overlap must be in [0, 1), got {}",
        options.overlap);
  check(options.window == 0 || options.window >= options.min_size,
        "PredictOptions::window must be 0 or at least the net's smallest input of {} pixels per side, got {}",
        options.min_size, options.window);
  torch::NoGradGuard no_grad;
  const auto planes = images.size(0), height = images.size(2), width = images.size(3);
  const bool whole = options.window == 0 && height * width <= options.max_plane_pixels;
  const auto window = options.window > 0 ? options.window : std::max<std::int64_t>(512, options.min_size);
  const auto tall = whole ? height : std::min(window, height), wide = whole ? width : std::min(window, width);
  const PlanePadding padding(tall, wide, options.min_size);

  std::vector<detail::PlaneWindow> windows;
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    for (const auto top : detail::window_starts(height, tall, options.overlap)) {
      for (const auto left : detail::window_starts(width, wide, options.overlap)) windows.push_back({plane, top, left});
    }
  }
  const bool one_each = windows.size() == static_cast<std::size_t>(planes);
  const auto weights = one_each ? torch::ones({tall, wide}) : detail::window_weights(tall, wide);
  torch::Tensor sums, weight_sums = torch::zeros({planes, 1, height, width});
  for (std::size_t first = 0; first < windows.size(); first += static_cast<std::size_t>(options.batch)) {
    const auto last = std::min(windows.size(), first + static_cast<std::size_t>(options.batch));
    std::vector<torch::Tensor> inputs;
    for (auto i = first; i < last; ++i) {
      const auto& at = windows[i];
      inputs.push_back(images[at.plane].narrow(1, at.top, tall).narrow(2, at.left, wide));
    }
    const auto batch = padding.add(torch::stack(inputs).to(options.device, torch::kFloat));
    const auto found =
        padding.remove(detail::flipped_mean(probabilities, batch, options.flip)).to(torch::kCPU, torch::kFloat);
    detail::check_finite(found, &windows[first], planes);
    if (!sums.defined()) sums = torch::zeros({planes, found.size(1), height, width});
    for (auto i = first; i < last; ++i) {
      const auto& at = windows[i];
      sums[at.plane]
          .narrow(1, at.top, tall)
          .narrow(2, at.left, wide)
          .add_(found[static_cast<std::int64_t>(i - first)] * weights);
      weight_sums[at.plane].narrow(1, at.top, tall).narrow(2, at.left, wide).add_(weights);
    }
    if (progress) progress(static_cast<std::int64_t>(last), static_cast<std::int64_t>(windows.size()));
  }
  return one_each ? sums : sums.div_(weight_sums);
}

}  // namespace pam

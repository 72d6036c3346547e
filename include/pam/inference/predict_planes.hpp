// SPDX-License-Identifier: MIT
/// `predict_planes`: class probabilities of planes of any size: whole where they fit, in overlapping windows where they
/// are large, averaged over mirror images where asked.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

namespace pam {

struct PredictOptions {
  std::int64_t batch = 4;                ///< planes (or windows) at once
  std::int64_t window = 0;               ///< side of the windows; 0: whole planes up to `largest_plane`, else 512
  std::int64_t largest_plane = 1 << 20;  ///< pixels of a plane that is taken whole
  double overlap = 0.5;                  ///< share of a window that the next one covers too, below 1
  bool flip = false;                     ///< mean over the plane and its three mirror images
  std::int64_t min_size = 1;             ///< smallest side that the net takes; smaller planes are padded with 0
  torch::Device device = torch::kCPU;    ///< of the net
};

/// (N, C, h, w) -> probabilities (N, K, h, w); `Network::probabilities` undoes reversed labels.
using ProbabilityFunction = std::function<torch::Tensor(const torch::Tensor&)>;

/// Zeros around planes of height × width, as even on both sides as can be, up to a net's smallest input.
class PlanePadding {
 public:
  PlanePadding(std::int64_t height, std::int64_t width, std::int64_t min_size)
      : height_(height),
        width_(width),
        rows_(std::max<std::int64_t>(0, min_size - height)),
        columns_(std::max<std::int64_t>(0, min_size - width)) {}

  /// (…, height, width) -> (…, at least min_size, at least min_size), with `value` around.
  [[nodiscard]] torch::Tensor add(const torch::Tensor& planes, double value = 0) const {
    const auto top = rows_ / 2, left = columns_ / 2;
    return torch::constant_pad_nd(planes, {left, columns_ - left, top, rows_ - top}, value);
  }
  /// The reverse: a view.
  [[nodiscard]] torch::Tensor remove(const torch::Tensor& planes) const {
    return planes.narrow(-2, rows_ / 2, height_).narrow(-1, columns_ / 2, width_);
  }

 private:
  std::int64_t height_, width_, rows_, columns_;
};

namespace detail {

/// Where windows of `window` start on `length` pixels: evenly spaced, the first at 0 and the last at the end.
inline std::vector<std::int64_t> window_starts(std::int64_t length, std::int64_t window, double overlap) {
  if (length <= window) return {0};
  const auto step = std::max(1.0, static_cast<double>(window) * (1 - overlap));
  const auto gaps = static_cast<std::int64_t>(std::ceil(static_cast<double>(length - window) / step));
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i <= gaps; ++i) starts.push_back((length - window) * i / gaps);
  return starts;
}

/// (height, width) weights of a window: a Gaussian about its centre with a deviation of an eighth of the side, so that
/// pixels count most where the net sees most around them. Nowhere 0.
inline torch::Tensor window_weights(std::int64_t height, std::int64_t width) {
  const auto side = [](std::int64_t length) {
    const auto n = static_cast<double>(length);
    return torch::exp(-0.5 * torch::square((torch::arange(length, torch::kDouble) - (n - 1) / 2) / (n / 8)));
  };
  return torch::outer(side(height), side(width)).to(torch::kFloat);
}

/// The mean over mirror images, or the plain probabilities.
inline torch::Tensor flipped_mean(const ProbabilityFunction& probabilities, const torch::Tensor& images, bool flip) {
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

}  // namespace detail

/// images (D, C, H, W), any size -> probabilities (D, K, H, W), float32 on the CPU. `progress(done, total)` is called
/// after every batch of windows. Gradients are not kept; the caller puts the net into eval mode.
/// Throws `Error` for options out of range and for images that are not (D, C, H, W).
inline torch::Tensor predict_planes(const ProbabilityFunction& probabilities, const torch::Tensor& images,
                                    const PredictOptions& options = {},
                                    const std::function<void(std::int64_t, std::int64_t)>& progress = {}) {
  check(images.defined() && images.dim() == 4 && images.numel() > 0, "predict: images must be (D, C, H, W), got {}",
        shape_string(images));
  check(options.batch >= 1, "predict: batch must be at least 1, got {}", options.batch);
  check(options.overlap >= 0 && options.overlap < 1, "predict: overlap must be in [0, 1), got {}", options.overlap);
  check(options.window == 0 || options.window >= options.min_size,
        "predict: the window must be at least the net's smallest input of {} pixels a side, got {}", options.min_size,
        options.window);
  torch::NoGradGuard no_grad;
  const auto planes = images.size(0), height = images.size(2), width = images.size(3);
  const bool whole = options.window == 0 && height * width <= options.largest_plane;
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

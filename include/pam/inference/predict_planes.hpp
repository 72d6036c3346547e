// SPDX-License-Identifier: MIT
/// `predict_planes`: class probabilities of planes of any size: at once if they are small enough, else in overlapping
/// windows; on request averaged over mirror images.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace pam {

struct PredictOptions {
  std::int64_t batch = 4;                   ///< planes (or windows) at once
  std::int64_t window = 0;                  ///< side of the windows; 0: whole planes up to `max_plane_pixels`, else 512
  std::int64_t max_plane_pixels = 1 << 20;  ///< pixels of a plane that is taken whole
  double overlap = 0.5;                     ///< share of a window that the next one covers too, below 1
  bool flip = false;                        ///< mean over the plane and its three mirror images
  std::int64_t min_size = 1;                ///< smallest side that the net takes; smaller planes are padded with 0
  torch::Device device = torch::kCPU;       ///< of the net
};

/// (N, C, h, w) -> probabilities (N, K, h, w); `Network::probabilities` undoes reversed labels.
using ProbabilityFunction = std::function<torch::Tensor(const torch::Tensor&)>;

/// Zeros around planes of height × width, evenly on both sides, up to a net's smallest input.
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
std::vector<std::int64_t> window_starts(std::int64_t length, std::int64_t window, double overlap);

/// (height, width) weights of a window: a Gaussian around its centre with a deviation of an eighth of the side, so that
/// pixels with much context count most. Nowhere 0.
torch::Tensor window_weights(std::int64_t height, std::int64_t width);

}  // namespace detail

/// images (D, C, H, W), any size -> probabilities (D, K, H, W), float32 on the CPU. `progress(done, total)` is called
/// after every batch of windows. Gradients are not kept; the caller puts the net into eval mode.
/// Throws `Error` for options out of range and for images that are not (D, C, H, W), and `NonFiniteError` as soon as a
/// probability is NaN or infinite.
torch::Tensor predict_planes(const ProbabilityFunction& probabilities, const torch::Tensor& images,
                             const PredictOptions& options = {},
                             const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/predict_planes-inl.hpp>
#endif

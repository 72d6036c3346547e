// SPDX-License-Identifier: MIT
/// Error overlays: the prediction against the truth, drawn over the image in the paper's colours (figures 5 and 6):
/// true positives yellow, false negatives blue, false positives red. Pictures are (H, W, 3) uint8 tensors, RGB.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace pam {

using Rgb = std::array<std::uint8_t, 3>;

/// The paper's colours. Yellow, blue and red also differ in brightness, for colour-blind readers.
constexpr Rgb kTruePositiveColour{255, 214, 10};
constexpr Rgb kFalseNegativeColour{41, 121, 255};
constexpr Rgb kFalsePositiveColour{229, 48, 48};

/// The grey values shown as black and as white.
struct Window {
  double low = 0, high = 1;
};

/// How `overlay` draws.
struct OverlayOptions {
  double alpha = 0.6;         ///< opacity of the colours; 0 shows the image alone
  Window window;              ///< of the image; see `robust_window`
  bool flip_rows = false;     ///< mirror top and bottom: NIfTI rows that run from back to front are then shown front up
  bool flip_columns = false;  ///< mirror left and right: the radiological view, with the patient's right on the left
  std::int64_t scale = 1;     ///< each pixel becomes scale × scale pixels
};

/// The window from the 1st to the 99th percentile of the finite non-zero values of `image` (any shape; zero is the air
/// around a head), so that one bright vessel does not darken the rest. (0, 1) if every value is zero.
[[nodiscard]] inline Window robust_window(const torch::Tensor& image) {
  auto values = image.detach().to(torch::kCPU, torch::kFloat).reshape(-1);
  values = values.masked_select(values.isfinite().logical_and(values != 0));
  if (values.numel() == 0) return {};
  const auto sorted = std::get<0>(values.sort());
  const auto at = [&](double share) {
    return sorted[static_cast<std::int64_t>(share * static_cast<double>(sorted.numel() - 1))].item<double>();
  };
  Window window{std::min(at(0.01), 0.0), at(0.99)};
  if (at(0.01) > 0) window.low = 0;  // images of positive values keep their black
  if (window.high <= window.low) window.high = window.low + 1;
  return window;
}

namespace detail {

/// (H, W), (1, H, W), (3, H, W) of any type -> (H, W, 3) float in [0, 255].
inline torch::Tensor displayable(const torch::Tensor& image, const Window& window) {
  auto x = image.detach().to(torch::kCPU, torch::kFloat);
  check((x.dim() == 2 || (x.dim() == 3 && (x.size(0) == 1 || x.size(0) == 3))) && x.numel() > 0,
        "overlay: the image must be (H, W), (1, H, W) or (3, H, W), got {}; pass one modality", shape_string(image));
  if (x.dim() == 2) x = x.unsqueeze(0);
  x = ((x - window.low) / (window.high - window.low)).nan_to_num(0, 1, 0).clamp(0, 1) * 255;
  return x.expand({3, x.size(1), x.size(2)}).permute({1, 2, 0}).clone();
}

inline void blend(torch::Tensor& picture, const torch::Tensor& mask, const Rgb& colour, double alpha) {
  const auto paint = torch::tensor({double(colour[0]), double(colour[1]), double(colour[2])}, torch::kFloat);
  picture = torch::where(mask.unsqueeze(-1), picture * (1 - alpha) + paint * alpha, picture);
}

}  // namespace detail

/// `picture` (H, W, 3), float in [0, 255], as `overlay` ends with it: flipped and enlarged as `options` say, uint8.
[[nodiscard]] inline torch::Tensor finish_picture(torch::Tensor picture, const OverlayOptions& options) {
  if (options.flip_rows) picture = picture.flip({0});
  if (options.flip_columns) picture = picture.flip({1});
  picture = picture.round().clamp(0, 255).to(torch::kByte);
  if (options.scale > 1) picture = picture.repeat_interleave(options.scale, 0).repeat_interleave(options.scale, 1);
  return picture.contiguous();
}

/// The image alone, as `overlay` shows it: (H, W), (1, H, W) or (3, H, W) -> (H·scale, W·scale, 3) uint8.
[[nodiscard]] inline torch::Tensor plain_picture(const torch::Tensor& image, const OverlayOptions& options = {}) {
  return finish_picture(detail::displayable(image, options.window), options);
}

/// `prediction` against `truth`, both (H, W) of integer labels, over `image`. With several classes a pixel is a true
/// positive where both have the same non-zero label, a false negative where a label was predicted as background, and a
/// false positive wherever else a label was predicted. Pixels whose truth is negative (ignored) keep the image.
/// Returns (H·scale, W·scale, 3) uint8. Throws `Error` where the sizes differ.
[[nodiscard]] inline torch::Tensor overlay(const torch::Tensor& image, const torch::Tensor& prediction,
                                           const torch::Tensor& truth, const OverlayOptions& options = {}) {
  check(options.alpha >= 0 && options.alpha <= 1, "overlay: alpha must be in [0, 1], got {}", options.alpha);
  check(options.scale >= 1, "overlay: scale must be 1 or more, got {}", options.scale);
  auto picture = detail::displayable(image, options.window);
  const auto size = picture.sizes().slice(0, 2);
  check(prediction.sizes() == size && truth.sizes() == size,
        "overlay: image, prediction and truth must have one size, got [{}], {} and {}", joined(size, ", "),
        shape_string(prediction), shape_string(truth));
  const auto p = prediction.detach().to(torch::kCPU, torch::kLong), t = truth.detach().to(torch::kCPU, torch::kLong);
  const auto scored = t >= 0;
  const auto found = p > 0, right = found.logical_and(p == t);
  detail::blend(picture, right, kTruePositiveColour, options.alpha);
  detail::blend(picture, (t > 0).logical_and(found.logical_not()), kFalseNegativeColour, options.alpha);
  detail::blend(picture, found.logical_and(right.logical_not()).logical_and(scored), kFalsePositiveColour,
                options.alpha);
  return finish_picture(picture, options);
}

/// Pictures of any sizes in rows of `columns`, centred in equal cells with `gap` dark pixels between: (H, W, 3) uint8.
[[nodiscard]] inline torch::Tensor tile(const std::vector<torch::Tensor>& pictures, std::int64_t columns,
                                        std::int64_t gap = 4) {
  check(!pictures.empty() && columns > 0, "tile: needs a picture and a column, got {} and {}", pictures.size(),
        columns);
  std::int64_t height = 0, width = 0;
  for (const auto& picture : pictures) {
    check(picture.dim() == 3 && picture.size(2) == 3 && picture.scalar_type() == torch::kByte,
          "tile: pictures must be (H, W, 3) uint8, got {}", shape_string(picture));
    height = std::max(height, picture.size(0));
    width = std::max(width, picture.size(1));
  }
  const auto count = static_cast<std::int64_t>(pictures.size());
  columns = std::min(columns, count);
  const auto rows = (count + columns - 1) / columns;
  auto sheet = torch::full({rows * (height + gap) - gap, columns * (width + gap) - gap, 3}, 24, torch::kByte);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto& picture = pictures[static_cast<std::size_t>(i)];
    const auto top = i / columns * (height + gap) + (height - picture.size(0)) / 2;
    const auto left = i % columns * (width + gap) + (width - picture.size(1)) / 2;
    sheet.narrow(0, top, picture.size(0)).narrow(1, left, picture.size(1)).copy_(picture);
  }
  return sheet;
}

/// Which slices of a volume to show.
enum class SliceRule {
  MostForeground,  ///< most labelled pixels in the truth (where it has none: in the prediction)
  WorstError,      ///< most wrong pixels
};

/// At most `count` slice indices of (D, H, W) volumes by `rule`, in ascending order. Neighbouring slices look alike, so
/// the chosen ones keep a distance, which shrinks until enough are found; slices without foreground or error are never
/// chosen.
[[nodiscard]] inline std::vector<std::int64_t> pick_slices(const torch::Tensor& prediction, const torch::Tensor& truth,
                                                           std::int64_t count, SliceRule rule) {
  check(prediction.dim() == 3 && truth.sizes() == prediction.sizes(),
        "pick_slices: prediction and truth must be (D, H, W) of one size, got {} and {}", shape_string(prediction),
        shape_string(truth));
  const auto p = prediction.to(torch::kCPU, torch::kLong), t = truth.to(torch::kCPU, torch::kLong);
  auto wanted = rule == SliceRule::WorstError ? (p != t).logical_and(t >= 0) : t > 0;
  if (rule == SliceRule::MostForeground && !wanted.any().item<bool>()) wanted = p > 0;
  const auto pixels = wanted.flatten(1).sum(1).contiguous();
  std::vector<std::pair<std::int64_t, std::int64_t>> order;  // (-pixels, index): most first, then lowest index
  for (std::int64_t i = 0; i < pixels.numel(); ++i) {
    if (const auto n = pixels[i].item<std::int64_t>(); n > 0) order.emplace_back(-n, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::int64_t> chosen;
  const auto full = [&] { return static_cast<std::int64_t>(chosen.size()) >= count; };
  const auto span = static_cast<std::int64_t>(order.size());
  for (auto distance = std::max<std::int64_t>(1, span / std::max<std::int64_t>(1, 2 * count)); distance >= 1 && !full();
       distance /= 2) {
    for (const auto& [negative, index] : order) {
      const auto slice = index;
      if (full()) break;
      if (std::none_of(chosen.begin(), chosen.end(), [&](auto c) { return std::abs(c - slice) < distance; })) {
        chosen.push_back(slice);
      }
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace pam

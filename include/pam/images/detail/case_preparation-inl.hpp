// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/config.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/detail/case_preparation.hpp>
#include <pam/images/image_resize.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace pam::detail {

PAM_FUNC void handle_non_finite(const LoadedFile& file, torch::Tensor& values, bool to_zero,
                                std::vector<std::string>& notices) {
  float* data = values.data_ptr<float>();
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    if (std::isfinite(data[i])) continue;
    ++count;
    if (to_zero) data[i] = 0;
  }
  if (count == 0) return;
  const auto found =
      formatted("{}: {} of {} voxels are NaN, infinite or beyond float32", file.path.string(), count, values.numel());
  check(to_zero, "{}; repair the file, or have them read as 0 by CaseOptions::zero_non_finite", found);
  notices.push_back(found + "; read as 0");
}

PAM_FUNC void handle_non_finite(LoadedFile& file, bool to_zero, std::vector<std::string>& notices) {
  if (!file.values.is_floating_point()) return;
  file.values = file.values.to(torch::kFloat).contiguous();
  handle_non_finite(file, file.values, to_zero, notices);
}

PAM_FUNC torch::Tensor stack_images(std::vector<LoadedFile>& files, const CaseOptions& options, Case& result) {
  const bool is_volume = files.front().is_volume;
  const bool to_unit = options.normalise == Normalise::Unit || (options.normalise == Normalise::Auto && !is_volume);
  check(!to_unit || !is_volume, "{}: volumes have no fixed range; normalise them by z-score",
        files.front().path.string());
  result.eight_bit = to_unit;
  std::int64_t channels = 0, first = 0;
  for (const auto& file : files) channels += file.values.size(0);
  const auto size = result.resized_size;
  auto image = torch::empty({channels, size[0], size[1], size[2]}, torch::kFloat);
  for (auto& file : files) {
    const auto type = file.values.scalar_type();
    check(!to_unit || file.values.is_floating_point() || type == torch::kByte || type == torch::kInt,
          "{}: a picture is uint8 (8 bits), int32 (0 to 65535, 16 bits) or floating point, got {}; convert it",
          file.path.string(), c10::toString(type));
    result.eight_bit = result.eight_bit && type == torch::kByte;
    auto values = image.narrow(0, first, file.values.size(0));
    first += file.values.size(0);
    if (!is_volume && options.resize.given()) {
      handle_non_finite(file, options.zero_non_finite, result.notices);
      file.values = resize_image(file.values.squeeze(1), options.resize.height, options.resize.width).unsqueeze(1);
    }
    values.copy_(file.values);
    file.values.reset();  // volumes are large: only one modality at a time exists twice
    handle_non_finite(file, values, options.zero_non_finite, result.notices);
    if (to_unit && type == torch::kByte) values.div_(255);
    if (to_unit && type == torch::kInt) values.div_(65535);
  }
  return image;
}

PAM_FUNC std::string file_of_channel(const Case& source, std::int64_t channel) {
  const auto& files = source.files.images;
  if (files.empty()) return source.name;
  return files[files.size() > 1 ? static_cast<std::size_t>(channel) % files.size() : 0].string();
}

PAM_FUNC std::string why_no_background(const Case& source) {
  const auto per_channel = source.image.numel() / std::max<std::int64_t>(source.image.size(0), 1);
  for (std::int64_t channel = 0; channel < source.image.size(0) && per_channel > 0; ++channel) {
    const float* values = source.image.data_ptr<float>() + channel * per_channel;
    const auto zeros = std::count(values, values + per_channel, 0.0F);
    const auto lowest = *std::min_element(values, values + per_channel);
    // An image of one value has nothing to normalise; a background takes more than a thousandth of an image.
    if (lowest >= 0 && (zeros * 1000 > per_channel || lowest == *std::max_element(values, values + per_channel))) {
      continue;
    }
    const auto file = file_of_channel(source, channel);
    return lowest < 0 ? formatted("{}: holds negative values, down to {:.6g}", file, lowest)
                      : formatted("{}: only {} of {} voxels are 0", file, zeros, per_channel);
  }
  return {};
}

PAM_FUNC void doubt_background(Case& result) {
  const auto doubt = why_no_background(result);
  if (doubt.empty()) return;
  result.notices.push_back(
      doubt +
      ", so 0 is no background here, but this z-score leaves voxels of exactly 0 as they are; choose "
      "CaseOptions::normalise: a z-score over all voxels, or for CT a window");
}

PAM_FUNC void note_constant(Case& result) {
  const auto per_channel = result.image.numel() / std::max<std::int64_t>(result.image.size(0), 1);
  if (per_channel < 2) return;
  std::vector<std::string> found;
  for (std::int64_t channel = 0; channel < result.image.size(0); ++channel) {
    const float* values = result.image.data_ptr<float>() + channel * per_channel;
    if (std::any_of(values, values + per_channel, [&](float value) { return value != values[0]; })) continue;
    const bool several = result.image.size(0) > 1 && result.files.images.size() < 2;
    found.push_back(file_of_channel(result, channel) +
                    (result.is_volume ? formatted(": all voxels{} have the value {:.6g}",
                                                  several ? formatted(" of channel {}", channel) : "", values[0])
                                      : std::string(": all pixels have one value")) +
                    ": there is nothing to segment");
  }
  // One of the colours of a picture may well be constant.
  if (!result.is_volume && static_cast<std::int64_t>(found.size()) < result.image.size(0)) return;
  if (!result.is_volume && found.size() > 1) found.resize(1);
  result.notices.insert(result.notices.end(), found.begin(), found.end());
}

PAM_FUNC void normalise_intensities(Case& result, const CaseOptions& options) {
  if (options.normalise == Normalise::ZScoreNonzero || (options.normalise == Normalise::Auto && result.is_volume)) {
    if (result.is_volume && !options.as_trained) doubt_background(result);
    zscore_nonzero(result.image);
  }
  if (options.normalise == Normalise::ZScoreAll) zscore_all(result.image);
  if (options.normalise == Normalise::MinMax) scale_minmax(result.image);
  if (options.normalise == Normalise::Window) scale_window(result.image, options.window_low, options.window_high);
}

PAM_FUNC void note_occupied(Case& result, PlaneSize crop) {
  if (!result.is_volume) return;
  const auto slices = result.slices(), height = result.image.size(2), width = result.image.size(3);
  const auto window = crop.given() ? crop : PlaneSize{height, width};
  const auto top = std::max<std::int64_t>(centre_offset(height, window.height), 0),
             left = std::max<std::int64_t>(centre_offset(width, window.width), 0);
  const auto bottom = std::min(top + window.height, height), right = std::min(left + window.width, width);
  result.occupied.assign(static_cast<std::size_t>(slices), false);
  const float* channel = result.image.data_ptr<float>();
  for (std::int64_t c = 0; c < result.image.size(0); ++c, channel += slices * height * width) {
    const float lowest = *std::min_element(channel, channel + slices * height * width);
    for (std::int64_t z = 0; z < slices; ++z) {
      for (auto row = top; row < bottom && !result.occupied[static_cast<std::size_t>(z)]; ++row) {
        const float* values = channel + (z * height + row) * width;
        result.occupied[static_cast<std::size_t>(z)] =
            std::any_of(values + left, values + right, [&](float value) { return value > lowest; });
      }
    }
  }
}

PAM_FUNC void normalise_and_crop(Case& result, const CaseOptions& options) {
  note_constant(result);
  note_occupied(result, options.crop);
  normalise_intensities(result, options);
  crop_case(result, options.crop, options.pad_label);
  if (options.pad_to_at_least.given()) {
    const auto plane = result.plane();
    crop_case(
        result,
        {std::max(plane.height, options.pad_to_at_least.height), std::max(plane.width, options.pad_to_at_least.width)},
        options.pad_label);
  }
}

PAM_FUNC torch::Tensor to_grey(const torch::Tensor& rgb) {
  const auto wide = rgb.to(torch::kDouble);
  const auto luma = (wide[0] * 0.299 + wide[1] * 0.587 + wide[2] * 0.114).unsqueeze(0);
  return rgb.is_floating_point() ? luma.to(rgb.scalar_type()) : luma.round().to(rgb.scalar_type());
}

}  // namespace pam::detail

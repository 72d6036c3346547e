// SPDX-License-Identifier: MIT
#pragma once

#include <pam/images/detail/case_preparation.hpp>
#include <pam/images/prepare_case.hpp>

#include <utility>
#include <vector>

namespace pam {
namespace detail {

/// A picture with as many channels as `CaseOptions::channels` asks for, as `read_image` gives them.
PAM_FUNC torch::Tensor with_channels(const torch::Tensor& picture, std::int64_t channels, const std::string& name) {
  if (channels == 0 || picture.size(0) == channels) return picture;
  check((channels == 1 || channels == 3) && (picture.size(0) == 1 || picture.size(0) == 3),
        "{}: has {} channels; CaseOptions::channels asks for {}, and only grey and RGB are converted", name,
        picture.size(0), channels);
  return channels == 3 ? picture.expand({3, -1, -1}) : to_grey(picture);
}

}  // namespace detail

PAM_FUNC Case prepare_case(const torch::Tensor& image, const CaseOptions& options, const std::string& name) {
  check(image.defined() && (image.dim() == 3 || image.dim() == 4) && image.numel() > 0,
        "{}: must be a picture (C, H, W) or a volume (C, D, H, W), got {}", name, shape_string(image));
  Case result;
  result.name = name;
  result.is_volume = image.dim() == 4;
  check(!result.is_volume || !options.resize.given(), "{}: volumes are cropped or padded, not resized", name);
  const auto values = image.detach().to(torch::kCPU);
  std::vector<detail::LoadedFile> files(1);
  files.front().path = name;
  files.front().is_volume = result.is_volume;
  files.front().values = result.is_volume ? values : detail::with_channels(values, options.channels, name).unsqueeze(1);
  // What is to be resized may be changed in place before.
  if (options.resize.given() && options.zero_non_finite) files.front().values = files.front().values.clone();
  result.input_size = result.resized_size = files.front().size();
  if (options.resize.given()) result.resized_size = {1, options.resize.height, options.resize.width};
  result.image = detail::stack_images(files, options, result);
  detail::normalise_and_crop(result, options);
  return result;
}

PAM_FUNC std::string background_doubt(const Case& source) { return detail::why_no_background(source); }

}  // namespace pam

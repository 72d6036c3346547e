// SPDX-License-Identifier: MIT
/// The definitions of image_labels.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/image_checks.hpp>
#include <pam/images/detail/tiff_reader.hpp>
#include <pam/images/detail/value_counts.hpp>
#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>

namespace pam {

namespace detail {

PAM_FUNC torch::Tensor palette_indices(const PictureBytes& bytes, const PictureFacts& facts, const cv::Mat& mat) {
  auto palette = facts.palette;
  // Some writers fill the palette up to a power of two with black, which then is the background's colour again.
  using Colour = std::array<unsigned char, 3>;
  const auto is_filling = [&] {
    return palette.back() == Colour{} && std::find(palette.begin(), palette.end() - 1, Colour{}) != palette.end() - 1;
  };
  while (is_filling()) palette.pop_back();
  std::map<Colour, std::int32_t> index_of;
  std::map<Colour, bool> is_double;
  for (std::size_t i = 0; i < palette.size(); ++i) {
    const bool is_new = index_of.emplace(palette[i], static_cast<std::int32_t>(i)).second;
    if (!is_new) is_double[palette[i]] = true;
  }
  auto labels = torch::empty({mat.rows, mat.cols}, torch::kInt);
  auto* target = labels.data_ptr<std::int32_t>();
  const int stored = mat.channels();
  for (int row = 0; row < mat.rows; ++row) {
    const auto* line = mat.ptr<std::uint8_t>(row);
    for (int column = 0; column < mat.cols; ++column) {
      const auto* pixel = line + column * stored;
      const Colour colour{pixel[stored >= 3 ? 2 : 0], pixel[stored >= 3 ? 1 : 0], pixel[0]};
      const auto found = index_of.find(colour);
      check(found != index_of.end() && is_double.count(colour) == 0,
            "{}: pixel (row {}, column {}) has the colour ({}, {}, {}), which is {} entry of the palette; save the "
            "labels as 8-bit grey",
            bytes.file(), row, column, colour[0], colour[1], colour[2],
            found == index_of.end() ? "no" : "more than one");
      *target++ = found->second;
    }
  }
  return labels;
}

PAM_FUNC torch::Tensor equal_channels(const std::string& file, const torch::Tensor& rgb) {
  const auto differs = rgb[0].ne(rgb[1]).logical_or(rgb[0].ne(rgb[2]));
  if (differs.any().item<bool>()) {
    const auto at = differs.nonzero()[0];
    const auto row = at[0].item<std::int64_t>(), column = at[1].item<std::int64_t>();
    const auto pixel = rgb.select(2, column).select(1, row).to(torch::kLong);
    fail(
        "{}: pixel (row {}, column {}) has the colour ({}, {}, {}), but labels are one number per pixel; save class "
        "numbers as grey (or palette) PNG, or take one channel (CaseOptions::mask_channel = MaskChannel::Red)",
        file, row, column, pixel[0].item<std::int64_t>(), pixel[1].item<std::int64_t>(), pixel[2].item<std::int64_t>());
  }
  return rgb[0];
}

PAM_FUNC std::string alpha_notice(const std::string& file, const torch::Tensor& alpha) {
  ValueCounts counts;
  add_values(alpha, counts);
  if (counts.size() < 2) return {};
  return formatted(
      "{}: its alpha channel is not constant but holds {}, and labels are read from its other channels; if "
      "the mask is in the alpha channel, take it from there (CaseOptions::mask_channel = MaskChannel::Alpha)",
      file, shares_text(counts, 3));
}

/// Refuses a channel that the picture does not have.
PAM_FUNC void check_channel(const std::string& file, MaskChannel channel, bool has_colours, bool has_alpha) {
  const bool has = channel == MaskChannel::Grey || (channel == MaskChannel::Alpha ? has_alpha : has_colours);
  check(has, "{}: has no {} channel (CaseOptions::mask_channel); it stores {}{}", file, to_string(channel),
        has_colours ? "colours" : "grey values", has_alpha ? " and alpha" : "");
}

PAM_FUNC torch::Tensor tiff_labels(const PictureBytes& bytes, const PictureFacts& facts, MaskChannel channel,
                                   std::string* alpha) {
  check(facts.tiff.sample_format != 3, "{}: holds floating-point numbers; labels are integers: save them as PNG",
        bytes.file());
  const auto numbers = read_tiff_numbers(bytes, facts);
  const bool has_colours = numbers.size(0) >= 3, has_alpha = numbers.size(0) == 2 || numbers.size(0) >= 4;
  check_channel(bytes.file(), channel, has_colours, has_alpha);
  const auto alpha_at = has_colours ? 3 : 1;
  torch::Tensor labels;
  if (channel == MaskChannel::Grey) {
    if (has_alpha && alpha != nullptr) *alpha = alpha_notice(bytes.file(), numbers[alpha_at]);
    labels = has_colours ? equal_channels(bytes.file(), numbers) : numbers[0];
  } else {
    labels = numbers[channel == MaskChannel::Alpha ? alpha_at : static_cast<std::int64_t>(channel) - 1];
  }
  const auto top = labels.max().item<std::int64_t>();
  check(top <= std::numeric_limits<std::int32_t>::max(), "{}: holds the label {}, more than pam reads (2^31 - 1)",
        bytes.file(), top);
  return labels.to(torch::kInt);
}

PAM_FUNC torch::Tensor channel_labels(const PictureBytes& bytes, const PictureFacts& facts, const cv::Mat& mat,
                                      MaskChannel channel, std::string* alpha) {
  const bool is_grey = mat.channels() < 3 || facts.png_grey_alpha;
  check_channel(bytes.file(), channel, !is_grey, mat.channels() == 4);
  const auto plane = [&](int index) {  // OpenCV orders channels as blue, green, red, alpha
    cv::Mat one;
    cv::extractChannel(mat, one, index);
    return to_planes(bytes.file(), one, 1)[0].to(torch::kInt);
  };
  if (channel == MaskChannel::Alpha) return plane(3);
  if (channel != MaskChannel::Grey) return plane(3 - static_cast<int>(channel));
  if (mat.channels() == 4 && alpha != nullptr) *alpha = alpha_notice(bytes.file(), plane(3));
  const auto planes = to_planes(bytes.file(), mat, is_grey ? 1 : 3);
  if (!is_grey && facts.lossy) return to_grey(planes)[0].to(torch::kInt);
  auto labels = (is_grey ? planes[0] : equal_channels(bytes.file(), planes)).to(torch::kInt);
  // Decoders show such a TIFF as a picture, black for the largest value; a label is the number that was stored.
  if (is_grey && facts.white_is_zero && facts.bits <= 8) labels = 255 - labels;
  const bool was_stretched = is_grey && facts.bits < 8;
  return was_stretched ? labels.floor_divide(255 / ((1 << facts.bits) - 1)) : labels;
}

}  // namespace detail

PAM_FUNC torch::Tensor read_label_image(const std::filesystem::path& path, MaskChannel channel, bool accept_lossy,
                                        std::string* alpha) {
  const detail::PictureBytes bytes(path);
  const auto facts = detail::picture_facts(bytes);
  check(!facts.lossy || accept_lossy,
        "{}: is a {}, which changes label values when it compresses; save labels as PNG, or, where they are one class, "
        "take all values from a threshold on (CaseOptions::labels = LabelMap::threshold(128))",
        bytes.file(), facts.format == detail::PictureFormat::Jpeg ? "JPEG" : "lossy WebP");
  if (detail::is_tiff_of_pam(bytes, facts)) return detail::tiff_labels(bytes, facts, channel, alpha);
  const auto mat = detail::decode_picture(bytes, facts);
  check(mat.depth() == CV_8U || mat.depth() == CV_16U,
        "{}: holds floating-point numbers; labels are integers: save them as PNG", bytes.file());
  const bool is_palette = !facts.palette.empty() && (mat.channels() >= 3 || facts.format == detail::PictureFormat::Bmp);
  if (is_palette && channel == MaskChannel::Grey) return detail::palette_indices(bytes, facts, mat);
  return detail::channel_labels(bytes, facts, mat, channel, alpha);
}

PAM_FUNC void write_label_image(const std::filesystem::path& path, const torch::Tensor& labels) {
  const auto file = path.string();
  check(labels.defined() && labels.dim() == 2 && labels.numel() > 0 && !labels.is_floating_point(),
        "{}: labels are written from an integer (H, W), got {}", file, shape_string(labels));
  auto extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  check(extension != ".jpg" && extension != ".jpeg", "{}: JPEG changes label values; write labels as .png", file);
  const auto wide = labels.to(torch::kLong);
  const auto low = wide.min().item<std::int64_t>(), high = wide.max().item<std::int64_t>();
  check(low >= 0 && high <= 65535, "{}: label pictures hold 0 … 65535, got {} … {}; map other values first", file, low,
        high);
  write_image(path, wide.to(high <= 255 ? torch::kByte : torch::kInt));
}

}  // namespace pam

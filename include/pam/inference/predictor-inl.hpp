// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/memory_format.hpp>
#include <pam/core/prediction.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/prepare_case.hpp>
#include <pam/inference/predict_planes.hpp>
#include <pam/inference/predictor.hpp>

namespace pam {

PAM_FUNC Predictor::Predictor(detail::PredictorNet net, CaseOptions preparation, const PredictorOptions& options)
    : net_(std::move(net)), preparation_(std::move(preparation)), options_(options) {
  check(options.batch >= 1, "PredictorOptions::batch must be at least 1, got {}", options.batch);
  check(options.overlap >= 0 && options.overlap < 1, "PredictorOptions::overlap must be in [0, 1), got {}",
        options.overlap);
  check(options.window == 0 || options.window >= net_.min_size,
        "PredictorOptions::window must be 0 or at least the net's smallest input of {} pixels per side, got {}",
        net_.min_size, options.window);
  check(options.threshold >= 0 && options.threshold <= 1, "PredictorOptions::threshold must be in [0, 1], got {}",
        options.threshold);
  check_precision(options.precision, options.device);
  net_.module->eval();
  net_.module->to(options.device);
  if (options.channels_last) to_memory_format(*net_.module, at::MemoryFormat::ChannelsLast);
}

PAM_LAZY_FUNC Predictor::Predictor(const std::filesystem::path& path, const PredictorOptions& options,
                                   const LoadNetworkOptions& how)
    : Predictor(load_network(path, how), options) {}

PAM_FUNC torch::Tensor Predictor::probabilities_of_planes(const torch::Tensor& planes, const Progress& progress) const {
  check(planes.defined() && planes.dim() == 4 && planes.numel() > 0, "Predictor: planes must be (D, C, H, W), got {}",
        shape_string(planes));
  check(net_.in_channels == 0 || planes.size(1) == net_.in_channels,
        "Predictor: the net takes {} channels, the planes (D, C, H, W) have {} (shape {})", net_.in_channels,
        planes.size(1), shape_string(planes));
  PredictOptions how;
  how.batch = options_.batch;
  how.window = options_.window;
  how.max_plane_pixels = options_.max_plane_pixels;
  how.overlap = options_.overlap;
  how.flip = options_.flip;
  how.min_size = net_.min_size;
  how.device = options_.device;
  const auto probabilities_of = [this](const torch::Tensor& x) {
    const auto scope = autocast(options_.device, options_.precision);
    const auto logits =
        net_.forward(options_.channels_last ? x.contiguous(at::MemoryFormat::ChannelsLast) : x).to(torch::kFloat);
    // The sigmoid of infinity is 1: the difference, 0 or NaN, lets predict_planes see it.
    return pam::probabilities(logits, net_.reversed) + (logits - logits);
  };
  return predict_planes(probabilities_of, planes, how, progress);
}

PAM_FUNC torch::Tensor Predictor::labels_of_planes(const torch::Tensor& planes, const Progress& progress) const {
  return labels_of(probabilities_of_planes(planes, progress), options_.threshold);
}

PAM_FUNC Case Predictor::prepared(const torch::Tensor& image) const {
  auto how = preparation_;
  const bool is_picture = image.defined() && image.dim() == 3;
  if (is_picture && how.channels == 0 && (net_.in_channels == 1 || net_.in_channels == 3)) {
    how.channels = net_.in_channels;
  }
  auto source = prepare_case(image, how);
  check(net_.in_channels == 0 || source.image.size(0) == net_.in_channels,
        "Predictor: the net takes {} channels, the image has {} (shape {}); channels come first: a picture is (C, H, "
        "W), a volume (C, D, H, W)",
        net_.in_channels, source.image.size(0), shape_string(image));
  return source;
}

PAM_FUNC torch::Tensor Predictor::probabilities(const torch::Tensor& image, const Progress& progress) const {
  const torch::NoGradGuard no_grad;
  const auto source = prepared(image);
  const auto planes = probabilities_of_planes(source.image.transpose(0, 1), progress);
  const auto whole = to_input_grid(planes.transpose(0, 1).contiguous(), source);
  return source.is_volume ? whole : whole.squeeze(1);
}

PAM_FUNC torch::Tensor Predictor::labels(const torch::Tensor& image, const Progress& progress) const {
  const torch::NoGradGuard no_grad;
  const auto source = prepared(image);
  const auto whole = to_input_grid(labels_of_planes(source.image.transpose(0, 1), progress), source);
  return source.is_volume ? whole : whole.squeeze(0);
}

}  // namespace pam

// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/prediction.hpp>
#include <pam/images/crop.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti.hpp>
#include <pam/inference/non_finite_error.hpp>
#include <pam/inference/predict_case.hpp>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

namespace pam {
namespace detail {

PAM_FUNC std::string prediction_extension(const std::filesystem::path& image) {
  auto extension = image.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (is_nifti_name(image)) return extension == ".gz" ? ".nii.gz" : ".nii";
  return extension == ".tif" || extension == ".tiff" ? ".tif" : ".png";
}

}  // namespace detail

PAM_FUNC Case load_input(const CaseFiles& files, const CaseOptions& options, std::int64_t in_channels) {
  check(!files.images.empty(), "case {}: there are no image files", files.name);
  auto how = options;
  if (how.channels == 0 && is_image_name(files.images.front()) && (in_channels == 1 || in_channels == 3)) {
    how.channels = in_channels;
  }
  auto source = load_case(files, how);
  const auto channels = source.image.size(0);
  check(in_channels == 0 || channels == in_channels || files.images.size() > 1 || !source.is_volume || channels == 1,
        "case {}: {}: its fourth axis has {} volumes, the network takes {}; save {} of them as a file of its own",
        files.name, files.images.front().string(), channels, in_channels,
        in_channels == 1 ? std::string("one") : formatted("the {} that it was trained on", in_channels));
  check(in_channels == 0 || channels == in_channels,
        "case {}: has {} channels ({}), the network takes {}; give its modalities in channel order (CaseFiles::images)",
        files.name, channels, files.images.front().string(), in_channels);
  return source;
}

PAM_FUNC CasePrediction predict_case(const Predictor& predictor, Case source, const Predictor::Progress& progress) {
  const torch::NoGradGuard no_grad;
  torch::Tensor planes;
  try {
    planes = predictor.probabilities_of_planes(source.image.transpose(0, 1), progress);
  } catch (const NonFiniteError& error) {
    throw error.in_case(source.name);
  }
  CasePrediction prediction;
  prediction.labels = to_input_grid(labels_of(planes, predictor.options().threshold), source);
  prediction.probabilities = to_input_grid(planes.transpose(0, 1).contiguous(), source);
  prediction.source = std::move(source);
  return prediction;
}

PAM_FUNC CasePrediction predict_case(const Predictor& predictor, const CaseFiles& files,
                                     const Predictor::Progress& progress) {
  auto images = files;
  auto how = predictor.preparation();
  how.labels = LabelMap::nonzero();
  if (!how.resample) images.labels.clear();
  return predict_case(predictor, load_input(images, how, predictor.in_channels()), progress);
}

PAM_FUNC std::vector<std::filesystem::path> prediction_files(const CaseFiles& files, std::int64_t maps,
                                                             const std::filesystem::path& folder) {
  check(!files.images.empty(), "case {}: there are no image files", files.name);
  const auto extension = detail::prediction_extension(files.images.front());
  std::vector<std::filesystem::path> results{folder / (files.name + extension)};
  const auto written = is_nifti_name(files.images.front()) ? std::min<std::int64_t>(maps, 1) : maps;
  for (std::int64_t k = 0; k < written; ++k) {
    const auto which = written == 1 ? std::string() : formatted("_{}", k);
    results.push_back(folder / formatted("{}_probability{}{}", files.name, which, extension));
  }
  return results;
}

PAM_FUNC void write_labels(const std::filesystem::path& path, const torch::Tensor& labels,
                           const NiftiGeometry& geometry) {
  write_nifti(path, labels.to(labels.max().item<std::int64_t>() < 256 ? torch::kByte : torch::kShort), geometry);
}

PAM_FUNC std::vector<std::filesystem::path> write_prediction(const CasePrediction& prediction,
                                                             const std::filesystem::path& folder, bool probabilities) {
  std::filesystem::create_directories(folder);
  const auto& source = prediction.source;
  const auto maps = probabilities ? prediction.probabilities.size(0) : 0;
  auto written = prediction_files(source.files, maps, folder);
  if (source.is_volume) {
    write_labels(written.front(), prediction.labels, source.geometry);
    // Probabilities are hardly compressible: level 6 takes twice the time of level 1 and saves 1 %
    // (docs/performance.md).
    const auto& p = prediction.probabilities;
    if (maps > 0) write_nifti(written.back(), maps == 1 ? p[0] : p, source.geometry, {/*compression=*/1});
    return written;
  }
  write_label_image(written.front(), prediction.labels[0]);
  for (std::int64_t k = 0; k < maps; ++k) {
    write_image(written[static_cast<std::size_t>(k) + 1],
                (prediction.probabilities[k][0] * 65535).round().to(torch::kInt));
  }
  return written;
}

}  // namespace pam

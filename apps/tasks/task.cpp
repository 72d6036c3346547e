// SPDX-License-Identifier: MIT
#include "tasks/task.hpp"

#include <pam/images/image_labels.hpp>
#include <pam/images/nifti.hpp>
#include <pam/inference/predict_case.hpp>

#include <algorithm>

namespace pam::apps {

std::vector<double> EvalCase::spacing() const {
  if (!geometry) return {};
  return {geometry->spacing.begin(), geometry->spacing.end()};
}

LoaderOptions loader_options(const LoaderRequest& request, PlaneSize largest) {
  LoaderOptions options;
  options.batch_size = request.batch;
  options.workers = request.workers;
  options.seed = static_cast<std::uint64_t>(request.seed);
  options.augment.flip_horizontal = request.flip ? 0.5 : 0;
  options.augment.noise = request.noise;
  options.crop_or_pad.height = std::max(largest.height, request.min_size);
  options.crop_or_pad.width = std::max(largest.width, request.min_size);
  options.rank = request.rank;
  options.world_size = request.world_size;
  options.pin_memory = request.pin_memory;
  return options;
}

std::filesystem::path save_prediction(const EvalCase& each, const torch::Tensor& labels,
                                      const std::filesystem::path& folder) {
  const auto path = folder / (each.name + (each.geometry ? ".nii.gz" : ".png"));
  if (each.geometry) {
    write_labels(path, labels, *each.geometry);
  } else {
    write_label_image(path, labels[0]);
  }
  return path;
}

torch::Tensor read_prediction(const EvalCase& each, const std::filesystem::path& folder) {
  if (each.geometry) return read_nifti(folder / (each.name + ".nii.gz")).voxels.to(torch::kLong);
  return read_label_image(folder / (each.name + ".png")).unsqueeze(0).to(torch::kLong);
}

OverlayOptions radiological_view(const std::string& orientation) {
  OverlayOptions view;
  if (orientation.size() != 3) return view;
  view.flip_columns = orientation[0] == 'R' || orientation[0] == 'A';  // columns grow to the right or to the front
  view.flip_rows = orientation[1] == 'A' || orientation[1] == 'S';     // rows grow to the front or to the top
  return view;
}

}  // namespace pam::apps

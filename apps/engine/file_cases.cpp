// SPDX-License-Identifier: MIT
#include "engine/file_cases.hpp"

#include <pam/images/crop.hpp>
#include <pam/images/hemispheres.hpp>

#include <algorithm>
#include <utility>

namespace pam::apps {
namespace {

/// (C, D, H, W) -> (D, C, H, W).
torch::Tensor slices_first(const torch::Tensor& image) { return image.transpose(0, 1).contiguous(); }

/// Labels outside the hemisphere of `files` are not scored.
void ignore_other_half(torch::Tensor& truth, const NiftiGeometry& geometry, const CaseFiles& files) {
  if (files.part == CasePart::Whole) return;
  const auto half = hemisphere_range(geometry, {truth.size(0), truth.size(1), truth.size(2)}, files.part,
                                     files.images.front().string());
  auto kept = torch::full_like(truth, kIgnoreLabel);
  kept.narrow(half.dimension, half.start, half.length).copy_(truth.narrow(half.dimension, half.start, half.length));
  truth = kept;
}

/// `range` within a volume of `slices`.
std::pair<std::int64_t, std::int64_t> start_and_length(const SliceRange& range, std::int64_t slices) {
  const auto first = std::clamp<std::int64_t>(range.first, 0, slices - 1);
  return {first, std::clamp<std::int64_t>(range.last, first, slices - 1) - first + 1};
}

/// The input as it is stored, on the grid of its labels; or resized, without `full_size`.
Case whole_input(CaseFiles files, CaseOptions options, bool full_size) {
  files.part = CasePart::Whole;
  options.normalise = Normalise::None;
  options.crop = options.pad_to_at_least = {};
  if (full_size) options.resize = {};
  auto whole = load_case(files, options);
  whole.image = whole.reorientation.undo(whole.image);
  whole.labels = whole.reorientation.undo(whole.labels);
  return whole;
}

}  // namespace

FileCases::FileCases(std::vector<CaseFiles> files, CaseOptions options, std::int64_t shown_channel, SliceRange scored,
                     bool full_size)
    : files_(std::move(files)),
      options_(std::move(options)),
      shown_channel_(shown_channel),
      scored_(scored),
      full_size_(full_size) {}

std::vector<std::string> FileCases::names() const {
  std::vector<std::string> names;
  for (const auto& each : files_) names.push_back(each.name);
  return names;
}

EvalCase FileCases::load_for_validation(std::size_t index) const {
  auto source = load_case(files_.at(index), options_);
  if (!full_size_) source.input_size = source.resized_size;
  check(source.offset[0] == 0 || (scored_.first == 0 && scored_.last >= source.slices()),
        "case {}: each of its slices lies in one hemisphere, so there is no range of slices in both; score all slices",
        source.name);
  EvalCase each;
  each.name = source.name;
  const auto [first, length] = start_and_length(scored_, source.slices());
  each.images = slices_first(source.image.narrow(1, first, length));
  each.labels = source.labels.narrow(0, first, length);
  source.labels = torch::Tensor();
  each.to_input_grid = [source = std::move(source), first = first](const torch::Tensor& labels) {
    auto all = torch::zeros({source.slices(), labels.size(1), labels.size(2)}, labels.options());
    all.narrow(0, first, labels.size(0)).copy_(labels);
    return to_input_grid(all, source);
  };
  return each;
}

EvalCase FileCases::load(std::size_t index) const {
  auto each = load_for_validation(index);
  const auto& files = files_.at(index);
  const auto whole = whole_input(files, options_, full_size_);
  each.truth = whole.labels;
  const bool colour = !whole.is_volume && whole.image.size(0) == 3;
  const auto channel = std::min(shown_channel_, whole.image.size(0) - 1);
  each.shown = colour ? slices_first(whole.image) : whole.image[channel];
  if (whole.is_volume) {
    each.geometry = whole.geometry;
    each.view = radiological_view(orientation(whole.geometry.affine));
    ignore_other_half(each.truth, whole.geometry, files);
    const auto [first, length] = start_and_length(scored_, each.truth.size(0));
    each.truth.narrow(0, 0, first).fill_(kIgnoreLabel);
    each.truth.narrow(0, first + length, each.truth.size(0) - first - length).fill_(kIgnoreLabel);
  }
  const bool eight_bit = !whole.is_volume && each.shown.max().item<double>() <= 255;
  each.view.window = eight_bit ? Window{0, 255} : robust_window(each.shown);
  return each;
}

}  // namespace pam::apps

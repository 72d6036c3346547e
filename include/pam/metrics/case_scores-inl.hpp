// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/case_scores.hpp>
#include <pam/metrics/detail/directed_distances.hpp>
#include <pam/metrics/detail/label_pieces.hpp>
#include <pam/metrics/distance_transform.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <utility>

namespace pam {

PAM_FUNC const std::vector<CaseMetric>& case_metrics() {
  static const std::vector<CaseMetric> metrics{
      {"iou", &CaseScores::iou, true},
      {"miou", &CaseScores::miou, true},
      {"dice", &CaseScores::dice, true},
      {"mdice", &CaseScores::mdice, true},
      {"fp_percent", &CaseScores::fp_percent, false},
      {"fn_percent", &CaseScores::fn_percent, false},
      {"hd", &CaseScores::hd, false},
      {"hd95", &CaseScores::hd95, false},
      {"hd95_concatenated", &CaseScores::hd95_concatenated, false},
      {"hd95_penalised", &CaseScores::hd95_penalised, false},
      {"nsd", &CaseScores::nsd, true},
  };
  return metrics;
}

namespace detail {

PAM_FUNC std::optional<double> percent(std::optional<double> share) {
  if (share) *share *= 100;
  return share;
}

/// Length of the image's diagonal, size × spacing. Axes of length 1 are left out, unless every axis has length 1.
PAM_FUNC double image_diagonal(torch::IntArrayRef sizes, const std::vector<double>& spacing) {
  double all = 0, real = 0;
  for (std::size_t a = 0; a < sizes.size(); ++a) {
    const double side = static_cast<double>(sizes[a]) * spacing[a];
    all += side * side;
    if (sizes[a] > 1) real += side * side;
  }
  return std::sqrt(real > 0 ? real : all);
}

/// Rounded to 12 digits.
PAM_FUNC std::optional<double> rounded(std::optional<double> distance) {
  if (distance) *distance = std::strtod(formatted("{:.12g}", *distance).c_str(), nullptr);
  return distance;
}

/// Where the prediction and where the truth show the scored class: bool masks on the CPU, false in ignored voxels.
PAM_FUNC std::pair<torch::Tensor, torch::Tensor> class_masks(const torch::Tensor& prediction,
                                                             const torch::Tensor& truth, const ScoreOptions& options) {
  auto masks = std::make_pair(torch::empty(truth.sizes(), torch::kBool), torch::empty(truth.sizes(), torch::kBool));
  bool *predicted = masks.first.data_ptr<bool>(), *expected = masks.second.data_ptr<bool>();
  // In int64, since a byte of 255 would compare equal to an ignore label of -1.
  for_label_pieces(prediction, truth, [&](const auto* p, const auto* t, std::int64_t start, std::int64_t length) {
    for (std::int64_t i = 0; i < length; ++i) {
      predicted[start + i] = p[i] == options.class_index && t[i] != options.ignore_label;
      expected[start + i] = t[i] == options.class_index;
    }
  });
  return masks;
}

PAM_FUNC void score_counts(CaseScores& scores) {
  const auto& counts = scores.confusion;
  scores.iou = iou(counts), scores.miou = miou(counts);
  scores.dice = dice(counts), scores.mdice = mdice(counts);
  scores.fp_percent = percent(fp_rate(counts)), scores.fn_percent = percent(fn_rate(counts));
  const bool in_truth = counts.tp + counts.fn > 0, in_prediction = counts.tp + counts.fp > 0;
  scores.missed = in_truth && !in_prediction;
  scores.false_alarm = !in_truth && in_prediction;
  scores.empty = !in_truth && !in_prediction;
}

}  // namespace detail

PAM_FUNC CaseScores score_case(const torch::Tensor& prediction, const torch::Tensor& truth,
                               torch::ArrayRef<double> spacing, const std::string& name,
                               const ScoreOptions& options) try {
  check(
      options.class_index >= 0 && options.class_index < options.classes,
      "ScoreOptions::class_index: the scored class must be 0 to {} (there are {} classes with the background), got {}",
      options.classes - 1, options.classes, options.class_index);
  check(options.class_index != options.ignore_label, "the scored class must not be the ignore label {}",
        options.ignore_label);
  check(!prediction.defined() || prediction.dim() == 2 || prediction.dim() == 3,
        "masks must be (H, W) or (D, H, W), one case at a time, got {}", shape_string(prediction));
  CaseScores scores;
  scores.name = name;
  const auto by_class = confusion_by_class(prediction, truth, options.classes, options.ignore_label);
  scores.confusion = by_class[static_cast<std::size_t>(options.class_index)];
  detail::score_counts(scores);
  const auto steps = detail::decimal_spacing(detail::checked_spacing(spacing, prediction.dim(), "score_case"));
  const auto [predicted, expected] = detail::class_masks(prediction, truth, options);
  const auto distances = surface_distances(predicted, expected, steps, options.connectivity);
  scores.hd = detail::rounded(hausdorff(distances));
  scores.hd95 = detail::rounded(hausdorff95(distances));
  scores.hd95_concatenated = detail::rounded(hausdorff95(distances, HausdorffConvention::Concatenated));
  scores.hd95_penalised = scores.hd95;
  if (scores.missed || scores.false_alarm) {
    scores.hd95_penalised = detail::rounded(detail::image_diagonal(prediction.sizes(), steps));
  }
  scores.nsd = options.nsd_convention == NsdConvention::Border
                   ? normalised_surface_dice(distances, options.nsd_tolerance)
                   : normalised_surface_dice(surface_elements(predicted, expected, steps), options.nsd_tolerance);
  return scores;
} catch (const Error& error) {
  throw Error("case " + name + ": " + error.what());
}

PAM_FUNC nlohmann::ordered_json to_json(const CaseScores& scores, bool counts) {
  nlohmann::ordered_json json;
  json["case"] = scores.name;
  for (const auto& metric : case_metrics()) {
    const auto& value = scores.*metric.value;
    json[metric.key] = value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  }
  json["missed"] = scores.missed;
  json["false_alarm"] = scores.false_alarm;
  json["empty"] = scores.empty;
  if (counts) {
    const auto& c = scores.confusion;
    json["confusion"] = {{"tp", c.tp}, {"fp", c.fp}, {"fn", c.fn}, {"tn", c.tn}};
  }
  return json;
}

PAM_FUNC CaseScores case_scores_from_json(const nlohmann::ordered_json& json, const std::string& where) try {
  CaseScores scores;
  json.at("case").get_to(scores.name);
  for (const auto& metric : case_metrics()) {
    const auto& value = json.at(metric.key);
    if (!value.is_null()) scores.*metric.value = value.get<double>();
  }
  json.at("missed").get_to(scores.missed);
  json.at("false_alarm").get_to(scores.false_alarm);
  json.at("empty").get_to(scores.empty);
  const auto& counts = json.at("confusion");
  counts.at("tp").get_to(scores.confusion.tp);
  counts.at("fp").get_to(scores.confusion.fp);
  counts.at("fn").get_to(scores.confusion.fn);
  counts.at("tn").get_to(scores.confusion.tn);
  return scores;
} catch (const nlohmann::ordered_json::exception& error) {
  throw Error(where + ": not the scores of a case as pam writes them (with counts): " + error.what());
}

}  // namespace pam

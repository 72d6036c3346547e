// SPDX-License-Identifier: MIT
/// `score_case`: all scores of one case (a volume, or a picture), and their JSON form.
/// What is undefined is `std::nullopt`, null in JSON. Rules for empty masks: those of metrics/overlap.hpp, and
///
///     | truth | prediction | flag          | hd, hd95     | hd95_penalised       | nsd       |
///     |-------|------------|---------------|--------------|----------------------|-----------|
///     | empty | not        | `false_alarm` | undefined    | the image's diagonal | 0         |
///     | not   | empty      | `missed`      | undefined    | the image's diagonal | 0         |
///     | empty | empty      | `empty`       | undefined    | undefined            | undefined |
///
/// A mean of `hd95` leaves out missed cases, so a network that misses more may look better; rank by `hd95_penalised`.
#pragma once

#include <pam/metrics/overlap.hpp>
#include <pam/metrics/surface_elements.hpp>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pam {

struct ScoreOptions {
  std::int64_t class_index = 1;    ///< the label that is foreground; all others are background
  std::int64_t classes = 2;        ///< labels are 0 … classes-1; others are refused
  std::int64_t ignore_label = -1;  ///< in the truth: not counted, and background for distances
  double nsd_tolerance = 1;        ///< mm or pixels, the spacing's unit
  NsdConvention nsd_convention = NsdConvention::Border;
  Connectivity connectivity = Connectivity::Faces;  ///< of the borders (surface elements have none)
};

/// The scores of one case. Percentages are 0 to 100; distances have the spacing's unit (mm, or pixels), rounded to 12
/// digits, so that equal distances are equal numbers: three steps of 0.1 are 0.3, not 0.30000000000000004.
struct CaseScores {
  std::string name;
  Confusion confusion;
  std::optional<double> iou, miou, dice, mdice;
  std::optional<double> fp_percent, fn_percent;
  std::optional<double> hd, hd95;           ///< `MaxOfDirected`
  std::optional<double> hd95_concatenated;  ///< medpy's convention
  std::optional<double> hd95_penalised;     ///< hd95, or the image's diagonal where the case is missed or a false alarm
  std::optional<double> nsd;
  bool missed = false;       ///< foreground in the truth, none in the prediction
  bool false_alarm = false;  ///< foreground in the prediction, none in the truth
  bool empty = false;        ///< no foreground in either
};

/// One column of a table of cases.
struct CaseMetric {
  const char* key;                           ///< as in JSON and CSV
  std::optional<double> CaseScores::*value;  ///< `scores.*metric.value`
  bool higher_is_better;
};

/// The numeric scores in the order of JSON and tables.
const std::vector<CaseMetric>& case_metrics();

namespace detail {

/// Sets the scores that follow from the counts alone (also what is pooled over cases).
void score_counts(CaseScores& scores);

}  // namespace detail

/// Scores one case. `prediction` and `truth`: labels, whole numbers or bool, of one shape (H, W) or (D, H, W), on any
/// device. `spacing`: the voxel size along each axis, in the tensor's order (mm; empty: pixels). Axes of length 1 are
/// left out: a one-slice volume is scored in 2-D. `name` is the case's name in tables and in messages.
/// Ignored pixels take no part in counts and flags and are background in both masks when distances are measured, so a
/// border may run along them. Throws `Error`, with the case's name, on masks of different shapes or of fractions,
/// batches, unknown labels, and spacing that is not positive or of another length.
[[nodiscard]] CaseScores score_case(const torch::Tensor& prediction, const torch::Tensor& truth,
                                    torch::ArrayRef<double> spacing, const std::string& name,
                                    const ScoreOptions& options = {});

/// {"case", "iou", … , "nsd", "missed", "false_alarm", "empty"}: the keys of `case_metrics`, null where undefined.
/// With `counts`, also "confusion": {"tp", "fp", "fn", "tn"}, from which pooled scores can be made again.
[[nodiscard]] nlohmann::ordered_json to_json(const CaseScores& scores, bool counts = false);

/// What `to_json(scores, true)` wrote. Throws on a missing key or a wrong type; `where` names the file in the message.
[[nodiscard]] CaseScores case_scores_from_json(const nlohmann::ordered_json& json, const std::string& where);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/case_scores-inl.hpp>
#endif

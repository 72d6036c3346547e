// SPDX-License-Identifier: MIT
/// Scores predicted masks against true ones, case by case.
///   evaluate --pred predictions/ --truth labels/ --json scores.json --csv scores.csv
#include "cli/program.hpp"
#include "engine/mask_pairs.hpp"
#include "engine/preparation.hpp"
#include "engine/run_folder.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/datasets/other_files.hpp>
#include <pam/report/network_result.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <optional>
#include <set>

namespace {

using namespace pam;
using namespace pam::apps;

/// The aggregate as a table: every score with its mean, deviation, number of cases, and the pooled value.
Table summary_table(const ScoreSummary& summary, const ScoreOptions& options) {
  Table table(fmt::format("{} cases", summary.cases), {"score", {"mean", 4}, {"std", 4}, {"cases", 0}, {"pooled", 4}});
  for (const auto& metric : case_metrics()) {
    const auto& of = summary.of(metric.key);
    table.row({metric.key, of.mean, of.std, of.cases, summary.pooled.*metric.value});
  }
  const auto name = [&](const std::vector<std::string>& cases, const char* what) {
    if (!cases.empty()) table.note(fmt::format("{} ({}): {}", what, cases.size(), joined(cases, ", ")));
  };
  name(summary.missed, "missed, nothing of the foreground found");
  name(summary.false_alarms, "false alarms, foreground where there is none");
  name(summary.empty, "empty, no foreground in truth and prediction");
  table.note(
      fmt::format("nsd: tolerance {}, convention {}.", options.nsd_tolerance, to_string(options.nsd_convention)));
  table.note(
      "iou and dice are of the foreground; miou and mdice are means over foreground and background, what the paper's "
      "table 5 must print as \"IoU\" (66 % beside 58 % false negatives cannot be of the foreground alone).");
  return table;
}

/// What --nsd-convention means.
NsdConvention nsd_convention(const std::string& name) {
  for (const auto convention : {NsdConvention::Border, NsdConvention::SurfaceElements}) {
    if (name == to_string(convention)) return convention;
  }
  fail("--nsd-convention {}: must be border or surface-elements", name);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Scores predicted masks against true ones: NIfTI (distances in mm) or pictures (pixels).", "evaluate"};
  std::string predictions, truths, json, csv, values, predicted_values, mask_channel = to_string(MaskChannel::Grey);
  std::optional<double> threshold;
  std::string convention = to_string(ScoreOptions().nsd_convention);
  bool predicted_only = false, ignore_affine = false, zero_non_finite = false;
  ScoreOptions score;
  app.add_option("--pred", predictions, "folder (or file) of predicted masks")->required();
  app.add_option("--truth", truths, "folder (or file) of true masks, paired by name")->required();
  app.add_option("--json", json, "write per-case and aggregate scores to this file");
  app.add_option("--csv", csv, "write per-case scores to this file");
  auto* labels = app.add_option(
      "--label-values", values,
      "which values are foreground: 71-78, or classes: 1=1,2=2,255=ignore; default: the one value beside 0");
  app.add_option(
      "--pred-label-values", predicted_values,
      "the same for the predictions; default: as --label-values, or class numbers if they hold none of those values");
  app.add_option("--label-threshold", threshold, kLabelThresholdHelp)->excludes(labels)->check(CLI::PositiveNumber);
  app.add_option("--mask-channel", mask_channel, std::string(kMaskChannelHelp) + "; of the true masks");
  app.add_flag("--predicted-only", predicted_only, "leave out truths without a prediction, such as training cases");
  app.add_flag("--ignore-affine", ignore_affine,
               "score voxel by voxel even if the axes of the masks point in different directions");
  app.add_flag("--zero-non-finite", zero_non_finite, "take NaN and infinity in masks as background");
  app.add_option("--class", score.class_index, "the class that is scored; all others are background (default 1)");
  app.add_option("--nsd-tolerance", score.nsd_tolerance,
                 "tolerance of the normalised surface Dice, mm or pixels (default 1)");
  app.add_option(
      "--nsd-convention", convention,
      "border (default): each border voxel counts one; surface-elements: pieces of the surface count by their area, as "
      "DeepMind's surface-distance has it");
  return run_program(app, argc, argv, [&] {
    tune_process(0);
    score.nsd_convention = nsd_convention(convention);
    for (const auto& [option, file] : {std::pair{"--json", json}, {"--csv", csv}}) {
      if (!file.empty()) check_writable(option, std::filesystem::absolute(file).parent_path());
    }
    if (threshold) values = LabelMap::threshold(*threshold).text();
    MaskReader prediction_reader({predicted_values.empty() ? values : predicted_values, zero_non_finite}),
        truth_reader({values, zero_non_finite, parse_mask_channel(mask_channel)});
    score.classes = std::max(prediction_reader.classes(), truth_reader.classes());
    std::vector<CaseScores> cases;
    NetworkResult result;
    std::vector<std::string> left_out;
    const auto pairs = pair_masks(predictions, truths, predicted_only, &left_out);
    if (!left_out.empty()) {
      std::cerr << fmt::format("warning: {} truth(s) have no prediction and are left out: {}\n", left_out.size(),
                               joined(left_out, ", "));
    }
    std::set<std::filesystem::path> folders;
    for (const auto& place : {predictions, truths}) {
      if (std::filesystem::is_directory(place)) folders.insert(place);
    }
    const auto others = other_files_warning(folders);
    if (!others.empty()) std::cerr << "warning: " << others << "\n";
    if (predicted_values.empty() && !values.empty()) {
      std::vector<std::filesystem::path> files;
      for (const auto& pair : pairs) files.push_back(pair.prediction);
      const auto warning = prediction_reader.settle(files);
      if (!warning.empty()) std::cerr << "warning: " << warning << "\n";
    }
    std::vector<std::string> warnings;
    for (const auto& pair : pairs) {
      const auto [prediction, truth] = read_pair(pair, prediction_reader, truth_reader, ignore_affine, warnings);
      cases.push_back(score_case(prediction.labels, truth.labels, truth.spacing, pair.name, score));
    }
    for (const auto& doubt : truth_reader.doubts()) warnings.push_back("true masks: " + doubt);
    for (const auto& doubt : prediction_reader.doubts()) warnings.push_back("predictions: " + doubt);
    for (const auto& warning : warnings) std::cerr << "warning: " << with_flags(warning) << "\n";
    result.name = "predictions";
    result.cases = cases;
    const auto table = case_table({result}, "Scores of each case");
    std::cout << table.text() << "\n" << summary_table(summarise(cases), score).text() << std::flush;
    // File names may hold any bytes; JSON allows only UTF-8.
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    if (!json.empty()) {
      auto scores = scores_to_json(cases, /*counts=*/true);
      scores["settings"] = {
          {"class", score.class_index}, {"nsd_tolerance", score.nsd_tolerance}, {"nsd_convention", convention}};
      write_atomically(json, scores.dump(2, ' ', false, kReplace) + "\n");
    }
    if (!csv.empty()) write_atomically(csv, table.csv());
    return kDone;
  });
}

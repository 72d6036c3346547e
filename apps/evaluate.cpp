// SPDX-License-Identifier: MIT
/// Scores predicted masks against true ones, case by case.
///   evaluate --pred predictions/ --truth labels/ --json scores.json --csv scores.csv
#include "cli/program.hpp"
#include "engine/evaluate_options.hpp"
#include "engine/mask_pairs.hpp"
#include "engine/preparation.hpp"
#include "engine/run_folder.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/datasets/other_files.hpp>
#include <pam/images/image.hpp>
#include <pam/images/nifti.hpp>
#include <pam/report/network_result.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
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
  if (options.classes > 2) {
    table.note(fmt::format("scored: class {} of {}; others with --class.", options.class_index, options.classes - 1));
  }
  table.note(
      fmt::format("nsd: tolerance {}, convention {}.", options.nsd_tolerance, to_string(options.nsd_convention)));
  table.note(
      "iou and dice are of the foreground; miou and mdice are means over foreground and background, what the paper's "
      "table 5 must print as \"IoU\" (66 % beside 58 % false negatives cannot be of the foreground alone).");
  return table;
}

/// Adds the classes that `labels` hold.
void note_classes(const torch::Tensor& labels, std::set<std::int64_t>& classes) {
  const auto values = std::get<0>(at::_unique(labels.to(torch::kLong)));
  for (std::int64_t i = 0; i < values.numel(); ++i) classes.insert(values[i].item<std::int64_t>());
}

/// A warning where foreground classes of the truths are in no prediction; else empty.
std::string never_predicted(const std::set<std::int64_t>& truths, const std::set<std::int64_t>& predictions) {
  std::vector<std::string> never;
  for (const auto value : truths) {
    if (value > 0 && value != kIgnoreLabel && predictions.count(value) == 0) never.push_back(std::to_string(value));
  }
  if (never.empty()) return {};
  return fmt::format(
      "{} {} of the true masks {} in no prediction: was the network trained without {}, or do the predictions hold "
      "other values (--pred-label-values)?",
      never.size() == 1 ? "class" : "classes", joined(never, ", "), never.size() == 1 ? "occurs" : "occur",
      never.size() == 1 ? "it" : "them");
}

/// Writes a file, and its folder where there is none.
void save_text(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::absolute(file).parent_path());
  write_atomically(file, text);
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
  EvaluateArguments a;
  const auto rules = add_evaluate_options(app, a);
  return run_program(app, argc, argv, [&] {
    check_option_rules(app, rules);
    tune_process(0);
    a.score.nsd_convention = nsd_convention(a.convention);
    for (const auto& [option, file] : {std::pair{"--json", a.json}, {"--csv", a.csv}}) {
      if (!file.empty()) check_writable(option, std::filesystem::absolute(file).parent_path());
      check(file.empty() || !(is_nifti_name(file) || is_image_name(file)),
            "{} {}: has the name of a mask; name a text file, such as scores{}", option, file,
            std::string(option) == "--csv" ? ".csv" : ".json");
    }
    check(
        a.json.empty() || a.csv.empty() ||
            std::filesystem::absolute(a.json).lexically_normal() != std::filesystem::absolute(a.csv).lexically_normal(),
        "--json and --csv: are both {}; give each a file of its own", a.json);
    if (a.threshold) a.values = LabelMap::threshold(*a.threshold).text();
    MaskReader prediction_reader({a.predicted_values.empty() ? a.values : a.predicted_values, a.zero_non_finite}),
        truth_reader({a.values, a.zero_non_finite, parse_mask_channel(a.mask_channel)});
    a.score.classes = std::max(prediction_reader.classes(), truth_reader.classes());
    std::vector<CaseScores> cases;
    NetworkResult result;
    std::vector<std::string> left_out;
    const auto pairs = pair_masks(a.predictions, a.truths, a.predicted_only, &left_out);
    if (!left_out.empty()) {
      std::cerr << fmt::format("warning: {} truth(s) have no prediction and are left out: {}\n", left_out.size(),
                               joined(left_out, ", "));
    }
    std::set<std::filesystem::path> folders;
    for (const auto& place : {a.predictions, a.truths}) {
      if (std::filesystem::is_directory(place)) folders.insert(place);
    }
    const auto others = other_files_warning(folders);
    if (!others.empty()) std::cerr << "warning: " << others << "\n";
    if (a.predicted_values.empty() && !a.values.empty()) {
      std::vector<std::filesystem::path> files;
      for (const auto& pair : pairs) files.push_back(pair.prediction);
      const auto warning = prediction_reader.settle(files);
      if (!warning.empty()) std::cerr << "warning: " << warning << "\n";
    }
    const bool volumes = std::any_of(pairs.begin(), pairs.end(), [](const auto& pair) {
      return is_nifti_name(pair.prediction) || is_nifti_name(pair.truth);
    });
    check(volumes || !a.ignore_affine,
          "--ignore-affine: is for volumes; {} is a picture and has no affine: leave it out",
          pairs.front().truth.string());
    check(volumes || !a.zero_non_finite,
          "--zero-non-finite: is for volumes; {} is a picture and holds integers: leave "
          "it out",
          pairs.front().truth.string());
    std::vector<std::string> warnings;
    std::set<std::int64_t> predicted_classes, true_classes;
    for (const auto& pair : pairs) {
      const auto [prediction, truth] = read_pair(pair, prediction_reader, truth_reader, a.ignore_affine, warnings);
      note_classes(prediction.labels, predicted_classes);
      note_classes(truth.labels, true_classes);
      cases.push_back(score_case(prediction.labels, truth.labels, truth.spacing, pair.name, a.score));
    }
    if (a.score.classes > 2) {
      const auto never = never_predicted(true_classes, predicted_classes);
      if (!never.empty()) warnings.push_back(never);
    }
    for (const auto& doubt : truth_reader.doubts()) warnings.push_back("true masks: " + doubt);
    for (const auto& doubt : prediction_reader.doubts()) warnings.push_back("predictions: " + doubt);
    for (const auto& warning : warnings) std::cerr << "warning: " << with_flags(warning) << "\n";
    result.name = "predictions";
    result.cases = cases;
    const auto table = case_table({result}, "Scores of each case");
    // File names may hold any bytes; JSON allows only UTF-8.
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    if (!a.json.empty()) {
      auto scores = scores_to_json(cases, /*counts=*/true);
      scores["settings"] = {
          {"class", a.score.class_index}, {"nsd_tolerance", a.score.nsd_tolerance}, {"nsd_convention", a.convention}};
      save_text(a.json, scores.dump(2, ' ', false, kReplace) + "\n");
    }
    if (!a.csv.empty()) save_text(a.csv, table.csv());
    std::cout << table.text() << "\n" << summary_table(summarise(cases), a.score).text() << std::flush;
    return kDone;
  });
}

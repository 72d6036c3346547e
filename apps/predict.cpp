// SPDX-License-Identifier: MIT
/// Masks and probabilities of new images from trained weights.
///   predict --weights runs/mine/fpa/last.safetensors --input scans/ --out masks/
///   predict --weights fpa.pt --net fpa --input t1.nii.gz t1ce.nii.gz t2.nii.gz flair.nii.gz --out masks/
#include "cli/program.hpp"
#include "engine/experiment_options.hpp"
#include "engine/fastest_precision.hpp"
#include "engine/networks.hpp"
#include "engine/predict_options.hpp"
#include "engine/prediction_files.hpp"
#include "engine/preparation.hpp"
#include "engine/result_writer.hpp"
#include "tasks/case_task.hpp"

#include <pam/data/ordered_workers.hpp>
#include <pam/datasets/other_files.hpp>
#include <pam/images/nifti.hpp>
#include <pam/inference/largest_component.hpp>
#include <pam/inference/predict_case.hpp>
#include <pam/train/interrupt.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <utility>

namespace {

using namespace pam;
using namespace pam::apps;

/// Probabilities and labels of a prepared case on the input's grid; `progress` is called after every batch.
CasePrediction predict_one(const Predictor& predictor, Case source, const PredictArguments& a,
                           const Predictor::Progress& progress) {
  auto found = predict_case(predictor, std::move(source), progress);
  // The map that is written beside the mask decides, on the input's grid.
  found.labels = labels_of(found.probabilities.transpose(0, 1), a.how.threshold);
  if (a.largest) found.labels = largest_component(found.labels);
  return found;
}

/// How images are prepared: as the weights say, and over that as the flags say.
CaseOptions preparation(const PredictArguments& a, CaseOptions options) {
  if (!a.normalise.empty()) parse_normalise(a.normalise, options);
  if (!a.crop.empty()) options.crop = parse_plane("--crop", a.crop);
  if (!a.resize.empty()) options.resize = parse_plane("--resize", a.resize);
  options.resample = a.resample || (options.resample && !a.ignore_affine);  // what is given counts
  options.ignore_affine = options.ignore_affine || a.ignore_affine;
  options.zero_non_finite = options.zero_non_finite || a.zero_non_finite;
  if (!a.normalise.empty()) options.as_trained = false;
  return options;
}

/// Refuses options that these cases or this network would ignore.
void check_use(const CLI::App& app, const std::vector<CaseFiles>& cases, const Network& net) {
  const auto& first = cases.front().images.front();
  const bool volumes = is_nifti_name(first);
  const auto refuse = [&](const char* option, bool ignored, const std::string& why) {
    check(app.count(option) == 0 || !ignored, "{}: {}; leave it out", option, why);
  };
  refuse("--threshold", net.classes() > 1,
         fmt::format("is for binary networks, and {} has {} classes, of which the most probable is taken", net.name(),
                     net.classes()));
  refuse("--resize", volumes, "is for pictures, and " + first.string() + " is a volume");
  for (const char* option : {"--resample", "--ignore-affine", "--zero-non-finite"}) {
    refuse(option, !volumes, "is for volumes, and " + first.string() + " is a picture");
  }
  const bool single = std::all_of(cases.begin(), cases.end(), [](const auto& each) { return each.images.size() == 1; });
  for (const char* option : {"--resample", "--ignore-affine"}) {
    refuse(option, single, "is for cases of several files, and each case here is one file");
  }
}

/// What may be wrong with these cases for these weights.
void warn_of_use(const CLI::App& app, const std::vector<CaseFiles>& cases, const TrainedNetwork& loaded) {
  const auto file = loaded.path.string();
  if (!loaded.preparation && app.count("--normalise") == 0) {
    std::cerr << fmt::format(
        "note: {}: does not say how its training prepared images (no pam.input): taken as --normalise auto, without "
        "padding; give --normalise, --crop or --resize as in the training\n",
        file);
  }
  const auto picture =
      std::find_if(cases.begin(), cases.end(), [](const auto& each) { return !is_nifti_name(each.images.front()); });
  const bool of_volumes =
      !loaded.facts.spacing.empty() ||
      (loaded.preparation && !(loaded.preparation->axes.empty() && loaded.preparation->orient.empty()));
  if (of_volumes && picture != cases.end()) {
    std::cerr << fmt::format(
        "warning: {}: is a picture, and {} was trained on volumes: its masks of pictures mean nothing; give volumes "
        "(.nii, .nii.gz)\n",
        picture->images.front().string(), file);
  }
}

/// Whether a plane is taken in several windows.
bool takes_windows(const PlaneSize& plane, const PredictorOptions& how) {
  if (how.window > 0) return plane.height > how.window || plane.width > how.window;
  return plane.height * plane.width > how.max_plane_pixels;
}

/// A warning where more than half of a binary mask is foreground and the labels may have been reversed: one wrong
/// answer inverts every mask. `by_flag`: --reversed said whether they were.
void warn_of_inverted(const CasePrediction& found, const Predictor& predictor, bool by_flag) {
  if (found.probabilities.size(0) != 1 || !(predictor.reversed() || by_flag)) return;
  const auto share = found.labels.gt(0).to(torch::kDouble).mean().item<double>();
  if (share <= 0.5) return;
  std::cerr << fresh_line()
            << fmt::format(
                   "warning: {}: {:.0f} % of the mask is foreground, and {} that the network learnt {} labels: if the "
                   "mask is inverted, {}\n",
                   found.source.name, 100 * share, by_flag ? "--reversed says" : "the weights file says",
                   predictor.reversed() ? "reversed" : "plain",
                   by_flag ? fmt::format("give --reversed {}", predictor.reversed() ? "no" : "yes")
                           : std::string("pam.reversed in the file is wrong: write the file again"));
}

/// Predicts all cases: while one is in the network, the next is read and the results of the one before are written.
/// Returns whether any plane was taken in windows.
bool predict_all(const Predictor& predictor, const std::vector<CaseFiles>& cases, const PredictArguments& a,
                 const TrainingFacts& facts) {
  ProgressLine line(cases.size());
  ResultWriter writer(a.out, !a.no_probability, line);
  bool overlapped = false;
  std::size_t before = 0;
  OrderedWorkers<Case> reader(static_cast<std::int64_t>(cases.size()), /*workers=*/1, /*ahead=*/1, [&](std::int64_t i) {
    return load_input(cases[static_cast<std::size_t>(i)], predictor.preparation(), predictor.in_channels());
  });
  try {
    while (auto source = reader.next()) {
      overlapped = overlapped || takes_windows(source->plane(), a.how);
      const auto sizes = spacing_warning(*source, facts);
      if (!sizes.empty()) source->notices.push_back(sizes);
      if (!source->notices.empty()) writer.finish();  // warnings follow the results of the case before
      for (const auto& notice : source->notices) std::cerr << "warning: " << with_flags(notice) << "\n";
      const auto name = source->name;
      auto found = predict_one(predictor, std::move(*source), a, [&](std::int64_t done, std::int64_t total) {
        writer.finish_if_written();
        if (interrupted() != 0) throw Interrupted("Stopped; finished cases are in " + a.out + ".");
        line.show(before, name, done, total);
      });
      warn_of_inverted(found, predictor, !a.reversed.empty());
      writer.start(std::move(found));
      ++before;
    }
  } catch (...) {
    writer.finish();  // the case before counts, and an error of its own comes first
    throw;
  }
  writer.finish();
  return overlapped;
}

int predict(const CLI::App& app, PredictArguments& a) {
  tune_process(a.threads);
  const InterruptScope signals;
  if (!a.reversed.empty()) a.weights.how.reversed = a.reversed == "yes";
  const auto loaded = load_network(a.weights);
  const auto& net = loaded.net;
  const auto options = preparation(a, loaded.preparation.value_or(CaseOptions()));
  const auto modalities = separate_words(a.modalities);
  check_modalities(modalities, loaded.facts, loaded.path.string());
  std::vector<std::string> warnings;
  const auto cases = find_inputs(a.inputs, modalities, loaded.facts.modalities, net.in_channels(), warnings);
  for (const auto& warning : warnings) std::cerr << "warning: " << warning << "\n";
  if (a.inputs.size() == 1 && std::filesystem::is_directory(a.inputs.front())) {
    const auto others = other_files_warning(cases);
    if (!others.empty()) std::cerr << "warning: " << others << "\n";
  }
  check_use(app, cases, net);
  warn_of_use(app, cases, loaded);
  check_results(cases, a.no_probability ? 0 : net.classes(), a.out, a.overwrite);
  a.how.device = find_device(a.device);
  a.how.channels_last = channels_last(a.layout);
  if (a.precision == "auto") {
    const auto choice = fastest_precision({net}, /*training=*/false, a.how.device, a.how.channels_last);
    std::cout << choice.reason << std::endl;
    a.how.precision = choice.precision;
  } else {
    a.how.precision = precision_named(a.precision);
  }
  const Predictor predictor(net, options, a.how);
  std::cout << fmt::format("{}: {} channels in, {} to predict", net.name(), net.in_channels(),
                           cases.size() == 1 ? "1 case" : fmt::format("{} cases", cases.size()))
            << std::endl;
  const bool overlapped = predict_all(predictor, cases, a, loaded.facts);
  if (app.count("--overlap") > 0 && !overlapped) {
    std::cerr
        << "warning: --overlap changed nothing: every plane was taken whole (--window sets the side of windows)\n";
  }
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Masks and probabilities from trained weights: NIfTI with the input's affine, or pictures.", "predict"};
  PredictArguments arguments;
  const auto rules = add_predict_options(app, arguments);
  return run_program(app, argc, argv, [&] {
    check_option_rules(app, rules);
    return predict(app, arguments);
  });
}

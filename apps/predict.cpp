// SPDX-License-Identifier: MIT
/// Masks and probabilities of new images from trained weights.
///   predict --weights runs/mine/fpa/last.safetensors --input scans/ --out masks/
///   predict --weights fpa.pt --net fpa --input t1.nii.gz t1ce.nii.gz t2.nii.gz flair.nii.gz --out masks/
#include "cli/program.hpp"
#include "engine/experiment_options.hpp"
#include "engine/networks.hpp"
#include "engine/prediction_files.hpp"
#include "engine/preparation.hpp"
#include "engine/run_folder.hpp"
#include "tasks/case_task.hpp"

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

struct Arguments {
  WeightsSource weights;
  std::vector<std::string> inputs, modalities;
  std::string out;
  std::string normalise, crop, resize;  // empty: as the weights say, else as training does by default
  bool resample = false, ignore_affine = false, zero_non_finite = false;
  PredictorOptions how;
  std::string reversed, device = "auto", precision = "float32", layout = "auto";
  std::int64_t threads = 0;
  bool largest = false, no_probability = false, overwrite = false;
};

void add_flags(CLI::App& app, Arguments& a) {
  app.add_option("--weights", a.weights.path, ".safetensors, .pt or .pth")->required();
  app.add_option(
         "--input", a.inputs,
         "a folder, or files: the modalities of one case in channel order (networks of one channel: one case per file)")
      ->required();
  app.add_option("--out", a.out, "folder of the results: NAME and NAME_probability, on the input's grid")->required();
  app.add_option("--net", a.weights.how.net, "the network's name, if the weights file does not say");
  app.add_option("--section", a.weights.how.section, "the key of a .pt checkpoint that holds the weights, such as ema");
  app.add_option("--key-prefix", a.weights.how.key_prefix,
                 "take the weights whose names begin with this, such as model. (default: what all names share)");
  app.add_option("--reversed", a.reversed, "whether the weights learnt reversed labels, if the file does not say")
      ->check(CLI::IsMember({"yes", "no"}));
  app.add_option("--modalities", a.modalities, "for one folder per case: words that name its images, such as t1 flair");
  app.add_option("--normalise", a.normalise, std::string(kNormaliseNames) + " (default: as the weights were trained)");
  app.add_option("--crop", a.crop, "centre crop or pad to HEIGHTxWIDTH; outside is background");
  app.add_option("--resize", a.resize, "resize pictures to HEIGHTxWIDTH; results have the input's size");
  app.add_flag("--resample", a.resample, "bring modalities of another grid to that of the first");
  app.add_flag("--ignore-affine", a.ignore_affine,
               "pair modalities voxel by voxel even if their axes point in different directions");
  app.add_flag("--zero-non-finite", a.zero_non_finite, "take NaN and infinity in images as 0");
  app.add_option("--threshold", a.how.threshold,
                 "probability above which a pixel is foreground (binary networks; default 0.5)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_flag("--largest-component", a.largest, "keep only the largest connected part of each class");
  app.add_flag("--overwrite", a.overwrite, "replace results that are in --out already");
  app.add_flag("--no-probability", a.no_probability, "write only masks");
  app.add_flag("--flip", a.how.flip, "mean over the image and its three mirror images");
  app.add_option("--window", a.how.window,
                 "side of sliding windows (default: whole slices up to 1024 x 1024, else 512)")
      ->check(CLI::Range(8, 65536));
  app.add_option("--overlap", a.how.overlap, "of the windows, as a share (default 0.5)")->check(CLI::Range(0.0, 0.95));
  app.add_option("--batch", a.how.batch, "slices or windows at once (default 4)")->check(CLI::Range(1, 4096));
  app.add_option("--device", a.device, "auto, cpu, cuda, cuda:1");
  app.add_option("--precision", a.precision, kPrecisionHelp)->check(CLI::IsMember({"float32", "bfloat16", "float16"}));
  app.add_option("--layout", a.layout, kLayoutHelp)->check(CLI::IsMember({"auto", "nchw", "nhwc"}));
  app.add_option("--threads", a.threads, "CPU threads; 0: one per core");
}

/// Probabilities and labels of a prepared case on the input's grid, with a progress line.
CasePrediction predict_one(const Predictor& predictor, Case source, const Arguments& a, ProgressLine& line) {
  const auto name = source.name;
  auto found = predict_case(predictor, std::move(source), [&](std::int64_t done, std::int64_t total) {
    if (interrupted() != 0) throw Interrupted("Stopped; finished cases are in " + a.out + ".");
    line.show(name, done, total);
  });
  // The map that is written beside the mask decides, on the input's grid.
  found.labels = labels_of(found.probabilities.transpose(0, 1), a.how.threshold);
  if (a.largest) found.labels = largest_component(found.labels);
  return found;
}

/// How images are prepared: as the weights say, and over that as the flags say.
CaseOptions preparation(const Arguments& a, CaseOptions options) {
  if (!a.normalise.empty()) parse_normalise(a.normalise, options);
  if (!a.crop.empty()) options.crop = parse_plane("--crop", a.crop);
  if (!a.resize.empty()) options.resize = parse_plane("--resize", a.resize);
  options.resample = options.resample || a.resample;
  options.ignore_affine = options.ignore_affine || a.ignore_affine;
  options.zero_non_finite = options.zero_non_finite || a.zero_non_finite;
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

std::string summary(const CasePrediction& found, const std::filesystem::path& file) {
  const auto voxels = found.labels.gt(0).sum().item<std::int64_t>();
  return fmt::format("{}: {} of {} {} are foreground -> {}", found.source.name, voxels, found.labels.numel(),
                     found.source.is_volume ? "voxels" : "pixels", file.string());
}

int predict(const CLI::App& app, Arguments& a) {
  tune_process(a.threads);
  const InterruptScope signals;
  if (!a.reversed.empty()) a.weights.how.reversed = a.reversed == "yes";
  const auto loaded = load_network(a.weights);
  const auto& net = loaded.net;
  const auto options = preparation(a, loaded.preparation.value_or(CaseOptions()));
  const auto cases = find_inputs(a.inputs, separate_words(a.modalities), net.in_channels());
  if (a.inputs.size() == 1 && std::filesystem::is_directory(a.inputs.front())) {
    const auto others = other_files_warning(cases);
    if (!others.empty()) std::cerr << "warning: " << others << "\n";
  }
  check_use(app, cases, net);
  check_results(cases, a.no_probability ? 0 : net.classes(), a.out, a.overwrite);
  a.how.device = find_device(a.device);
  from_string(a.precision, a.how.precision);
  a.how.channels_last = channels_last(a.layout, a.how.device);
  const Predictor predictor(net, options, a.how);
  std::cout << fmt::format("{}: {} channels in, {} to predict", net.name(), net.in_channels(),
                           cases.size() == 1 ? "1 case" : fmt::format("{} cases", cases.size()))
            << std::endl;
  mark_results(a.out);
  ProgressLine line(cases.size());
  for (const auto& files : cases) {
    auto source = load_input(files, predictor.preparation(), predictor.in_channels());
    for (const auto& notice : source.notices) std::cerr << "warning: " << with_flags(notice) << "\n";
    const auto found = predict_one(predictor, std::move(source), a, line);
    const auto written = write_prediction(found, a.out, !a.no_probability);
    line.finish(summary(found, written.front()));
  }
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Masks and probabilities from trained weights: NIfTI with the input's affine, or pictures.", "predict"};
  Arguments arguments;
  add_flags(app, arguments);
  return run_program(app, argc, argv, [&] { return predict(app, arguments); });
}

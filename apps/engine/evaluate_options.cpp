// SPDX-License-Identifier: MIT
#include "engine/evaluate_options.hpp"

#include "engine/preparation.hpp"

namespace pam::apps {

std::vector<OptionRule> add_evaluate_options(CLI::App& app, EvaluateArguments& a) {
  app.add_option("--pred", a.predictions, "folder (or file) of predicted masks")->required();
  app.add_option("--truth", a.truths, "folder (or file) of true masks, paired by name")->required();
  app.add_option("--json", a.json, "write per-case and aggregate scores to this file");
  app.add_option("--csv", a.csv, "write per-case scores to this file");
  app.add_option("--label-values", a.values,
                 "which values are foreground: 71-78, or classes: 1=1,2=2,255=ignore; default: the one value beside 0");
  app.add_option(
      "--pred-label-values", a.predicted_values,
      "the same for the predictions; default: as --label-values, or class numbers if they hold none of those values");
  app.add_option("--label-threshold", a.threshold, kLabelThresholdHelp)->check(CLI::PositiveNumber);
  app.add_option("--mask-channel", a.mask_channel, std::string(kMaskChannelHelp) + "; of the true masks");
  app.add_flag("--predicted-only", a.predicted_only, "leave out truths without a prediction, such as training cases");
  app.add_flag("--ignore-affine", a.ignore_affine,
               "score voxel by voxel even if the axes of the masks point in different directions");
  app.add_flag("--zero-non-finite", a.zero_non_finite, "take NaN and infinity in masks as background");
  app.add_option("--class", a.score.class_index, "the class that is scored; all others are background (default 1)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--nsd-tolerance", a.score.nsd_tolerance,
                 "tolerance of the normalised surface Dice, mm or pixels (default 1)")
      ->check(CLI::NonNegativeNumber);
  app.add_option(
      "--nsd-convention", a.convention,
      "border (default): each border voxel counts one; surface-elements: pieces of the surface count by their area, as "
      "DeepMind's surface-distance has it");
  return {{"--label-threshold", OptionRule::kExcludes, "--label-values", "both say what is foreground"}};
}

}  // namespace pam::apps

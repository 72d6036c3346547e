// SPDX-License-Identifier: MIT
#include "engine/predict_options.hpp"

#include "engine/experiment_options.hpp"
#include "engine/preparation.hpp"

namespace pam::apps {

std::vector<OptionRule> add_predict_options(CLI::App& app, PredictArguments& a) {
  app.add_option("--weights", a.weights.path,
                 ".safetensors, .pt or .pth; or the name of weights that come with pam, such as hippocampus_fpa, or "
                 "that lie in PAM_WEIGHTS_DIR (docs/models.md)")
      ->required();
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
  app.add_option("--precision", a.precision, std::string(kPrecisionHelp) + kAutoPrecisionHelp)
      ->check(CLI::IsMember({"float32", "bfloat16", "float16", "auto"}));
  app.add_option("--layout", a.layout, kLayoutHelp)->check(CLI::IsMember({"auto", "nchw", "nhwc"}));
  app.add_option("--threads", a.threads, "CPU threads; 0: one per core")->check(CLI::Range(0, 4096));
  return {{"--ignore-affine", OptionRule::kExcludes, "--resample",
           "the first pairs voxels as they are stored, the second moves them by their affines"}};
}

}  // namespace pam::apps

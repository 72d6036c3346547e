// SPDX-License-Identifier: MIT
/// The options that all tasks share: the network, the recipe, the machine.
#pragma once

#include "cli/option_reader.hpp"

#include <pam/core/precision.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/train/optimizer.hpp>
#include <pam/train/schedule.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pam::apps {

struct ExperimentOptions {
  std::vector<std::string> nets{"unet"};  ///< zoo names, trained one after the other with the same seed and recipe
  std::int64_t width = 0;                 ///< channels of level 0; 0: the net's own (32, and 64 for wunet)
  nlohmann::json net_options = nlohmann::json::object();  ///< further options of the nets, as in nets/zoo.hpp
  std::string loss = "dice";
  SegmentationLossOptions loss_options;
  std::int64_t epochs = 20;
  std::int64_t batch = 4;  ///< per process, if several train together
  OptimizerOptions optimizer;
  Schedule schedule = Schedule::released();
  double clip_norm = 0;         ///< 0 = no clipping
  std::int64_t accumulate = 1;  ///< batches per optimizer step
  std::int64_t patience = 0;    ///< early stop after so many epochs without a better validation; 0 = never
  std::int64_t validate_every = 1;
  bool flip = true;             ///< random horizontal flips while training
  double noise = 0;             ///< standard deviation of the noise added while training, in units of the input
  std::int64_t seed = 0;        ///< of weights, order and augmentation
  std::int64_t workers = 2;     ///< threads that prepare batches
  std::string device = "auto";  ///< "auto", "cpu", "cuda", "cuda:1"
  std::string precision = "float32";  ///< of training and, the same, of scoring; "auto": see fastest_precision.hpp
  std::string layout = "auto";        ///< "auto", "nchw" or "nhwc"
  std::int64_t threads = 0;           ///< 0: one per core
  std::string out;                    ///< the run's folder
  bool resume = false;
  bool overwrite = false;
  bool allow_changes = false;  ///< resume with other epochs, schedule, optimizer, clipping, patience or precision
  double timeout = 300;        ///< seconds that a process waits for the others, where several train together
  std::vector<double> fgsm;    ///< sizes of FGSM perturbations under which test cases are scored too, in input units
  std::int64_t worst = 5;      ///< cases with pictures in the report
  bool tensorboard = false;    ///< write the curves as TensorBoard event files too, into each network's folder

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("nets", self.nets);
    field("width", self.width);
    field("net_options", self.net_options);
    field("loss", self.loss);
    field("loss_options", self.loss_options);
    field("epochs", self.epochs);
    field("batch", self.batch);
    field("optimizer", self.optimizer);
    field("schedule", self.schedule);
    field("clip_norm", self.clip_norm);
    field("accumulate", self.accumulate);
    field("patience", self.patience);
    field("validate_every", self.validate_every);
    field("flip", self.flip);
    field("noise", self.noise);
    field("seed", self.seed);
    field("workers", self.workers);
    field("device", self.device);
    field("precision", self.precision);
    field("layout", self.layout);
    field("threads", self.threads);
    field("out", self.out);
    field("resume", self.resume);
    field("overwrite", self.overwrite);
    field("allow_changes", self.allow_changes);
    field("timeout", self.timeout);
    field("fgsm", self.fgsm);
    field("worst", self.worst);
    field("tensorboard", self.tensorboard);
  }
};

/// Whether `layout` means channels-last weights and images; "auto" does: pam's kernels are fastest in it. Throws `Error`
/// for names that are not nchw, nhwc or auto.
bool channels_last(const std::string& layout);

/// The type called `name`. Throws `Error` for other names, "auto" among them, which must have been decided before.
Precision precision_named(const std::string& name);

/// Help of --precision, of its value auto, and of --layout.
extern const char* const kPrecisionHelp;
extern const char* const kAutoPrecisionHelp;
extern const char* const kLayoutHelp;

/// The flags that all training programs share.
void add_experiment_flags(OptionReader& reader);

/// Throws `Error` for values that no run can use: unknown networks and losses (with the nearest names), counts out of
/// range, a device that is not there. Called before any file is read or written.
void check_experiment(const ExperimentOptions& options);

/// The device called `name`; "auto" is the first CUDA device if there is one, else the CPU.
torch::Device find_device(const std::string& name);

}  // namespace pam::apps

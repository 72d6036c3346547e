// SPDX-License-Identifier: MIT
#include "engine/experiment_options.hpp"

#include "engine/networks.hpp"

#include <pam/core/nearest.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace pam::apps {

const char* const kPrecisionHelp =
    "type that the networks compute in: float32, bfloat16 or (on a GPU) float16; weights stay float32";
const char* const kAutoPrecisionHelp = "; auto: the faster of float32 and bfloat16 here, measured once per machine";
const char* const kLayoutHelp = "order of activations in memory: nchw, nhwc (channels-last) or auto (nhwc)";

bool channels_last(const std::string& layout) {
  check(layout == "auto" || layout == "nchw" || layout == "nhwc", "--layout {}: must be auto, nchw or nhwc", layout);
  return layout != "nchw";
}

Precision precision_named(const std::string& name) {
  auto precision = Precision::Float32;
  check(from_string(name, precision), "--precision {}: must be float32, bfloat16, float16 or auto", name);
  return precision;
}

void add_experiment_flags(OptionReader& reader) {
  reader.add<std::vector<std::string>>("--nets,--net", "nets",
                                       "networks by name, such as unet fpa rfna; see --list-nets");
  reader.add<std::int64_t>("--width", "width", "channels of level 0 (0: the network's own, mostly 32)");
  reader.add<std::string>("--loss", "loss", "dice, bce, dice_bce, focal or tversky");
  reader.add<std::int64_t>("--epochs", "epochs", "passes over the training slices");
  reader.add<std::int64_t>("--batch", "batch", "slices or pictures per step (per process, if several train)");
  reader.add<double>("--lr", "optimizer.learning_rate", "learning rate of AdamW");
  reader.add<double>("--weight-decay", "optimizer.weight_decay", "weight decay of AdamW");
  reader.add<std::string>("--schedule", "schedule.kind", "constant, multi_step, cosine or poly");
  reader.add<double>("--clip", "clip_norm", "largest norm of the gradient (0: no limit)");
  reader.add<bool>("--flip", "flip", "random horizontal flips: true or false");
  reader.add<std::int64_t>("--seed", "seed", "seed of weights, order and augmentation");
  reader.add<std::int64_t>("--workers", "workers", "threads that prepare batches");
  reader.add<std::string>("--device", "device", "auto, cpu, cuda or cuda:N");
  reader.add<std::string>("--precision", "precision",
                          std::string(kPrecisionHelp) + kAutoPrecisionHelp + "; scores are computed in the same");
  reader.add<std::string>("--layout", "layout", kLayoutHelp);
  reader.add<std::int64_t>("--threads", "threads", "threads that compute (0: one per core)");
  reader.add<double>("--timeout", "timeout", "seconds that one of several processes waits for the others");
  reader.add<std::vector<double>>("--fgsm", "fgsm",
                                  "score also under FGSM perturbations of these sizes, in units of the input");
  reader.add_switch("--tensorboard", "tensorboard",
                    "write event files too, for: tensorboard --logdir DIR (the folder of --out)");
  reader.add<std::string>("--out", "out", "folder of the run; created if it does not exist");
  reader.add_switch("--resume", "resume", "continue the run in --out; finished networks are not run again");
  reader.add_switch("--overwrite", "overwrite", "start again although --out holds a run");
  reader.add_switch("--allow-changes", "allow_changes",
                    "with --resume: epochs, schedule, optimizer, clipping, patience and precision may differ, and "
                    "the data may lie elsewhere");
}

namespace {

/// Throws `Error` for fields of `own` that differ from their `defaults` and are not in `read`: they would be ignored.
void check_read(const std::string& what, const std::string& chosen, const nlohmann::json& own,
                const nlohmann::json& defaults, const std::set<std::string>& read) {
  for (const auto& [key, value] : own.items()) {
    check(read.count(key) > 0 || value == defaults.at(key),
          "{}.{}: is {}, but {} does not read it; leave it at {}, or choose another {}", what, key, value.dump(),
          chosen, defaults.at(key).dump(), what == "schedule" ? "--schedule" : "--loss");
  }
}

/// The fields of `SegmentationLossOptions` that a loss reads.
std::set<std::string> read_by(const std::string& loss) {
  if (loss == "bce") return {};
  if (loss == "focal") return {"focal_gamma", "focal_alpha"};
  std::set<std::string> fields{"smooth", "per_class", "include_background", "per_image"};
  if (loss == "tversky") {
    fields.insert({"tversky_alpha", "tversky_beta"});
  } else {
    fields.insert({"squared_pred", "jaccard"});
  }
  if (loss == "dice_bce") fields.insert({"dice_weight", "bce_weight"});
  return fields;
}

/// The same of `Schedule`.
std::set<std::string> read_by(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::Constant:
      return {"kind", "warm_up"};
    case ScheduleKind::MultiStep:
      return {"kind", "warm_up", "milestones", "gamma"};
    case ScheduleKind::Cosine:
      return {"kind", "warm_up", "floor"};
    case ScheduleKind::Poly:
      break;
  }
  return {"kind", "warm_up", "power", "floor"};
}

/// Throws `Error` for an unknown loss, for options that the loss does not read, and for those that it refuses (which it
/// checks when it is called).
void check_loss(const ExperimentOptions& options) {
  auto quiet = options.loss_options;
  quiet.reversed = false;
  const SegmentationLoss loss(options.loss, quiet);
  check_read("loss_options", "the loss " + options.loss, options_to_json(options.loss_options),
             options_to_json(SegmentationLossOptions()), read_by(options.loss));
  static_cast<void>(loss(torch::zeros({1, 1, 1, 1}), torch::zeros({1, 1, 1}, torch::kLong)));
}

}  // namespace

torch::Device find_device(const std::string& name) {
  const bool cuda = torch::cuda::is_available();
  if (name == "auto") return torch::Device(cuda ? torch::kCUDA : torch::kCPU);
  const bool indexed = name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 9 &&
                       std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
  check(name == "cpu" || name == "cuda" || indexed, "--device {}: must be auto, cpu, cuda or cuda:N", name);
  if (name == "cpu") return torch::kCPU;
  check(cuda, "--device {}: this LibTorch sees no CUDA device; use --device cpu", name);
  const auto index = indexed ? std::stoi(name.substr(5)) : 0;
  check(index < static_cast<int>(torch::cuda::device_count()), "--device {}: there are {} CUDA devices, from cuda:0 on",
        name, torch::cuda::device_count());
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
}

void check_experiment(const ExperimentOptions& options) {
  const auto at_least = [](const char* name, auto value, decltype(value) low) {
    check(value >= low && std::isfinite(static_cast<double>(value)), "--{}: must be at least {}, got {}", name, low,
          value);
  };
  check(!options.nets.empty(), "--nets: name at least one network, such as unet; --list-nets shows all");
  for (const auto& net : options.nets) check_network_name(net);
  for (auto net = options.nets.begin(); net != options.nets.end(); ++net) {
    check(std::count(options.nets.begin(), options.nets.end(), *net) == 1, "--nets: {} is named twice", *net);
  }
  check_loss(options);
  check_optimizer(options.optimizer);
  check_schedule(options.schedule);
  check_read("schedule", "the schedule " + to_string(options.schedule.kind), options_to_json(options.schedule),
             options_to_json(Schedule()), read_by(options.schedule.kind));
  check(!options.resume || !options.overwrite,
        "--resume and --overwrite: the first continues the run in --out, the second removes it; give one of them "
        "(--set resume=false where a configuration holds it)");
  check(options.resume || !options.allow_changes,
        "--allow-changes: says what may differ when a run is continued, and means nothing without --resume; leave it "
        "out");
  at_least("epochs", options.epochs, 1);
  at_least("batch", options.batch, 1);
  at_least("clip", options.clip_norm, 0);
  at_least("set accumulate", options.accumulate, 1);
  at_least("set patience", options.patience, 0);
  at_least("set validate_every", options.validate_every, 1);
  at_least("width", options.width, 0);
  at_least("workers", options.workers, 0);
  at_least("seed", options.seed, 0);
  at_least("noise", options.noise, 0);
  at_least("worst", options.worst, 0);
  at_least("timeout", options.timeout, 1);
  check(options.timeout <= 1e6, "--timeout: at most 1000000 seconds, got {}", options.timeout);
  for (const double epsilon : options.fgsm) at_least("fgsm", epsilon, 0);
  check(options.workers <= 256, "--workers: at most 256, got {}", options.workers);
  check(!options.out.empty(), "--out: name the folder of the run");
  const auto device = find_device(options.device);
  const auto precision = options.precision == "auto" ? Precision::Float32 : precision_named(options.precision);
  check(precision != Precision::Float16 || !device.is_cpu(),
        "--precision float16: a CPU does not compute in it; use bfloat16 or float32, or a GPU");
  static_cast<void>(channels_last(options.layout));
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "engine/experiment_options.hpp"

#include "engine/networks.hpp"

#include <pam/core/nearest.hpp>

#include <algorithm>
#include <cmath>

namespace pam::apps {

const char* const kPrecisionHelp =
    "type that the networks compute in: float32, bfloat16 or (on a GPU) float16; weights stay float32";
const char* const kLayoutHelp = "order of activations in memory: nchw, nhwc (channels-last) or auto (nhwc on a GPU)";

bool channels_last(const std::string& layout, torch::Device device) {
  check(layout == "auto" || layout == "nchw" || layout == "nhwc", "--layout {}: must be auto, nchw or nhwc", layout);
  return layout == "nhwc" || (layout == "auto" && device.is_cuda());
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
                          std::string(kPrecisionHelp) + "; scores are computed in the same");
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
                    "with --resume: epochs, schedule, optimizer, clipping, patience and precision may differ");
}

namespace {

/// Throws `Error` for an unknown loss, and for options that the loss refuses (which it checks when it is called).
void check_loss(const ExperimentOptions& options) {
  auto quiet = options.loss_options;
  quiet.reversed = false;
  static_cast<void>(
      SegmentationLoss(options.loss, quiet)(torch::zeros({1, 1, 1, 1}), torch::zeros({1, 1, 1}, torch::kLong)));
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
  check(options.precision != Precision::Float16 || !device.is_cpu(),
        "--precision float16: a CPU does not compute in it; use bfloat16 or float32, or a GPU");
  static_cast<void>(channels_last(options.layout, device));
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
/// The parts of resuming that need neither model nor loader: the checkpoint directory, settings that must not change,
/// random generators, learning rates.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/core/options_json.hpp>
#include <pam/core/seed.hpp>
#include <pam/train/checkpoint.hpp>
#include <pam/train/detail/optimizer_state.hpp>
#include <pam/train/distributed/communicator.hpp>
#include <pam/train/fit_options.hpp>

#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace pam::detail {

/// Makes the directory. True where a checkpoint in it is to be resumed; throws where there is one and the options say
/// neither `resume` nor `overwrite`.
inline bool open_directory(const FitOptions& options) {
  if (options.directory.empty()) return false;
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  check(!error, "{}: the checkpoint directory cannot be made: {}", options.directory.string(), error.message());
  const CheckpointPaths paths(options.directory);
  const bool held = std::filesystem::exists(paths.state);
  check(!held || options.resume || options.overwrite,
        "{}: the directory holds a training already; resume it, choose another directory, or ask to overwrite it",
        options.directory.string());
  for (const auto* path : {&paths.state, &paths.last, &paths.best}) remove_abandoned(*path);
  return held && options.resume;
}

/// The options that a checkpoint records.
inline nlohmann::json fit_settings(const FitOptions& options, bool reversed, const torch::optim::Optimizer& optimizer,
                                   const std::vector<double>& learning_rates, std::int64_t batches,
                                   std::int64_t processes) {
  return {{"optimizer", optimizer_name(optimizer)},
          {"optimizer_options", optimizer_options(optimizer)},
          {"learning_rates", learning_rates},
          {"epochs", options.epochs},
          {"schedule", options_to_json(options.schedule)},
          {"clip_norm", options.clip_norm},
          {"patience", options.patience},
          {"accumulate", options.accumulate},
          {"seed", options.seed},
          {"precision", to_string(options.precision)},
          {"channels_last", options.channels_last},
          {"loss_scale", options.loss_scale},
          {"loss_scale_interval", options.loss_scale_interval},
          {"reversed", reversed},
          {"batches_per_epoch", batches},
          {"processes", processes}};
}

/// Throws `Error` with every setting that differs from the checkpoint's. With `allow_changes`, settings that do not
/// change the order of the data may differ. The layout may always differ, like the device and the number of threads: it
/// changes only rounding, and a run that was started on a GPU can continue without one.
inline void check_settings(const nlohmann::json& saved, const nlohmann::json& now, bool allow_changes,
                           const std::string& where) {
  const std::set<std::string> changeable{"epochs",   "schedule",  "learning_rates", "optimizer_options",  "clip_norm",
                                         "patience", "precision", "loss_scale",     "loss_scale_interval"};
  std::string differences;
  bool all_changeable = true;
  for (const auto& item : now.items()) {
    if (item.key() == "channels_last") continue;
    const auto old = saved.is_object() ? saved.find(item.key()) : saved.end();
    if (old != saved.end() && *old == item.value()) continue;
    const bool may_change = changeable.count(item.key()) > 0;
    if (may_change && allow_changes) continue;
    all_changeable = all_changeable && may_change;
    differences += formatted("{}{}: {} in the checkpoint, now {}", differences.empty() ? "" : "; ", item.key(),
                             old != saved.end() ? old->dump() : "nothing", item.value().dump());
  }
  check(differences.empty(), "{}: the run was started with other settings ({}); resume with the old ones, {}", where,
        differences,
        all_changeable ? "or allow the change (FitOptions::allow_changes), which ends with other weights than an "
                         "uninterrupted run"
                       : "or start a new run in another directory");
}

/// Throws `Error` where `progress` does not fit into a run of `epochs` epochs of `batches` batches.
inline void check_progress(const TrainingProgress& progress, std::int64_t epochs, std::int64_t batches,
                           const std::string& where) {
  check(progress.epoch < epochs && progress.batch <= batches,
        "{}: it is in epoch {} at batch {}, but this run has {} epochs of {} batches; start a new run in another "
        "directory",
        where, progress.epoch + 1, progress.batch, epochs, batches);
}

/// The generators that a step may draw from: the CPU's and, where the model is on an accelerator, the device's.
inline std::vector<std::pair<std::string, at::Generator>> generators(const torch::Device& device) {
  std::vector<std::pair<std::string, at::Generator>> all{{"cpu", at::detail::getDefaultCPUGenerator()}};
  if (!device.is_cpu()) all.emplace_back("device", at::globalContext().defaultGenerator(device));
  return all;
}

/// Every process's generator states, one row each: {"cpu", (world_size, bytes)}, ….
inline StateDict gather_generators(const torch::Device& device, Communicator& communicator) {
  StateDict states;
  for (auto& [name, generator] : generators(device)) {
    std::lock_guard<std::mutex> lock(generator.mutex());
    const auto state = generator.get_state();
    auto all = torch::zeros({communicator.world_size(), state.numel()}, torch::kUInt8);
    all[communicator.rank()].copy_(state);
    states.emplace_back(name, communicator.sum(all));
  }
  return states;
}

/// Puts the row of process `rank` back.
inline void restore_generators(const StateDict& states, const torch::Device& device, std::int64_t rank,
                               std::int64_t world_size, const std::string& where) {
  for (auto& [name, generator] : generators(device)) {
    std::lock_guard<std::mutex> lock(generator.mutex());
    const auto saved = find_tensor(states, name);
    if (!saved.defined() && name != "cpu") continue;  // started on the CPU: the device's generator keeps its seed
    const auto bytes = generator.get_state().numel();
    check(saved.defined() && saved.scalar_type() == torch::kUInt8 && saved.dim() == 2 && saved.size(0) == world_size &&
              saved.size(1) == bytes,
          "{}: the state of the {} generator has shape {}, but this LibTorch's has [{}, {}]; resume with the LibTorch "
          "and number of processes that wrote it",
          where, name, shape_string(saved), world_size, bytes);
    generator.set_state(saved[rank].clone());
  }
}

/// The learning rates of an optimizer's groups: scaled together, and restored at the end.
class LearningRates {
 public:
  explicit LearningRates(torch::optim::Optimizer& optimizer) : optimizer_(optimizer) {
    for (auto& group : optimizer.param_groups()) base_.push_back(group.options().get_lr());
  }
  LearningRates(const LearningRates&) = delete;
  LearningRates& operator=(const LearningRates&) = delete;
  ~LearningRates() { scale(1); }

  void scale(double factor) {
    for (std::size_t i = 0; i < base_.size(); ++i) optimizer_.param_groups()[i].options().set_lr(base_[i] * factor);
  }
  [[nodiscard]] const std::vector<double>& base() const { return base_; }
  /// The first group's rate.
  [[nodiscard]] double current() const { return optimizer_.param_groups().front().options().get_lr(); }

 private:
  torch::optim::Optimizer& optimizer_;
  std::vector<double> base_;
};

}  // namespace pam::detail

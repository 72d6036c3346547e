// SPDX-License-Identifier: MIT
/// When and what `fit` saves and restores; train/checkpoint.hpp writes and reads the files.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/stopwatch.hpp>
#include <pam/core/version.hpp>
#include <pam/train/checkpoint.hpp>
#include <pam/train/detail/resume.hpp>
#include <pam/train/distributed/communicator.hpp>
#include <pam/train/fit_options.hpp>

#include <set>
#include <string>
#include <utility>

namespace pam::detail {

/// The tensors of a training, by name. They are the model's own.
struct Trainee {
  StateDict parameters;  ///< what the optimizer may hold: each once, under its first name
  StateDict weights;     ///< parameters and buffers under all of their names: what is saved
  torch::optim::Optimizer& optimizer;

  Trainee(torch::nn::Module& model, torch::optim::Optimizer& optimizer_) : optimizer(optimizer_) {
    std::set<const void*> known;
    for (const auto& item : model.named_parameters()) {
      weights.emplace_back(item.key(), item.value());
      if (known.insert(item.value().unsafeGetTensorImpl()).second) parameters.push_back(weights.back());
    }
    check(!parameters.empty(), "fit: the model has no parameters to train");
    for (const auto& item : model.named_buffers()) weights.emplace_back(item.key(), item.value());
    static_cast<void>(optimized_parameters(optimizer, parameters));  // throws for an optimizer of another model
  }
  [[nodiscard]] torch::Device device() const { return parameters.front().second.device(); }
  [[nodiscard]] torch::ScalarType type() const { return parameters.front().second.scalar_type(); }
};

/// Throws unless `value` is the same in all processes.
inline void check_same_everywhere(Communicator& communicator, std::int64_t value, const char* what) {
  if (communicator.world_size() == 1) return;
  const auto sum = communicator.sum(torch::tensor({value, value * value}, torch::kInt64));
  const auto mine = communicator.world_size() * value;
  check(sum[0].item<std::int64_t>() == mine && sum[1].item<std::int64_t>() == mine * value,
        "fit: the processes differ in {}: process {} has {}; give each the same number (pad the smaller shares), and a "
        "directory that all of them see",
        what, communicator.rank(), value);
}

/// The checkpoint directory of one run; without a directory it does nothing. All processes call it; process 0 writes.
class Checkpointer {
 public:
  Checkpointer(const FitOptions& options, bool reversed, Trainee& trainee, Communicator& communicator)
      : options_(options), trainee_(trainee), communicator_(communicator), metadata_(options.metadata) {
    metadata_["pam.reversed"] = reversed ? "true" : "false";
    metadata_.emplace("pam.version", PAM_VERSION);
  }

  [[nodiscard]] bool enabled() const { return !options_.directory.empty(); }
  [[nodiscard]] CheckpointPaths paths() const { return CheckpointPaths(options_.directory); }

  /// Opens the directory for a run with `settings`. Where it is to be resumed, fills model, optimizer, generators and
  /// `progress` and returns true; all of it is compared before anything is changed.
  bool open(nlohmann::json settings, std::int64_t batches, TrainingProgress& progress) {
    settings_ = std::move(settings);
    if (!open_directory(options_)) return false;
    const auto where = paths().state.string();
    const auto state = read_training_state(options_.directory);
    check_same_weights(state.weights, trainee_.weights, where);
    check_settings(state.settings, settings_, options_.allow_changes, where);
    check_same_everywhere(communicator_, state.progress.step, "optimizer steps in the checkpoint");
    auto reached = state.progress;
    // A run that has ended goes on only where what ended it has changed: allow_changes may be for other reasons.
    const auto changed = [&](const char* key) { return state.settings.at(key) != settings_.at(key); };
    if (options_.allow_changes && reached.epoch < options_.epochs && (changed("epochs") || changed("patience"))) {
      reached.finished.clear();
    }
    if (reached.finished.empty()) check_progress(reached, options_.epochs, batches, where);
    restore_generators(state.rng, trainee_.device(), communicator_.rank(), communicator_.world_size(), where);
    restore_optimizer_state(trainee_.optimizer, trainee_.parameters, state.optimizer, where);
    copy_weights(state.weights, trainee_.weights);
    if (communicator_.rank() == 0) repair_last_weights(options_.directory, state);
    if (state.settings.at("loss_scale") != settings_.at("loss_scale")) {
      reached.loss_scale = 0, reached.loss_scale_steps = 0;  // allow_changes: the new factor counts
    }
    // The sums in the file are those of all processes; only one process may continue them.
    if (communicator_.rank() != 0) reached.loss_sum = 0, reached.images = 0;
    progress = saved_ = reached;
    return true;
  }

  /// Whether the options ask for a save after the step that `progress` ends with.
  [[nodiscard]] bool due(const TrainingProgress& progress) const {
    if (options_.save_every_steps > 0 && progress.step % options_.save_every_steps == 0) return true;
    return options_.save_every_seconds > 0 && since_save_.seconds() >= options_.save_every_seconds;
  }

  /// Replaces `last`. Weights that are not finite throw; `cases` names the last batch in the message.
  void save_last(const TrainingProgress& progress, const std::string& cases) {
    if (!enabled()) return;
    check_finite(progress, cases);
    TrainingState state;
    state.rng = gather_generators(trainee_.device(), communicator_);
    state.progress = progress;
    if (communicator_.world_size() > 1) {
      const auto sums =
          communicator_.sum(torch::tensor({progress.loss_sum, static_cast<double>(progress.images)}, torch::kDouble));
      state.progress.loss_sum = sums[0].item<double>();
      state.progress.images = static_cast<std::int64_t>(sums[1].item<double>());
    }
    if (communicator_.rank() == 0) {
      state.weights = trainee_.weights;
      state.optimizer = optimizer_state(trainee_.optimizer, trainee_.parameters);
      state.settings = settings_;
      state.metadata = metadata_;
      state.metadata["pam.epoch"] = std::to_string(progress.epoch);
      state.metadata["pam.step"] = std::to_string(progress.step);
      save_training_state(options_.directory, state);
      if (!progress.has_best) remove_best();  // left by the run that this one overwrote
    }
    saved_ = progress;
    since_save_.restart();
  }

  /// Replaces `best`. To be called before `save_last`: a run that is killed in between replays the epoch and writes the
  /// same file again.
  void save_best(const TrainingProgress& progress, const std::string& cases) {
    if (!enabled()) return;
    check_finite(progress, cases);
    if (communicator_.rank() != 0) return;
    auto metadata = metadata_;
    metadata["pam.epoch"] = std::to_string(progress.best_epoch);
    metadata["pam.step"] = std::to_string(progress.step);
    metadata["pam.score"] = formatted("{}", progress.best_score);
    write_safetensors(paths().best, trainee_.weights, metadata);
  }

  /// The end of a message about a NaN.
  [[nodiscard]] std::string advice() const {
    if (!enabled()) {
      return "no checkpoint directory was given; look at these images, lower the learning rate, or clip the gradients "
             "(FitOptions::clip_norm)";
    }
    return formatted(
        "the last good checkpoint is kept: {}, epoch {}, step {}; look at these images, or continue from there "
        "(FitOptions::resume with FitOptions::allow_changes) with a lower OptimizerOptions::learning_rate or with "
        "clipped gradients (FitOptions::clip_norm)",
        paths().last.string(), saved_.epoch, saved_.step);
  }

 private:
  void remove_best() const {
    std::error_code error;
    std::filesystem::remove(paths().best, error);
  }

  void check_finite(const TrainingProgress& progress, const std::string& cases) const {
    for (const auto& [name, tensor] : trainee_.weights) {
      if (!tensor.is_floating_point()) continue;
      check(torch::isfinite(tensor).all().item<bool>(),
            "fit: '{}' is not finite after epoch {}, step {}, whose last batch held the cases {}; {}", name,
            progress.epoch, progress.step, cases, advice());
    }
  }

  const FitOptions& options_;
  Trainee& trainee_;
  Communicator& communicator_;
  Metadata metadata_;
  nlohmann::json settings_;
  TrainingProgress saved_;
  Stopwatch since_save_;
};

}  // namespace pam::detail

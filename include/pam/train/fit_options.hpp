// SPDX-License-Identifier: MIT
/// The options of `fit`, and what it returns.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/precision.hpp>
#include <pam/train/events.hpp>
#include <pam/train/schedule.hpp>
#include <pam/weights/state_dict.hpp>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

namespace pam {

/// Options of `fit`. The fields that `visit` lists are plain data (JSON, configs); the rest belongs to one run.
struct FitOptions {
  std::int64_t epochs = 1;
  /// Batches per epoch, for loaders that do not know it (a torch::data loader never does); 0: ask the loader.
  std::int64_t batches_per_epoch = 0;
  Schedule schedule;                   ///< of the learning rate; the default is a constant rate
  double clip_norm = 0;                ///< gradients are scaled down to this global L2 norm; 0 = no clipping
  std::int64_t accumulate = 1;         ///< micro-batches per optimizer step: the step's loss is the mean of theirs
  std::int64_t patience = 0;           ///< early stop after so many epochs without a better score; 0 = never
  std::int64_t validate_every = 1;     ///< epochs between validations; the last epoch always has one
  std::int64_t save_every_epochs = 1;  ///< `last` after every so many epochs, and at the end; 0 = at the end
  std::int64_t save_every_steps = 0;   ///< and after every so many optimizer steps; 0 = not
  double save_every_seconds = 0;       ///< and at the first step so long after the previous save; 0 = not
  std::int64_t read_loss_every = 1;    ///< steps between readings of the loss. On an accelerator each reading waits
                                       ///< for it; a NaN is found, and its batch named, at the next reading or save
  /// The type that forward and backward pass compute in; weights, loss, optimizer and checkpoints stay float32.
  /// Bfloat16 on CPU and GPU, Float16 only on a GPU. The validation callback chooses its own.
  Precision precision = Precision::Float32;
  bool channels_last = false;  ///< weights (once) and images (each batch) are laid out channels-last
  /// On a GPU, forward pass, loss and gradients are recorded as a CUDA graph once two batches in a row have one shape,
  /// and replayed for batches of that shape. `GraphedTrainingStep` says what a model and a loss must not do then: a
  /// recorded pass repeats every decision that the host took. An unknown label makes the loss NaN. Without effect with
  /// `accumulate` > 1, a loss scale, or several processes.
  bool graph = false;
  /// The loss's first factor, a power of two (train/loss_scaler.hpp). 0: 65536 with Float16, none otherwise.
  double loss_scale = 0;
  std::int64_t loss_scale_interval = 2000;  ///< good steps in a row after which the factor doubles
  std::int64_t seed = 0;                    ///< of the default generator (dropout); process r of several uses seed + r

  /// The folder of the checkpoints; created if it does not exist. Empty: none are written. With several processes all
  /// of them must see it, and process 0 writes.
  std::filesystem::path directory;
  /// Continue from the directory's checkpoint; if there is none (yet), start from the beginning.
  bool resume = false;
  /// Start from the beginning even if the directory holds a checkpoint, which is an error without `resume` or this.
  bool overwrite = false;
  /// Resume although epochs, schedule, the optimizer's rate and options, clipping, patience, precision or loss scale
  /// differ from the checkpoint's.
  bool allow_changes = false;
  /// On SIGINT and SIGTERM finish the step, save `last` and return; a second Ctrl-C kills. For programs: a library must
  /// not replace the signal handlers of the program that uses it.
  bool catch_signals = false;
  /// Written into every checkpoint: "pam.net" and whatever else its readers need. `fit` adds "pam.reversed".
  Metadata metadata;
  /// Train on 1 - label (binary nets only); stored as pam.reversed. Empty: as the net's own option says, and false for
  /// a net without one. Contradicting the net is an error.
  std::optional<bool> reversed;
  /// Called after an epoch (1 = first) in eval mode and without gradients; empty: no validation, no `best`. With
  /// several processes all call it and process 0's score counts.
  std::function<Validation(std::int64_t epoch)> validate;
  /// Another way to stop: set from any thread, it has the effect of Ctrl-C.
  const std::atomic<bool>* stop = nullptr;

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("epochs", self.epochs);
    field("batches_per_epoch", self.batches_per_epoch);
    field("schedule", self.schedule);
    field("clip_norm", self.clip_norm);
    field("accumulate", self.accumulate);
    field("patience", self.patience);
    field("validate_every", self.validate_every);
    field("save_every_epochs", self.save_every_epochs);
    field("save_every_steps", self.save_every_steps);
    field("save_every_seconds", self.save_every_seconds);
    field("read_loss_every", self.read_loss_every);
    field("precision", self.precision);
    field("channels_last", self.channels_last);
    field("graph", self.graph);
    field("loss_scale", self.loss_scale);
    field("loss_scale_interval", self.loss_scale_interval);
    field("seed", self.seed);
  }
};

/// The result of `fit`. Resuming a finished run returns the same result again.
struct FitResult {
  StopReason reason = StopReason::Completed;
  bool resumed = false;
  std::int64_t epochs = 0;  ///< finished epochs
  std::int64_t steps = 0;   ///< optimizer steps
  double loss = 0;          ///< mean training loss of the last finished epoch
  std::optional<double> best_score;
  std::int64_t best_epoch = 0;  ///< 1 = first; 0 = none
};

/// Throws `Error` for a field out of range, naming it. `total_steps` is the length of the run.
void check_fit_options(const FitOptions& options, std::int64_t total_steps);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/fit_options-inl.hpp>
#endif

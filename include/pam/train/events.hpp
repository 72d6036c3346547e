// SPDX-License-Identifier: MIT
/// What `fit` reports to its caller while it runs. Progress bars, logs and tests listen; none of them is built into the
/// loop. Epochs, batches and steps in events count what is done: the first finished epoch is 1.
#pragma once

#include <pam/core/config.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace pam {

/// Named numbers, in the order to print them. NaN means undefined.
using Scores = std::vector<std::pair<std::string, double>>;

/// The result of a validation callback. `score` decides about best weights and early stopping: higher is better, NaN is
/// no improvement. `scores` are logged beside it. A double converts.
struct Validation {
  double score = 0;
  Scores scores;
  Validation() = default;
  Validation(double score_, Scores scores_ = {}) : score(score_), scores(std::move(scores_)) {}  // NOLINT: converts
};

/// Before the first step, after a checkpoint was restored.
struct Started {
  bool resumed = false;
  std::int64_t epoch = 0, batch = 0, step = 0;                      ///< what is done already
  std::int64_t epochs = 0, batches_per_epoch = 0, total_steps = 0;  ///< what there is to do
};

/// After each optimizer step.
struct StepEnd {
  std::int64_t epoch = 0;  ///< finished epochs
  std::int64_t batch = 0;  ///< batches done in the current epoch
  std::int64_t step = 0;   ///< optimizer steps done in the run
  double loss = 0;         ///< mean over the step's micro-batches; with `read_loss_every` > 1 the last that was read
  double learning_rate = 0;
};

/// Before the StepEnd of a step that changed nothing: its gradients overflowed float16 (train/loss_scaler.hpp).
struct StepSkipped {
  std::int64_t epoch = 0, batch = 0, step = 0;  ///< as in StepEnd
  double loss_scale = 0;                        ///< what the loss is multiplied with from now on
};

/// After each epoch and its validation, before its checkpoint is written.
struct EpochEnd {
  std::int64_t epoch = 0, step = 0;
  double loss = 0;               ///< mean over the epoch's images
  double learning_rate = 0;      ///< of the epoch's last step
  double seconds = 0;            ///< training alone, without validation
  double data_wait_share = 0;    ///< share of `seconds` in which the loop waited for the loader, 0 to 1
  double images_per_second = 0;  ///< over all processes
  std::optional<Validation> validation;
  bool best = false;  ///< this epoch's score is the best so far
};

/// After a checkpoint is safely on disk.
struct CheckpointSaved {
  std::filesystem::path path;
  bool best = false;  ///< `best`, else `last`
};

/// Why `fit` returned.
enum class StopReason {
  Completed,      ///< all epochs done
  EarlyStopped,   ///< no better score for `patience` epochs
  Interrupted,    ///< Ctrl-C or SIGTERM
  StopRequested,  ///< the caller's stop flag
};

std::string to_string(StopReason reason);

/// The last event.
struct Stopped {
  StopReason reason = StopReason::Completed;
};

using Event = std::variant<Started, StepSkipped, StepEnd, EpochEnd, CheckpointSaved, Stopped>;
using EventHandler = std::function<void(const Event&)>;

/// One handler that calls `handlers` in order. Example: `fit(…, combine({std::ref(bar), std::ref(log)}))`.
EventHandler combine(std::vector<EventHandler> handlers);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/events-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// Checkpoints of a training, in one directory:
///   last.state.safetensors   what a resumed run needs: weights, optimizer state by name, RNG, progress, settings
///   last.safetensors         the same weights alone, for prediction and for Python
///   best.safetensors         the weights of the epoch with the best validation score
///
/// Two files cannot be renamed in one atomic step, so one file must be sufficient: a resumed run reads only
/// last.state.safetensors, which is replaced by one atomic rename, and rewrites last.safetensors from it if the two
/// differ. Whenever a process is killed, the state is completely the old or the new one, and last.safetensors holds
/// complete weights that are at most one checkpoint older. The price is that the weights are stored twice. The state,
/// the larger file, is written first, so that a full disk is noticed before anything has changed.
#pragma once

#include <pam/core/config.hpp>
#include <pam/weights/state_dict.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace pam {

/// The progress of a training: everything that the loop remembers, so that a resumed epoch reports the same numbers.
struct TrainingProgress {
  std::int64_t epoch = 0;                ///< finished epochs
  std::int64_t batch = 0;                ///< batches done in the current epoch
  std::int64_t step = 0;                 ///< optimizer steps done
  double loss_sum = 0;                   ///< of the current epoch: sum of loss × images, this process's share
  std::int64_t images = 0;               ///< of the current epoch
  double seconds = 0, wait_seconds = 0;  ///< of the current epoch
  double last_loss = 0;                  ///< mean loss of the last finished epoch
  bool has_best = false;
  double best_score = 0;
  double loss_scale = 0;              ///< the `LossScaler`'s factor; 0: there is none
  std::int64_t loss_scale_steps = 0;  ///< its good steps since the factor changed
  std::int64_t best_epoch = 0;        ///< the best score was reached at the end of this epoch (1 = first)
  std::string finished;               ///< "", or why the run is over: "completed", "early stop"

  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("epoch", self.epoch);
    field("batch", self.batch);
    field("step", self.step);
    field("loss_sum", self.loss_sum);
    field("images", self.images);
    field("seconds", self.seconds);
    field("wait_seconds", self.wait_seconds);
    field("last_loss", self.last_loss);
    field("has_best", self.has_best);
    field("best_score", self.best_score);
    field("best_epoch", self.best_epoch);
    field("loss_scale", self.loss_scale);
    field("loss_scale_steps", self.loss_scale_steps);
    field("finished", self.finished);
  }
};

/// The content of last.state.safetensors.
struct TrainingState {
  StateDict weights;    ///< parameters and buffers of the model
  StateDict optimizer;  ///< `optimizer_state`
  StateDict rng;        ///< generator states, byte tensors
  TrainingProgress progress;
  nlohmann::json settings;  ///< what must not change between the runs; `fit` compares it
  Metadata metadata;        ///< for readers of the weights: "pam.net", "pam.reversed", …
};

/// The files of a checkpoint directory.
struct CheckpointPaths {
  explicit CheckpointPaths(const std::filesystem::path& directory)
      : state(directory / "last.state.safetensors"),
        last(directory / "last.safetensors"),
        best(directory / "best.safetensors") {}
  std::filesystem::path state, last, best;
};

/// Replaces last.state.safetensors, then last.safetensors, each atomically. Throws `Error` where a file cannot be
/// written (full disk, no permission): the former state is then still there.
void save_training_state(const std::filesystem::path& directory, const TrainingState& state);

/// Reads the state that `save_training_state` wrote. Throws `Error`, naming the file, for any other file.
[[nodiscard]] TrainingState read_training_state(const std::filesystem::path& directory);

/// Throws `Error`, which begins with `where`, unless `saved` has the names, shapes and types of `wanted`: the first
/// that differs is named with both shapes.
void check_same_weights(const StateDict& saved, const StateDict& wanted, const std::string& where);

/// Copies `saved` into the tensors of `targets`, which it must match (`check_same_weights`); the tensors stay the same
/// objects, so optimizers that hold them stay valid.
void copy_weights(const StateDict& saved, const StateDict& targets);

/// Writes last.safetensors again if its weights are not those of `state` (the process was killed between two renames).
void repair_last_weights(const std::filesystem::path& directory, const TrainingState& state);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/train/checkpoint-inl.hpp>
#endif

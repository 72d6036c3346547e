// SPDX-License-Identifier: MIT
/// Checkpoints of a training, in one directory:
///   last.state.safetensors   all that a resumed run needs: weights, optimizer state by name, RNG, progress, settings
///   last.safetensors         the same weights alone, for prediction and for Python
///   best.safetensors         the weights of the epoch with the best validation score
///
/// Two files cannot be renamed in one atomic step, so the pair is made safe by making one file enough: a resumed run
/// reads last.state.safetensors alone, which is replaced by one atomic rename, and rewrites last.safetensors from it
/// where the two differ. Whenever a process is killed, the state is the old or the new one, whole, and a reader of
/// last.safetensors gets whole weights that are at most one checkpoint older. The price is the weights stored twice.
/// The state, the larger file, is written first: a full disk refuses it before anything has changed.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/options_json.hpp>
#include <pam/train/detail/optimizer_state.hpp>
#include <pam/weights/safetensors.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <utility>

namespace pam {

/// How far a training is. All that the loop knows of the past, so that a resumed epoch reports the same numbers.
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

namespace detail {

constexpr int kTrainingStateVersion = 1;

inline void append_prefixed(StateDict& all, const std::string& prefix, const StateDict& part) {
  for (const auto& [name, tensor] : part) all.emplace_back(prefix + name, tensor);
}

/// Moves the entries of `all` whose name begins with `prefix` into `part`, without it.
inline bool take_prefixed(const std::string& prefix, const std::string& name, const torch::Tensor& tensor,
                          StateDict& part) {
  if (name.compare(0, prefix.size(), prefix) != 0) return false;
  part.emplace_back(name.substr(prefix.size()), tensor);
  return true;
}

inline TrainingProgress parse_progress(const nlohmann::json& json, const std::string& where) {
  TrainingProgress progress;
  options_from_json(json, progress, where);
  TrainingProgress::visit(progress, [&](const char* name, const auto&) {
    check(json.contains(name), "{}: {} is missing; the file is damaged: start again or take an older copy", where,
          name);
  });
  check(progress.epoch >= 0 && progress.batch >= 0 && progress.step >= 0 && progress.images >= 0,
        "{}: epoch, batch, step and images must not be negative; the file is damaged", where);
  return progress;
}

inline bool same_tensors(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  std::unordered_map<std::string, torch::Tensor> named(b.begin(), b.end());
  for (const auto& [name, tensor] : a) {
    const auto other = named.find(name);
    if (other == named.end() || other->second.scalar_type() != tensor.scalar_type() ||
        !torch::equal(other->second, tensor.to(torch::kCPU))) {
      return false;
    }
  }
  return true;
}

}  // namespace detail

/// Replaces last.state.safetensors, then last.safetensors, each atomically. Throws `Error` where a file cannot be
/// written (full disk, no permission): the former state is then still there.
inline void save_training_state(const std::filesystem::path& directory, const TrainingState& state) {
  const CheckpointPaths paths(directory);
  StateDict tensors;
  detail::append_prefixed(tensors, "model.", state.weights);
  detail::append_prefixed(tensors, "optimizer.", state.optimizer);
  detail::append_prefixed(tensors, "rng.", state.rng);
  auto metadata = state.metadata;
  metadata["pam.training"] = nlohmann::json{
      {"version", detail::kTrainingStateVersion},
      {"progress", options_to_json(state.progress)},
      {"settings",
       state.settings}}.dump();
  write_safetensors(paths.state, tensors, metadata);
  write_safetensors(paths.last, state.weights, state.metadata);
}

/// Reads the state that `save_training_state` wrote. Throws `Error`, naming the file, where it is not one.
[[nodiscard]] inline TrainingState read_training_state(const std::filesystem::path& directory) {
  const auto path = CheckpointPaths(directory).state;
  auto file = [&] {
    try {
      return read_safetensors(path);
    } catch (const Error& error) {
      fail("{}; the training cannot go on from it: take an older copy, or begin again (overwrite)", error.what());
    }
  }();
  TrainingState state;
  const auto text = file.metadata.find("pam.training");
  check(text != file.metadata.end(),
        "{}: it holds no training state (no pam.training in its metadata); to start from "
        "its weights, load them into the net and begin a new run",
        path.string());
  const auto json = nlohmann::json::parse(text->second, nullptr, /*allow_exceptions=*/false);
  check(json.is_object() && json.contains("version") && json.contains("progress") && json.contains("settings"),
        "{}: pam.training is not what pam writes; the file is damaged", path.string());
  check(json["version"] == detail::kTrainingStateVersion,
        "{}: training state of version {}, but this pam reads version {}; resume with the pam that wrote it",
        path.string(), json["version"].dump(), detail::kTrainingStateVersion);
  state.progress = detail::parse_progress(json["progress"], path.string() + ": progress");
  state.settings = json["settings"];
  state.metadata = std::move(file.metadata);
  state.metadata.erase("pam.training");
  for (const auto& [name, tensor] : file.tensors) {
    check(detail::take_prefixed("model.", name, tensor, state.weights) ||
              detail::take_prefixed("optimizer.", name, tensor, state.optimizer) ||
              detail::take_prefixed("rng.", name, tensor, state.rng),
          "{}: tensor '{}' is no part of a training state; the file is damaged", path.string(),
          detail::printable(name));
  }
  return state;
}

/// Throws `Error`, which begins with `where`, unless `saved` has the names, shapes and types of `wanted`: the first
/// that differs is named with both shapes.
inline void check_same_weights(const StateDict& saved, const StateDict& wanted, const std::string& where) {
  constexpr const char* remedy = "resume with the net that the checkpoint was made with";
  std::unordered_map<std::string, torch::Tensor> named(saved.begin(), saved.end());
  for (const auto& [name, tensor] : wanted) {
    const auto found = named.find(name);
    check(found != named.end(), "{}: it has no '{}', which this net has (shape {}): another depth or another net; {}",
          where, name, shape_string(tensor), remedy);
    check(found->second.sizes() == tensor.sizes(), "{}: '{}' has shape {} in the checkpoint, but this net has {}; {}",
          where, name, shape_string(found->second), shape_string(tensor), remedy);
    check(found->second.scalar_type() == tensor.scalar_type(),
          "{}: '{}' has type {} in the checkpoint, but this net has {}; {}", where, name,
          c10::toString(found->second.scalar_type()), c10::toString(tensor.scalar_type()), remedy);
    named.erase(found);
  }
  for (const auto& [name, tensor] : saved) {
    check(named.count(name) == 0,
          "{}: it has '{}' (shape {}), which this net does not have: another depth or another "
          "net; {}",
          where, detail::printable(name), shape_string(tensor), remedy);
  }
}

/// Copies `saved` into the tensors of `targets`, which it must match (`check_same_weights`); the tensors stay the same
/// objects, so optimizers that hold them stay valid.
inline void copy_weights(const StateDict& saved, const StateDict& targets) {
  torch::NoGradGuard no_grad;
  for (auto [name, target] : targets) target.detach().copy_(find_tensor(saved, name));
}

/// Writes last.safetensors again where it is not the weights of `state` (the process was killed between two renames).
inline void repair_last_weights(const std::filesystem::path& directory, const TrainingState& state) {
  const CheckpointPaths paths(directory);
  try {
    if (detail::same_tensors(read_safetensors(paths.last).tensors, state.weights)) return;
  } catch (const Error&) {
    // missing or damaged: written again below
  }
  write_safetensors(paths.last, state.weights, state.metadata);
}

}  // namespace pam

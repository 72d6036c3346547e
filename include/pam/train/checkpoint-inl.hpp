// SPDX-License-Identifier: MIT
/// The definitions of checkpoint.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/options_json.hpp>
#include <pam/train/checkpoint.hpp>
#include <pam/weights/safetensors.hpp>

#include <unordered_map>
#include <utility>

namespace pam {
namespace detail {

constexpr int kTrainingStateVersion = 1;

PAM_FUNC void append_prefixed(StateDict& all, const std::string& prefix, const StateDict& part) {
  for (const auto& [name, tensor] : part) all.emplace_back(prefix + name, tensor);
}

/// Moves the entries of `all` whose name begins with `prefix` into `part`, without it.
PAM_FUNC bool take_prefixed(const std::string& prefix, const std::string& name, const torch::Tensor& tensor,
                            StateDict& part) {
  if (name.compare(0, prefix.size(), prefix) != 0) return false;
  part.emplace_back(name.substr(prefix.size()), tensor);
  return true;
}

PAM_FUNC TrainingProgress parse_progress(const nlohmann::json& json, const std::string& where) {
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

PAM_FUNC bool same_tensors(const StateDict& a, const StateDict& b) {
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

PAM_FUNC void save_training_state(const std::filesystem::path& directory, const TrainingState& state) {
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

PAM_FUNC TrainingState read_training_state(const std::filesystem::path& directory) {
  const auto path = CheckpointPaths(directory).state;
  auto file = [&] {
    try {
      return read_safetensors(path);
    } catch (const Error& error) {
      fail("{}; the training cannot continue from it: use an older copy, or start again (overwrite)", error.what());
    }
  }();
  TrainingState state;
  const auto text = file.metadata.find("pam.training");
  check(text != file.metadata.end(),
        "{}: it holds no training state (no pam.training in its metadata); to start from its weights, load them into "
        "the net and begin a new run",
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

PAM_FUNC void check_same_weights(const StateDict& saved, const StateDict& wanted, const std::string& where) {
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
          "{}: it has '{}' (shape {}), which this net does not have: another depth or another net; {}", where,
          detail::printable(name), shape_string(tensor), remedy);
  }
}

PAM_FUNC void copy_weights(const StateDict& saved, const StateDict& targets) {
  torch::NoGradGuard no_grad;
  for (auto [name, target] : targets) target.detach().copy_(find_tensor(saved, name));
}

PAM_FUNC void repair_last_weights(const std::filesystem::path& directory, const TrainingState& state) {
  const CheckpointPaths paths(directory);
  try {
    if (detail::same_tensors(read_safetensors(paths.last).tensors, state.weights)) return;
  } catch (const Error&) {
    // missing or damaged: written again below
  }
  write_safetensors(paths.last, state.weights, state.metadata);
}

}  // namespace pam

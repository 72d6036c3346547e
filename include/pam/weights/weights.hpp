// SPDX-License-Identifier: MIT
/// `load_weights` and `save_weights`: a net's parameters and buffers by name, to and from `.safetensors` and Python's
/// `.pt`/`.pth`. Loading compares all names and shapes, in both directions, before it changes anything. A net that says
/// whether it learns reversed labels (core/reversible.hpp) refuses weights that were trained the other way.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/reversible.hpp>
#include <pam/weights/load_report.hpp>
#include <pam/weights/safetensors.hpp>
#include <pam/weights/state_dict.hpp>
#include <pam/weights/torch_zip.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace pam {

/// How `load_weights` matches a file with a module.
struct LoadOptions {
  /// Throw unless the file and the module have exactly the same names and shapes. False: load what fits and report.
  bool strict = true;
  /// Take the file's tensors whose names begin with this ("model."), without it, and leave out the others. Default:
  /// all tensors, without the prefix that all of them share ("model.", "net.", "_forward_module.") where the rest then
  /// fits the module.
  std::string key_prefix;
  /// The module's name for a file's name; an empty result leaves the entry out. Gets names without `module.` and
  /// `_orig_mod.`. Default: the names as they are.
  std::function<std::string(const std::string&)> key_map;
  /// `.pt` only: the key of a checkpoint under which the weights lie. Default: found by itself (`read_torch_zip`).
  std::string section;
  /// Whether the weights were trained on reversed labels, for files that do not say (no "pam.reversed" in their
  /// metadata). A net that learns reversed labels needs the answer from one of the two. Contradicting the file or the
  /// net is an error.
  std::optional<bool> reversed;
  /// Refuse weights that are NaN or infinite, or too large for the net's type (1e39 into float32), naming the tensor of
  /// the file. `load_network` always does.
  bool require_finite = false;
};

/// Reads `path` in whichever format its content has, not its name. `section`: see `LoadOptions`.
/// Throws `Error` for unknown formats, with the remedy for those that Python wrote.
[[nodiscard]] WeightsFile read_weights(const std::filesystem::path& path, const std::string& section = {});

namespace detail {

LoadReport load_state_dict(torch::nn::Module& module, std::optional<bool> net_reversed, const WeightsFile& weights,
                           const std::string& file, const LoadOptions& options);
LoadReport load_weights(torch::nn::Module& module, std::optional<bool> net_reversed, const std::filesystem::path& path,
                        const LoadOptions& options);
void save_weights(const torch::nn::Module& module, std::optional<bool> net_reversed, const std::filesystem::path& path,
                  const Metadata& metadata);

/// What the metadata of `file` say under "pam.reversed"; throws `Error` for anything but "true" and "false".
std::optional<bool> noted_reversed(const std::string& file, const Metadata& metadata);

}  // namespace detail

/// Copies `weights` into the parameters and buffers of `net` (a module, module holder or `Network`), matched by name,
/// keeping the net's device and type (float16 in the file becomes float32 in a float32 net; fractions never become
/// integers). `file` is what messages call the source. Nothing is touched unless everything that `options` ask for
/// fits; throws `Error` with the whole report otherwise, and where the weights were trained on reversed labels and the
/// net was not, or the other way round.
template <typename Net>
LoadReport load_state_dict(Net& net, const WeightsFile& weights, const std::string& file,
                           const LoadOptions& options = {}) {
  return detail::load_state_dict(detail::module_of(net), reversed_of(net), weights, file, options);
}

/// Loads the weights in `path` (`.safetensors`, `.pt`, `.pth`; the content decides, not the name) into `net`.
/// Strict by default: every parameter and buffer must be in the file with its shape, and nothing else may be.
/// Throws `Error` naming what is missing, unexpected or of another shape, with nearest names and the remedy, and where
/// net and file contradict each other on reversed labels; the net is then as it was.
/// Example: `pam::load_weights(net, "unet.pt").text()` says what was loaded.
template <typename Net>
LoadReport load_weights(Net& net, const std::filesystem::path& path, const LoadOptions& options = {}) {
  return detail::load_weights(detail::module_of(net), reversed_of(net), path, options);
}

/// Saves the parameters and buffers of `net` to `path`, atomically, in the format of its extension: `.safetensors`,
/// `.pt` or `.pth`. `metadata` gets "pam.version", "pam.reversed" where the net says whether it learns reversed labels,
/// and, in safetensors, "format", unless it has them. For nets of pam, `save_network` (inference/load_network.hpp) also
/// writes which net it is.
/// Throws `Error` for another extension, where `path` cannot be written, and where `metadata` contradict the net.
template <typename Net>
void save_weights(const Net& net, const std::filesystem::path& path, const Metadata& metadata = {}) {
  detail::save_weights(detail::const_module_of(net), reversed_of(net), path, metadata);
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/weights/weights-inl.hpp>
#endif

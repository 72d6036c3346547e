// SPDX-License-Identifier: MIT
/// `pretrained`: nets with weights files in a few known folders (weights/README.md), by name.
///
///     const pam::Predictor predictor(pam::pretrained("hippocampus_fpa"));
///
/// NAME.safetensors is taken from the first of these folders that holds it:
///   1. $PAM_WEIGHTS_DIR
///   2. ../share/pam/weights beside the running program (PREFIX/bin/PROGRAM; on Linux)
///   3. share/pam/weights of the installation that these headers belong to
///   4. weights/ of the source tree that these headers belong to
/// 3 and 4 are where the compiler found these headers (__FILE__): a relative include path (-Iinclude) makes them
/// relative to the working directory, and -ffile-prefix-map changes them. PAM_WEIGHTS_DIR is independent of that.
#pragma once

#include <pam/core/config.hpp>
#include <pam/inference/load_network.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam {

/// The folders in which pretrained weights are looked for, in this order, whether they exist or not.
[[nodiscard]] std::vector<std::filesystem::path> pretrained_folders();

/// Where the weights `name` are, "hippocampus_fpa" for example. Throws `Error` for a name that none of the folders
/// holds, listing the names that there are and the folders, and for what is no name (slashes, an extension).
[[nodiscard]] std::filesystem::path pretrained_path(const std::string& name);

/// The names of all weights in `pretrained_folders()`, sorted, each once.
[[nodiscard]] std::vector<std::string> pretrained_names();

/// The net `name` with its weights and the preparation of its images, in eval mode, on the CPU: `load_network` of
/// `pretrained_path(name)`. Files may hold float16; the net is float32. Throws as both do.
PAM_LAZY [[nodiscard]] LoadedNetwork pretrained(const std::string& name);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/pretrained-inl.hpp>
#endif

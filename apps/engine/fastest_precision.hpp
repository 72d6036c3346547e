// SPDX-License-Identifier: MIT
/// `fastest_precision`: what --precision auto means. bfloat16 has 8 significant bits where float32 has 24, so float32 it is
/// unless bfloat16 is clearly faster here, which is measured once per machine.
#pragma once

#include <pam/core/cache_folder.hpp>
#include <pam/core/precision.hpp>
#include <pam/nets/network.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace pam::apps {

/// Milliseconds of the same computation in both types.
struct PrecisionTimes {
  double float32 = 0, bfloat16 = 0;

  /// bfloat16 where it is at least 5 % faster, else float32.
  [[nodiscard]] Precision faster() const {
    return bfloat16 * 1.05 <= float32 ? Precision::Bfloat16 : Precision::Float32;
  }
};

/// A precision, and a sentence for people that says why.
struct PrecisionChoice {
  Precision precision = Precision::Float32;
  std::string reason;
};

/// The times that `file` (JSON) keeps under `key`, or those that `measure` returns, which it then keeps. A file that is
/// damaged, or cannot be written, is no error: then every run measures.
PrecisionTimes kept_times(const std::filesystem::path& file, const std::string& key,
                          const std::function<PrecisionTimes()>& measure);

/// Whether `flags`, those of /proc/cpuinfo, name instructions for bfloat16: without them it is slower by far.
bool has_bfloat16(const std::string& flags);

/// The faster precision for all of `nets` together, on `device` in the given layout: of a training step (forward and
/// backward pass) or of a forward pass, with 4 images of 160 x 160 (or the least that the net takes). On a CPU the times
/// are kept in `cache` under the processor, LibTorch, the number of threads, the net and the task.
PrecisionChoice fastest_precision(const std::vector<Network>& nets, bool training, torch::Device device,
                                  bool channels_last, const std::filesystem::path& cache = cache_folder());

}  // namespace pam::apps

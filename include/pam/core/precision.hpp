// SPDX-License-Identifier: MIT
/// `Precision`: the type in which a net computes. The weights stay float32 in any case; LibTorch's autocast casts them
/// and the activations for convolutions and matrix products.
#pragma once

#include <pam/core/autocast.hpp>

#include <string>

namespace pam {

enum class Precision {
  Float32,   ///< everything in float32
  Bfloat16,  ///< float32's range with 8 significant bits: needs no scaled loss; CPU and GPU
  Float16,   ///< 11 significant bits, but nothing below 6e-8: gradients need a scaled loss (`LossScaler`); GPU alone
};
inline const char* to_string(Precision value) {
  return value == Precision::Float32 ? "float32" : value == Precision::Bfloat16 ? "bfloat16" : "float16";
}
inline const char* option_names(Precision) { return "\"float32\", \"bfloat16\" or \"float16\""; }
inline bool from_string(const std::string& name, Precision& value) {
  for (const auto each : {Precision::Float32, Precision::Bfloat16, Precision::Float16}) {
    if (name != to_string(each)) continue;
    value = each;
    return true;
  }
  return false;
}

/// The type that LibTorch computes in.
inline torch::ScalarType scalar_type(Precision value) {
  return value == Precision::Float32 ? torch::kFloat : value == Precision::Bfloat16 ? torch::kBFloat16 : torch::kHalf;
}

/// Throws `Error` where `device` cannot compute in `precision`: float16 on a CPU.
inline void check_precision(Precision precision, torch::Device device) {
  check(precision != Precision::Float16 || !device.is_cpu(),
        "precision float16: a CPU does not compute in it; use bfloat16 or float32, or a GPU");
}

/// Autocast to `precision` during the lifetime of the result; with Float32 autocast is off, whatever the outer scope.
/// Throws as `check_precision`. Example: `const auto scope = autocast(device, Precision::Bfloat16);`
[[nodiscard]] inline AutocastScope autocast(torch::Device device, Precision precision) {
  check_precision(precision, device);
  const bool enabled = precision != Precision::Float32;
  return AutocastScope(device, enabled ? scalar_type(precision) : torch::kBFloat16, enabled);
}

}  // namespace pam

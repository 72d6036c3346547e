// SPDX-License-Identifier: MIT
/// `Precision`: the type in which a net computes. The weights stay float32 in any case; LibTorch's autocast casts them
/// and the activations for convolutions and matrix products.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/autocast.hpp>

#include <string>

namespace pam {

enum class Precision {
  Float32,   ///< everything in float32
  Bfloat16,  ///< float32's range with 8 significant bits: needs no scaled loss; CPU and GPU
  Float16,   ///< 11 significant bits, but nothing below 6e-8: gradients need a scaled loss (`LossScaler`); GPU only
};
inline const char* to_string(Precision value) {
  return value == Precision::Float32 ? "float32" : value == Precision::Bfloat16 ? "bfloat16" : "float16";
}
inline const char* option_names(Precision) { return "\"float32\", \"bfloat16\" or \"float16\""; }
bool from_string(const std::string& name, Precision& value);

/// The type that LibTorch computes in.
inline torch::ScalarType scalar_type(Precision value) {
  return value == Precision::Float32 ? torch::kFloat : value == Precision::Bfloat16 ? torch::kBFloat16 : torch::kHalf;
}

/// Throws `Error` where `device` cannot compute in `precision`: float16 on a CPU.
void check_precision(Precision precision, torch::Device device);

/// Autocast to `precision` during the lifetime of the result; with Float32 autocast is off, whatever the outer scope.
/// Throws as `check_precision`. Example: `const auto scope = autocast(device, Precision::Bfloat16);`
[[nodiscard]] AutocastScope autocast(torch::Device device, Precision precision);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/core/precision-inl.hpp>
#endif

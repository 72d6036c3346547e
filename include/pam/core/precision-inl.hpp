// SPDX-License-Identifier: MIT
/// The definitions of precision.hpp.
#pragma once

#include <pam/core/autocast.hpp>
#include <pam/core/precision.hpp>

#include <string>

namespace pam {

PAM_FUNC bool from_string(const std::string& name, Precision& value) {
  for (const auto each : {Precision::Float32, Precision::Bfloat16, Precision::Float16}) {
    if (name != to_string(each)) continue;
    value = each;
    return true;
  }
  return false;
}

PAM_FUNC void check_precision(Precision precision, torch::Device device) {
  check(precision != Precision::Float16 || !device.is_cpu(),
        "precision float16: a CPU does not compute in it; use bfloat16 or float32, or a GPU");
}

PAM_FUNC AutocastScope autocast(torch::Device device, Precision precision) {
  check_precision(precision, device);
  const bool enabled = precision != Precision::Float32;
  return AutocastScope(device, enabled ? scalar_type(precision) : torch::kBFloat16, enabled);
}

}  // namespace pam

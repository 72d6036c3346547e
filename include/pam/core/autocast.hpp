// SPDX-License-Identifier: MIT
/// `AutocastScope`: LibTorch's autocast as a scope, for all versions (its functions were renamed in 2.4).
#pragma once

#include <pam/core/error.hpp>

#include <ATen/autocast_mode.h>

namespace pam {

/// True inside of a scope in which LibTorch computes convolutions on `device`'s kind of device in a narrower type.
inline bool autocast_enabled(torch::DeviceType device) {
#if PAM_TORCH_AT_LEAST(2, 4)
  return at::autocast::is_autocast_enabled(device);
#else
  return device == torch::kCPU ? at::autocast::is_cpu_enabled() : at::autocast::is_enabled();
#endif
}

/// During its lifetime LibTorch computes convolutions and matrix products on `device`'s kind of device in `type` (bf16
/// or fp16; the weights keep their type). `enabled` false switches autocast off instead. The destructor restores the
/// earlier setting. Scopes nest, and each drops LibTorch's cached casts of the weights when it begins and ends:
/// LibTorch itself drops them only at the end of the outermost scope, so that after an optimizer step the next scope
/// would still use the old weights. Throws `Error` for other types, and for fp16 on a CPU, which LibTorch 1.13 lacks.
class AutocastScope {
 public:
  explicit AutocastScope(torch::Device device, torch::ScalarType type = torch::kBFloat16, bool enabled = true)
      : device_(device.type()), was_enabled_(autocast_enabled(device_)), was_type_(get_type()) {
    check(type == torch::kBFloat16 || (type == torch::kHalf && device_ != torch::kCPU),
          "autocast: {} on {} is not supported; use bfloat16, or float16 on a GPU", c10::toString(type),
          c10::DeviceTypeName(device_, true));
    at::autocast::increment_nesting();
    at::autocast::clear_cache();
    set(enabled, type);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;
  ~AutocastScope() {
    at::autocast::decrement_nesting();
    at::autocast::clear_cache();
    set(was_enabled_, was_type_);
  }

 private:
#if PAM_TORCH_AT_LEAST(2, 4)
  [[nodiscard]] torch::ScalarType get_type() const { return at::autocast::get_autocast_dtype(device_); }
  void set(bool enabled, torch::ScalarType type) const {
    at::autocast::set_autocast_enabled(device_, enabled);
    at::autocast::set_autocast_dtype(device_, type);
  }
#else
  [[nodiscard]] bool on_cpu() const { return device_ == torch::kCPU; }
  [[nodiscard]] torch::ScalarType get_type() const {
    return on_cpu() ? at::autocast::get_autocast_cpu_dtype() : at::autocast::get_autocast_gpu_dtype();
  }
  void set(bool enabled, torch::ScalarType type) const {
    if (on_cpu()) {
      at::autocast::set_cpu_enabled(enabled);
      at::autocast::set_autocast_cpu_dtype(type);
    } else {
      at::autocast::set_enabled(enabled);
      at::autocast::set_autocast_gpu_dtype(type);
    }
  }
#endif

  torch::DeviceType device_;
  bool was_enabled_;
  torch::ScalarType was_type_;
};

}  // namespace pam

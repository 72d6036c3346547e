// SPDX-License-Identifier: MIT
/// Which implementation of a kernel is used: the reference expression (LibTorch operations) or pam's fused one.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

#include <atomic>
#include <optional>

namespace pam::kernels {

/// `Fused` falls back to `Reference` where there is no fused kernel for the given tensors (float64, for example).
enum class Backend { Reference, Fused };

namespace detail {
inline std::atomic<Backend>& global_backend() {
  static std::atomic<Backend> backend{Backend::Fused};
  return backend;
}
}  // namespace detail

/// The backend of every module without a choice of its own. Default: `Fused`.
inline Backend default_backend() { return detail::global_backend(); }
inline void set_default_backend(Backend backend) { detail::global_backend() = backend; }

/// Base of modules that call kernels: the module's own choice of backend, else the global one.
class BackendUser {
 public:
  virtual ~BackendUser() = default;
  [[nodiscard]] Backend backend() const { return choice_.value_or(default_backend()); }
  void set_backend(std::optional<Backend> backend) { choice_ = backend; }

 private:
  std::optional<Backend> choice_;
};

/// Sets the backend of `module` and everything in it; `std::nullopt` returns to the global choice.
inline void set_backend(torch::nn::Module& module, std::optional<Backend> backend) {
  for (const auto& child : module.modules()) {
    if (auto* user = dynamic_cast<BackendUser*>(child.get())) user->set_backend(backend);
  }
}

}  // namespace pam::kernels

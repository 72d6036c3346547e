// SPDX-License-Identifier: MIT
/// Which device runs the CUDA kernels for a tensor: with component cuda the GPU that holds it, and in tests of any
/// build the host.
#pragma once

#include <pam/kernels/detail/cuda/launcher.hpp>

#include <atomic>

#ifdef PAM_WITH_CUDA
#include <pam/kernels/detail/cuda/gpu.hpp>
#endif

namespace pam::kernels::cuda {

/// For tests: used in place of a GPU, for tensors on any device. Null: none.
inline std::atomic<Launcher*>& stand_in() {
  static std::atomic<Launcher*> launcher{nullptr};
  return launcher;
}

/// The GPU that holds x, or null where x is not on one.
inline Launcher* launcher_of(const torch::Tensor& x) {
  if (auto* launcher = stand_in().load()) return launcher;
#ifdef PAM_WITH_CUDA
  if (!x.is_cuda()) return nullptr;
  static std::mutex mutex;
  static std::map<int, std::unique_ptr<Gpu>> gpus;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto index = static_cast<int>(x.get_device());
  auto& gpu = gpus[index];
  if (!gpu) gpu = std::make_unique<Gpu>(index);
  return gpu.get();
#else
  static_cast<void>(x);
  return nullptr;
#endif
}

/// Dense float32, bfloat16 or float16 (N, C, H, W) on a GPU that can run the kernels; not empty, not traced, and small
/// enough for the kernels' 32-bit indices within a sample.
inline bool takes(const torch::Tensor& x) {
  if (!x.defined() || x.layout() != torch::kStrided || x.dim() != 4 || x.numel() == 0) return false;
  const auto type = x.scalar_type();
  if (type != torch::kFloat && type != torch::kBFloat16 && type != torch::kHalf) return false;
  if (x.numel() / x.size(0) >= (std::int64_t{1} << 31) || x.size(0) > 65535) return false;
  if (c10::impl::tls_is_dispatch_key_included(c10::DispatchKey::Tracer)) return false;
  auto* launcher = launcher_of(x);
  return launcher != nullptr && launcher->ready(type);
}

}  // namespace pam::kernels::cuda

// SPDX-License-Identifier: MIT
/// Copies batches to the device; on a GPU beside the computation of the batch before.
#pragma once

#include <pam/core/torch.hpp>

#ifdef PAM_WITH_CUDA
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <optional>
#endif

namespace pam::detail {

class DeviceCopy {
 public:
  explicit DeviceCopy(torch::Device device) : device_(device) {}

  /// `x` on the device. Nothing waits on the host if x is page-locked (`LoaderOptions::pin_memory`); then, with
  /// component cuda, it is copied on a stream of its own, and the current stream waits for it.
  torch::Tensor operator()(const torch::Tensor& x) {
#ifdef PAM_WITH_CUDA
    if (device_.is_cuda() && x.device().is_cpu() && x.is_pinned()) return beside(x);
#endif
    return x.to(device_, /*non_blocking=*/true);
  }

 private:
#ifdef PAM_WITH_CUDA
  torch::Tensor beside(const torch::Tensor& x) {
    const auto current = c10::cuda::getCurrentCUDAStream(device_.index());
    if (!stream_) stream_ = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index());
    torch::Tensor copy;
    at::cuda::CUDAEvent copied;
    {
      const c10::cuda::CUDAStreamGuard on_copies(*stream_);
      copy = x.to(device_, /*non_blocking=*/true);
      copied.record(*stream_);
    }
    copied.block(current);
    copy.record_stream(current.unwrap());  // its memory is the other stream's, which must not reuse it too early
    return copy;
  }

  std::optional<c10::cuda::CUDAStream> stream_;
#endif

  torch::Device device_;
};

}  // namespace pam::detail

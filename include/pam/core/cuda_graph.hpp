// SPDX-License-Identifier: MIT
/// `CudaGraph`: work on fixed tensors, recorded once and replayed with a single launch. With small batches most of a
/// net's time goes into kernel launches, not arithmetic. If nothing can be recorded (tensors on the CPU, a build
/// without component cuda, LibTorch before 2.4, work that waits for the device), `reason()` says why and the caller
/// runs the work eagerly.
#pragma once

#include <pam/core/cudnn_benchmark.hpp>
#include <pam/core/error.hpp>

#include <ATen/autocast_mode.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#if defined(PAM_WITH_CUDA) && PAM_TORCH_AT_LEAST(2, 4)
#define PAM_HAS_CUDA_GRAPHS 1
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#endif

namespace pam {

/// Warm-up runs before the recording: cuDNN measures its algorithms in them (core/cudnn_benchmark.hpp), and pam's
/// kernels are compiled and loaded.
inline constexpr int kGraphWarmUps = 3;

class CudaGraph {
 public:
  /// On a CUDA `device`: runs `work` a few times on a stream of its own, then records it. The work must read and write
  /// the same memory each time, and never wait for the device. An exception in a warm-up run is passed on; a failed
  /// recording is a warning. On other devices `work` is not called.
  CudaGraph(torch::Device device, const std::function<void()>& work) {
    if (!device.is_cuda()) {
      reason_ = "the tensors are on the " + device.str();
      return;
    }
#ifdef PAM_HAS_CUDA_GRAPHS
    record(device, work);
    if (!recorded()) {
      TORCH_WARN(
          "pam: no CUDA graph could be recorded, and the work runs without one: ", reason_,
          "\nWork that waits for the device (.item(), .cpu(), printing) cannot be recorded. In training, neither can "
          "it while a loss or output of an earlier forward pass is alive: drop those first.");
    }
#else
    static_cast<void>(work);
    reason_ = "this program was built without pam's component cuda, or with LibTorch before 2.4";
#endif
  }

  /// False: `replay` must not be called.
  [[nodiscard]] bool recorded() const {
#ifdef PAM_HAS_CUDA_GRAPHS
    return graph_ != nullptr;
#else
    return false;
#endif
  }

  /// Why nothing was recorded; empty where it was.
  [[nodiscard]] const std::string& reason() const { return reason_; }

  /// Starts the recorded work on the current stream; does not wait for it.
  void replay() {
#ifdef PAM_HAS_CUDA_GRAPHS
    if (graph_) return graph_->replay();
#endif
    fail("CudaGraph: nothing was recorded ({}); ask recorded() first", reason_);
  }

 private:
  std::string reason_;

#ifdef PAM_HAS_CUDA_GRAPHS
  using Pool = decltype(at::cuda::graph_pool_handle());  // its name has moved between LibTorch's versions

  void record(torch::Device device, const std::function<void()>& work) {
    const c10::cuda::CUDAGuard on_device(device);
    const CudnnBenchmark measured;  // the warm-ups measure, and the recording finds what they chose
    const auto side = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index());
    c10::cuda::device_synchronize();  // the side stream sees all that was done before
    {
      const c10::cuda::CUDAStreamGuard on_side(side);
      for (int i = 0; i < kGraphWarmUps; ++i) work();
      // Autocast keeps the casts of weights of an enclosing scope. The graph needs casts of its own: it would go on
      // reading these, which follow no later step of the weights and are freed with the scope.
      at::autocast::clear_cache();
      c10::cuda::device_synchronize();
      c10::cuda::CUDACachingAllocator::emptyCache();  // the graph has a pool of its own, which cannot use that memory
      capture(device, work);
      at::autocast::clear_cache();
    }
    c10::cuda::device_synchronize();
  }

  void capture(torch::Device device, const std::function<void()>& work) {
    auto graph = std::make_unique<at::cuda::CUDAGraph>();
    const auto pool = at::cuda::graph_pool_handle();
    const auto random = at::cuda::detail::getDefaultCUDAGenerator(device.index()).clone();
    try {
      // Thread-local: loader threads may page-lock memory meanwhile. Autograd's threads launch on the same stream, and
      // what they launch is recorded in every mode.
      graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      work();
      graph->capture_end();
      graph_ = std::move(graph);
    } catch (const std::exception& error) {
      reason_ = first_line(error);
      abandon(*graph, device, pool, random);
      static_cast<void>(graph.release());  // kept: LibTorch's allocators may still ask it which memory is its own
    }
  }

  /// Leaves the stream and the allocator as they were; parts of this fail according to how far the recording came.
  static void abandon(at::cuda::CUDAGraph& graph, torch::Device device, Pool pool, const at::Generator& random) {
    const auto quietly = [](const auto& step) {
      try {
        step();
      } catch (const std::exception&) {
      }
    };
    quietly([&] { graph.capture_end(); });
    quietly([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device.index(), pool); });
    // The generator still believes that it is being recorded, and would refuse to draw.
    quietly([&] {
      auto generator = at::cuda::detail::getDefaultCUDAGenerator(device.index());
      const std::lock_guard<std::mutex> lock(generator.mutex());
      generator.graphsafe_set_state(random);
    });
    cudaGetLastError();  // clears the failed recording's error, which the next caller would take for its own
  }

  static std::string first_line(const std::exception& error) {
    const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
    const std::string text = from_torch ? from_torch->what_without_backtrace() : error.what();
    return text.substr(0, text.find('\n'));
  }

  std::unique_ptr<at::cuda::CUDAGraph> graph_;
#endif
};

/// Keeps the memory that a graph reads alive, and detects when its owners have moved elsewhere (`module->to(...)`).
class FixedTensors {
 public:
  FixedTensors() = default;
  explicit FixedTensors(std::vector<torch::Tensor> tensors) : tensors_(std::move(tensors)) {
    for (const auto& tensor : tensors_) memory_.push_back(tensor.detach());
  }

  [[nodiscard]] bool moved() const {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].data_ptr() != memory_[i].data_ptr()) return true;
    }
    return false;
  }

 private:
  std::vector<torch::Tensor> tensors_, memory_;  // `module->to` changes the former's storage, not the latter's
};

/// "[2, 4, 160, 160] float on cuda:0", as the graphed classes print a tensor in messages.
inline std::string describe_tensor(const torch::Tensor& x) {
  if (!x.defined()) return "an undefined tensor";
  return formatted("{} {} on {}", shape_string(x), c10::toString(x.scalar_type()), x.device().str());
}

}  // namespace pam

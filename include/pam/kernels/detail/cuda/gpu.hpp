// SPDX-License-Identifier: MIT
/// The GPU as a Launcher (needs component cuda): kernels are compiled by NVRTC once per process, cached on disk, and
/// launched on LibTorch's current stream. libcuda is never linked: a program that does so does not start on a machine
/// without a driver. The driver's functions are obtained through cudart, which a CUDA LibTorch links already. If
/// anything is missing, the reference expressions are used, with one warning.
#pragma once

#ifdef PAM_WITH_CUDA

#include <pam/core/error.hpp>
#include <pam/core/version.hpp>
#include <pam/kernels/detail/cuda/code_cache.hpp>
#include <pam/kernels/detail/cuda/kernel_store.hpp>
#include <pam/kernels/detail/cuda/nvrtc.hpp>

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace pam::kernels::cuda {

/// A function of the driver; false if there is none.
template <typename F>
bool driver_entry(const char* name, F& f) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult status{};
#if CUDART_VERSION >= 12050
  const auto error = cudaGetDriverEntryPointByVersion(name, &found, 11000, cudaEnableDefault, &status);
#else
  const auto error = cudaGetDriverEntryPoint(name, &found, cudaEnableDefault, &status);
#endif
  if (error != cudaSuccess) cudaGetLastError();  // clears the error, which the next caller would take for its own
  f = reinterpret_cast<F>(found);
  return error == cudaSuccess && f != nullptr;
}
/// False if there is no driver.
inline bool load_driver(DriverFunctions& d) {
  return driver_entry("cuModuleLoadData", d.load_module) && driver_entry("cuModuleGetFunction", d.get_function) &&
         driver_entry("cuFuncSetAttribute", d.set_attribute) && driver_entry("cuLaunchKernel", d.launch);
}

/// During its lifetime this thread may load code while a CUDA graph is being recorded: loading does not affect the
/// graph, but CUDA treats it as work that cannot be recorded.
class LoadingAllowed {
 public:
  LoadingAllowed() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  LoadingAllowed(const LoadingAllowed&) = delete;
  LoadingAllowed& operator=(const LoadingAllowed&) = delete;
  ~LoadingAllowed() { cudaThreadExchangeStreamCaptureMode(&mode_); }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

class Gpu final : public Launcher {
 public:
  /// The NVRTC number `which` (0, 1, ...) of this machine; empty if there is no more.
  using FindNvrtc = std::optional<Nvrtc> (*)(int which);

  /// `find`: for tests, which hide NVRTC.
  explicit Gpu(int index, FindNvrtc find = find_nvrtc)
      : index_(index),
        find_(find),
        store_([this](const std::string& source, int attempt) { return machine_code(source, attempt); }) {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    major_ = attribute(cudaDevAttrComputeCapabilityMajor), minor_ = attribute(cudaDevAttrComputeCapabilityMinor);
    shared_ = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    processors_ = attribute(cudaDevAttrMultiProcessorCount);
    if (major_ < 8) {
      refuse(formatted("the GPU has compute capability {}.{}, and the kernels need 8.0", major_, minor_));
    } else if (!load_driver(store_.driver)) {
      refuse("no CUDA driver was found");
    }
  }

  /// True where kernels for this element type can be compiled and loaded; tries it at the first call.
  bool ready(torch::ScalarType element) override {
    if (refused_) return false;
    const Loading loading(index_);
    if (store_.ready(element)) return true;
    refuse(store_.reason());
    return false;
  }

  void start(const Build& build, const char* kernel, const Launch& launch, void** arguments) override {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index_));
    void* f = [&] {
      const Loading loading(index_);
      // A thread's first use of the device: asking for shared memory needs its context.
      static thread_local int bound = -1;
      if (bound != index_) bind_context();
      bound = index_;
      return store_.function(build, kernel, launch.shared);
    }();
    const auto stream = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(index_)).stream();
    const auto size = [](std::int64_t n) { return static_cast<unsigned>(n); };
    const int status = store_.driver.launch(f, size(launch.grid[0]), size(launch.grid[1]), size(launch.grid[2]),
                                            size(launch.block), 1, 1, size(launch.shared), stream, arguments, nullptr);
    TORCH_CHECK(status == 0, "pam: kernel ", kernel, " could not be launched: CUDA driver error ", status);
  }
  [[nodiscard]] std::int64_t shared_limit() const override { return shared_; }
  [[nodiscard]] std::int64_t busy_blocks() const override { return 4 * processors_; }

 private:
  [[nodiscard]] int attribute(cudaDeviceAttr which) const {
    int value = 0;
    return cudaDeviceGetAttribute(&value, which, index_) == cudaSuccess ? value : 0;
  }

  /// While the store may load code: on the device, and allowed during a recording.
  class Loading {
   public:
    explicit Loading(int index) : guard_(static_cast<c10::DeviceIndex>(index)) {}

   private:
    c10::cuda::CUDAGuard guard_;
    LoadingAllowed allowed_;
  };

  /// Makes the device's context this thread's, which the driver's entries need; a call of the runtime does it.
  static void bind_context() {
    const LoadingAllowed allowed;
    cudaFree(nullptr);
  }

  void refuse(const std::string& reason) {
    refused_ = true;
    static std::once_flag once;
    std::call_once(once, [&] {
      TORCH_WARN("pam: the fused CUDA kernels are off, and the reference expressions take their place: ", reason);
    });
  }

  /// Folders beside the CUDA runtime that LibTorch brought: where a Python wheel keeps NVRTC.
  static std::vector<std::string> library_folders() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&cudaGetDeviceCount), &info) == 0 || info.dli_fname == nullptr) return {};
    const auto folder = std::filesystem::path(info.dli_fname).parent_path();
    return {folder.string(), (folder / "../../cuda_nvrtc/lib").string()};
  }

  static std::optional<Nvrtc> find_nvrtc(int which) {
    return Nvrtc::find(library_folders(), CUDART_VERSION / 1000, which);
  }

  /// Attempt after attempt: machine code of each NVRTC that there is, LibTorch's own first, then PTX of an older
  /// architecture, which the driver compiles: for a GPU that NVRTC does not know yet, or a driver older than NVRTC.
  std::string machine_code(const std::string& source, int attempt) {
    bind_context();
    int compilers = 0;
    std::string log;
    for (const auto& architecture : {formatted("sm_{}{}", major_, minor_), std::string("compute_80")}) {
      for (int which = 0;; ++which) {
        const auto nvrtc = find_(which);
        if (!nvrtc) break;
        ++compilers;
        const CodeCache cache;
        const auto key = formatted("pam {} nvrtc {} {}\n{}", PAM_VERSION, nvrtc->version(), architecture, source);
        auto code = cache.read(key);
        if (!code) {
          const auto compiled = nvrtc->compile(source, architecture);
          if (log.empty()) log = compiled.log;
          if (!compiled.ok()) continue;
          cache.write(key, compiled.code);
          code = compiled.code;
        }
        if (attempt-- == 0) return *code;
      }
    }
    if (store_.reason().empty())
      store_.set_reason(compilers == 0 ? "NVRTC (libnvrtc.so) was not found" : "NVRTC could not compile them: " + log);
    return {};
  }

  int index_, major_ = 0, minor_ = 0;
  FindNvrtc find_;
  std::int64_t shared_ = 0, processors_ = 1;
  std::atomic<bool> refused_{false};
  KernelStore store_;
};

}  // namespace pam::kernels::cuda

#endif  // PAM_WITH_CUDA

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
#include <pam/kernels/detail/cuda/launcher.hpp>
#include <pam/kernels/detail/cuda/nvrtc.hpp>

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace pam::kernels::cuda {

/// The four driver functions needed; their handles are pointers to unnamed structs.
class Driver {
 public:
  /// False if there is no driver.
  bool load() {
    return entry("cuModuleLoadData", load_module) && entry("cuModuleGetFunction", get_function) &&
           entry("cuFuncSetAttribute", set_attribute) && entry("cuLaunchKernel", launch);
  }

  int (*load_module)(void**, const void*) = nullptr;
  int (*get_function)(void**, void*, const char*) = nullptr;
  int (*set_attribute)(void*, int, int) = nullptr;
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**,
                void**) = nullptr;

 private:
  template <typename F>
  static bool entry(const char* name, F& f) {
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
};

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
  explicit Gpu(int index) : index_(index) {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    major_ = attribute(cudaDevAttrComputeCapabilityMajor), minor_ = attribute(cudaDevAttrComputeCapabilityMinor);
    shared_ = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    processors_ = attribute(cudaDevAttrMultiProcessorCount);
    if (major_ < 8) {
      refuse(formatted("the GPU has compute capability {}.{}, and the kernels need 8.0", major_, minor_));
    } else if (!driver_.load()) {
      refuse("no CUDA driver was found");
    }
  }

  /// True where the kernels for this element type are compiled and loaded; compiles them at the first call.
  bool ready(torch::ScalarType element) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (refused_) return false;
    const int widest = element == torch::kFloat ? 4 : 8;
    return module({element, 1}) != nullptr && module({element, widest}) != nullptr;
  }

  void start(const Build& build, const char* kernel, const Launch& launch, void** arguments) override {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index_));
    void* f = function(build, kernel, launch.shared);
    const auto stream = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(index_)).stream();
    const auto size = [](std::int64_t n) { return static_cast<unsigned>(n); };
    const auto launched = [&] {
      return driver_.launch(f, size(launch.grid[0]), size(launch.grid[1]), size(launch.grid[2]), size(launch.block), 1,
                            1, size(launch.shared), stream, arguments, nullptr);
    };
    int status = launched();
    if (constexpr int kInvalidContext = 201; status == kInvalidContext) {  // a thread's first use of the device
      bind_context();
      status = launched();
    }
    TORCH_CHECK(status == 0, "pam: kernel ", kernel, " could not be launched: CUDA driver error ", status);
  }
  [[nodiscard]] std::int64_t shared_limit() const override { return shared_; }
  [[nodiscard]] std::int64_t busy_blocks() const override { return 8 * processors_; }

 private:
  [[nodiscard]] int attribute(cudaDeviceAttr which) const {
    int value = 0;
    return cudaDeviceGetAttribute(&value, which, index_) == cudaSuccess ? value : 0;
  }

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

  /// The loaded module, or null after a failure (which is reported once).
  void* module(const Build& build) {
    if (const auto found = modules_.find(build); found != modules_.end()) return found->second;
    const auto code = machine_code(build);
    void* loaded = nullptr;
    if (!code.empty()) {
      const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index_));
      const LoadingAllowed allowed;
      bind_context();
      if (const int status = driver_.load_module(&loaded, code.data()); status != 0) {
        loaded = nullptr;
        refuse(formatted("the compiled kernels could not be loaded: CUDA driver error {}", status));
      }
    }
    return modules_[build] = loaded;
  }

  std::string machine_code(const Build& build) {
    static const auto nvrtc = Nvrtc::find(library_folders());
    if (!nvrtc) {
      refuse("NVRTC (libnvrtc.so) was not found");
      return {};
    }
    const auto source = kDeviceSource + build.macros() + all_kernels();
    // PTX of an older architecture, which the driver compiles, is for a GPU that NVRTC does not know yet.
    const auto exact = formatted("sm_{}{}", major_, minor_);
    const CodeCache cache;
    std::string log;
    for (const auto& architecture : {exact, std::string("compute_80")}) {
      const auto key = formatted("pam {} nvrtc {} {}\n{}", PAM_VERSION, nvrtc->version(), architecture, source);
      if (auto code = cache.read(key)) return *code;
      const auto compiled = nvrtc->compile(source, architecture);
      if (compiled.ok()) {
        cache.write(key, compiled.code);
        return compiled.code;
      }
      if (log.empty()) log = compiled.log;
    }
    refuse("NVRTC could not compile them: " + log);
    return {};
  }

  void* function(const Build& build, const char* kernel, std::int64_t shared) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& f = functions_[{build, kernel}];
    if (f.handle == nullptr) {
      const LoadingAllowed allowed;
      void* loaded = module(build);
      TORCH_CHECK(loaded != nullptr && driver_.get_function(&f.handle, loaded, kernel) == 0, "pam: no kernel ", kernel);
    }
    if (shared > f.shared) {                // more than 48 KB must be requested beforehand
      constexpr int kMaxDynamicShared = 8;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
      TORCH_CHECK(driver_.set_attribute(f.handle, kMaxDynamicShared, static_cast<int>(shared)) == 0, "pam: kernel ",
                  kernel, " got no ", shared, " bytes of shared memory");
      f.shared = shared;
    }
    return f.handle;
  }

  struct Function {
    void* handle = nullptr;
    std::int64_t shared = 48 * 1024;
  };

  int index_, major_ = 0, minor_ = 0;
  std::int64_t shared_ = 0, processors_ = 1;
  bool refused_ = false;
  Driver driver_;
  std::mutex mutex_;
  std::map<Build, void*> modules_;
  std::map<std::pair<Build, std::string>, Function> functions_;
};

/// For tests: used in place of a GPU, for tensors on any device. Null: none.
inline std::atomic<Launcher*>& stand_in() {
  static std::atomic<Launcher*> launcher{nullptr};
  return launcher;
}

/// The GPU that holds x, or null where x is not on one.
inline Launcher* launcher_of(const torch::Tensor& x) {
  if (auto* launcher = stand_in().load()) return launcher;
  if (!x.is_cuda()) return nullptr;
  static std::mutex mutex;
  static std::map<int, std::unique_ptr<Gpu>> gpus;
  const std::lock_guard<std::mutex> lock(mutex);
  auto& gpu = gpus[x.get_device()];
  if (!gpu) gpu = std::make_unique<Gpu>(x.get_device());
  return gpu.get();
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
  auto* gpu = dynamic_cast<Gpu*>(launcher);
  return gpu != nullptr ? gpu->ready(type) : launcher != nullptr;
}

}  // namespace pam::kernels::cuda

#endif  // PAM_WITH_CUDA

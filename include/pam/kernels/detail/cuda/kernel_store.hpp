// SPDX-License-Identifier: MIT
/// The kernels that a device has loaded: compiled part by part when first used, and asked for their shared memory.
/// Needs no header of CUDA: the driver's functions come from outside, and tests pass their own.
#pragma once

#include <pam/core/error.hpp>
#include <pam/kernels/detail/cuda/launcher.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace pam::kernels::cuda {

/// The four functions of the CUDA driver that are needed. 0 is success; handles are pointers to unnamed structs.
struct DriverFunctions {
  int (*load_module)(void** module, const void* code) = nullptr;
  int (*get_function)(void** function, void* module, const char* name) = nullptr;
  int (*set_attribute)(void* function, int attribute, int value) = nullptr;
  int (*launch)(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                unsigned block_z, unsigned shared, void* stream, void** arguments, void** extra) = nullptr;
};

class KernelStore {
 public:
  /// The machine code of a source; `attempt` 0, 1, ... asks for other compilers' and for PTX after the driver has
  /// refused what came before. Empty: there is no more.
  using Compile = std::function<std::string(const std::string& source, int attempt)>;

  explicit KernelStore(Compile compile) : compile_(std::move(compile)) {}

  /// Set before anything else is called.
  DriverFunctions driver;

  /// True once one part of the sources is compiled and loaded. The others follow when they are used: all of them take
  /// seconds.
  bool ready(torch::ScalarType element) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return module({element, element == torch::kFloat ? 4 : 8}, parts().front()) != nullptr;
  }

  /// The kernel's handle, allowed `shared` bytes of dynamic shared memory. Throws where it cannot be had.
  void* function(const Build& build, const char* kernel, std::int64_t shared) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& f = functions_[{build, kernel}];
    if (f.handle == nullptr) {
      void* loaded = module(build, part_of(kernel));
      TORCH_CHECK(loaded != nullptr && driver.get_function(&f.handle, loaded, kernel) == 0, "pam: no kernel ", kernel,
                  reason_.empty() ? "" : ": " + reason_);
    }
    if (shared <= f.shared) return f.handle;
    // Without asking, a block gets 48 KB less its static shared memory, so a kernel whose needs are just below fails.
    constexpr int kMaxDynamicShared = 8, kPreferredCarveout = 9;  // CU_FUNC_ATTRIBUTE_...
    TORCH_CHECK(driver.set_attribute(f.handle, kMaxDynamicShared, static_cast<int>(shared)) == 0, "pam: kernel ",
                kernel, " got no ", shared, " bytes of shared memory");
    // Of the memory that shared memory and the L1 cache share, all that may be shared: a wish, so it may fail.
    if (shared > 40 * 1024) driver.set_attribute(f.handle, kPreferredCarveout, 100);
    f.shared = shared;
    return f.handle;
  }

  /// Why nothing could be compiled or loaded.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  void set_reason(std::string reason) { reason_ = std::move(reason); }

 private:
  struct Function {
    void* handle = nullptr;
    std::int64_t shared = 0;
  };

  /// The loaded module, or null after a failure, which is remembered.
  void* module(const Build& build, const Part& part) {
    const std::pair<Build, std::string> key{build, part.prefix};
    if (const auto found = modules_.find(key); found != modules_.end()) return found->second;
    const auto source = source_of(build, part);
    void* loaded = nullptr;
    for (int attempt = 0; loaded == nullptr; ++attempt) {
      const auto code = compile_(source, attempt);
      if (code.empty()) break;
      if (const int status = driver.load_module(&loaded, code.data()); status != 0) {
        loaded = nullptr;
        reason_ = formatted("the compiled kernels could not be loaded: CUDA driver error {}", status);
      }
    }
    return modules_[key] = loaded;
  }

  Compile compile_;
  std::string reason_;
  std::mutex mutex_;
  std::map<std::pair<Build, std::string>, void*> modules_;
  std::map<std::pair<Build, std::string>, Function> functions_;
};

}  // namespace pam::kernels::cuda

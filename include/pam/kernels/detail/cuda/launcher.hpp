// SPDX-License-Identifier: MIT
/// What the host code of the CUDA kernels needs from a device. It is implemented by the GPU (gpu.hpp), and in tests by
/// the host's own processor, which runs the same kernels and the same host code.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/kernels/detail/cuda/branch_source.hpp>
#include <pam/kernels/detail/cuda/depthwise_source.hpp>
#include <pam/kernels/detail/cuda/dice_source.hpp>
#include <pam/kernels/detail/cuda/norm_source.hpp>
#include <pam/kernels/detail/cuda/prelude_source.hpp>
#include <pam/kernels/detail/cuda/upsample_source.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace pam::kernels::cuda {

/// One compilation of all kernels.
struct Build {
  torch::ScalarType element;
  int pack;

  [[nodiscard]] std::string macros() const {
    const int code = element == torch::kFloat ? 0 : element == torch::kBFloat16 ? 1 : 2;
    return "#define PAM_ELEMENT " + std::to_string(code) + "\n#define PAM_PACK " + std::to_string(pack) + "\n";
  }
  bool operator<(const Build& other) const {
    return element != other.element ? element < other.element : pack < other.pack;
  }
};

/// Kernels that are compiled together; the names of a part's kernels begin with its prefix. Each part needs the prelude
/// and kNormBase before it, and no other part.
struct Part {
  const char *prefix, *source;
};
inline const std::array<Part, 5>& parts() {
  static const std::array<Part, 5> all{{{"norm_", kNormSource},
                                        {"upsample_", kUpsampleSource},
                                        {"branch_", kBranchSource},
                                        {"depthwise_", kDepthwiseSource},
                                        {"dice_", kDiceSource}}};
  return all;
}
inline const Part& part_of(const std::string& kernel) {
  for (const auto& part : parts()) {
    if (kernel.rfind(part.prefix, 0) == 0) return part;
  }
  fail("pam has no CUDA kernel '{}'", kernel);
}

/// Everything after the definitions of a device: prelude and kernels.
inline std::string all_kernels() {
  std::string source = std::string(kPreludeSource) + kNormBase;
  for (const auto& part : parts()) source += part.source;
  return source;
}

/// What NVRTC compiles for one part.
inline std::string source_of(const Build& build, const Part& part) {
  return std::string(kDeviceSource) + build.macros() + kPreludeSource + kNormBase + part.source;
}

struct Launch {
  std::array<std::int64_t, 3> grid{1, 1, 1};
  int block = 256;
  std::int64_t shared = 0;  ///< bytes of dynamic shared memory
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Whether kernels for this element type can be had.
  virtual bool ready(torch::ScalarType /*element*/) { return true; }
  /// Starts `kernel` on the device; `arguments` point at the values.
  virtual void start(const Build& build, const char* kernel, const Launch& launch, void** arguments) = 0;
  /// Bytes of shared memory a block may have.
  [[nodiscard]] virtual std::int64_t shared_limit() const = 0;
  /// Blocks of 256 threads that run beside each other.
  [[nodiscard]] virtual std::int64_t busy_blocks() const = 0;
  /// Threads of a block, for kernels that let the caller choose: whole warps of 32.
  [[nodiscard]] virtual int block() const { return 256; }

  template <typename... Args>
  void run(const Build& build, const char* kernel, const Launch& launch, Args... args) {
    void* pointers[] = {static_cast<void*>(&args)...};
    start(build, kernel, launch, pointers);
  }

  /// Enough blocks for `count` threads.
  [[nodiscard]] Launch threads(std::int64_t count, std::int64_t second = 1) const {
    return {{(count + block() - 1) / block(), second, 1}, block(), 0};
  }
};

inline std::int64_t ceil_div(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

/// The widest pack, at most 16 bytes, that divides `count` and suits the addresses of all tensors.
template <typename... Tensors>
Build build_for(std::int64_t count, const torch::Tensor& x, const Tensors&... others) {
  const int widest = static_cast<int>(16 / x.element_size());
  const auto aligned = [](const torch::Tensor& t) {
    return !t.defined() || reinterpret_cast<std::uintptr_t>(t.data_ptr()) % 16 == 0;
  };
  const bool wide = count % widest == 0 && aligned(x) && (aligned(others) && ...);
  return {x.scalar_type(), wide ? widest : 1};
}

/// Parameters as the kernels read them: `narrow` 1 where all are of x's 16-bit type, else 0 and float32. Keeps the
/// memory that it points to.
class Parameters {
 public:
  template <typename... Rows>
  explicit Parameters(const torch::Tensor& x, const Rows&... rows)
      : narrow(x.element_size() == 2 && ((rows.scalar_type() == x.scalar_type()) && ...) ? 1 : 0),
        held_{rows.detach().to(narrow == 1 ? x.scalar_type() : torch::kFloat).contiguous()...} {}
  [[nodiscard]] const void* operator[](std::size_t i) const { return held_[i].data_ptr(); }

  const int narrow;

 private:
  std::vector<torch::Tensor> held_;
};

inline void* pointer(const torch::Tensor& x) { return x.defined() ? x.data_ptr() : nullptr; }

}  // namespace pam::kernels::cuda

// SPDX-License-Identifier: MIT
/// Runs the CUDA kernels on the host: their source strings, behind a shim of CUDA's names, compiled by the host's
/// compiler and loaded with dlopen. A block's threads are real threads that meet at a real barrier; blocks run one
/// after another.
#pragma once

#include <pam/core/error.hpp>
#include <pam/kernels/detail/cuda/launcher.hpp>

#include "support/files.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <map>

namespace pam::test {

inline constexpr const char* kShimHead = R"SHIM(
#include <cmath>
#include <cstring>
#include <pthread.h>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>
#define PAM_SHIM 1
#define __device__
#define __global__
#define __shared__ static
struct Dim {
  int x, y, z;
};
static thread_local Dim threadIdx, blockIdx;
static Dim blockDim, gridDim;
static pthread_barrier_t shim_barrier;
static void* shim_memory;
inline void __syncthreads() { pthread_barrier_wait(&shim_barrier); }
#define PAM_DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(shim_memory)
inline float __uint_as_float(unsigned u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline unsigned shim_bits(float f) {
  unsigned u;
  std::memcpy(&u, &f, 4);
  return u;
}
inline float __expf(float x) { return std::exp(x); }
inline float rsqrtf(float x) { return 1.f / std::sqrt(x); }
inline float shim_half_to_float(unsigned short h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                     : exponent     ? std::ldexp(1.f + fraction / 1024.f, exponent - 15)
                                    : std::ldexp(fraction / 1024.f, -14);
  return h & 0x8000 ? -size : size;
}
// To nearest, ties to even, by trying the neighbours: slow and plain.
inline unsigned short shim_narrow(float f, int element) {
  if (element == 1) {
    const unsigned u = shim_bits(f);
    return f != f ? 0x7fc0 : (u + 0x7fff + (u >> 16 & 1)) >> 16;
  }
  if (f != f) return 0x7e00;
  const unsigned short sign = std::signbit(f) ? 0x8000 : 0;
  const float size = std::fabs(f);
  if (size >= 65520.f) return sign | 0x7c00;
  int low = 0, high = 0x7bff;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (shim_half_to_float(middle) <= size)
      low = middle;
    else
      high = middle - 1;
  }
  if (low < 0x7bff) {
    const float below = size - shim_half_to_float(low), above = shim_half_to_float(low + 1) - size;
    if (above < below || (above == below && (low & 1))) ++low;
  }
  return sign | low;
}
)SHIM";

inline constexpr const char* kShimTail = R"SHIM(
template <typename... A, std::size_t... I>
void shim_call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}
template <typename... A>
void shim_run(void (*kernel)(A...), const long* grid, int block, long shared, void** arguments) {
  blockDim = {block, 1, 1};
  gridDim = {(int)grid[0], (int)grid[1], (int)grid[2]};
  // One block at a time, and its memory poisoned before each: what a kernel has not written it must not use.
  std::vector<unsigned char> memory(shared + 64);
  shim_memory = memory.data() + (64 - (std::size_t)memory.data() % 64);
  pthread_barrier_init(&shim_barrier, nullptr, block);
  std::vector<std::thread> threads;
  for (int t = 0; t < block; ++t)
    threads.emplace_back([&, t] {
      threadIdx = {t, 0, 0};
      for (int z = 0; z < grid[2]; ++z)
        for (int y = 0; y < grid[1]; ++y)
          for (int x = 0; x < grid[0]; ++x) {
            blockIdx = {x, y, z};
            if (t == 0) std::memset(shim_memory, 0xff, shared);
            __syncthreads();
            shim_call(kernel, arguments, std::index_sequence_for<A...>());
            __syncthreads();
          }
    });
  for (auto& thread : threads) thread.join();
  pthread_barrier_destroy(&shim_barrier);
}
)SHIM";

inline const std::vector<std::string>& kernel_names() {
  static const std::vector<std::string> names{"norm_plane",
                                              "norm_plane_backward",
                                              "norm_pixel_sums",
                                              "norm_pixel_table",
                                              "norm_pixel_apply",
                                              "norm_pixel_grad_sums",
                                              "norm_pixel_grad_table",
                                              "norm_pixel_grad_apply",
                                              "upsample_concat",
                                              "upsample_backward",
                                              "upsample_backward_float",
                                              "upsample_gate",
                                              "upsample_gate_backward",
                                              "branch_plane",
                                              "branch_plane_backward",
                                              "depthwise",
                                              "depthwise_tap_sums",
                                              "dice_sums",
                                              "dice_gradient"};
  return names;
}

class HostLauncher final : public kernels::cuda::Launcher {
 public:
  /// The host's C++ compiler: $CXX, else the first that answers; empty where there is none.
  static std::string compiler() {
    std::vector<std::string> candidates{"c++", "g++", "clang++"};
    if (const char* named = std::getenv("CXX")) candidates.insert(candidates.begin(), named);
    for (const auto& candidate : candidates) {
      if (std::system((candidate + " --version >/dev/null 2>&1").c_str()) == 0) return candidate;
    }
    return {};
  }

  void start(const kernels::cuda::Build& build, const char* kernel, const kernels::cuda::Launch& launch,
             void** arguments) override {
    check(launch.shared <= shared_limit(), "{} asks for {} bytes of shared memory", kernel, launch.shared);
    const long grid[3] = {launch.grid[0], launch.grid[1], launch.grid[2]};
    const auto name = std::string("shim_") + kernel;
    auto* entry = dlsym(library(build), name.c_str());
    check(entry != nullptr, "{} is no kernel", kernel);
    reinterpret_cast<void (*)(const long*, int, long, void**)>(entry)(grid, launch.block, launch.shared, arguments);
  }
  [[nodiscard]] std::int64_t shared_limit() const override { return 100000; }
  [[nodiscard]] std::int64_t busy_blocks() const override { return 3; }
  [[nodiscard]] int block() const override { return 32; }  // barriers of real threads are slow

 private:
  void* library(const kernels::cuda::Build& build) {
    auto& loaded = libraries_[build];
    if (loaded != nullptr) return loaded;
    const auto base = folder_.path() / ("kernels" + std::to_string(libraries_.size()));
    {
      std::ofstream file(base.string() + ".cpp");
      file << kShimHead << build.macros() << kernels::cuda::all_kernels() << kShimTail;
      for (const auto& name : kernel_names()) {
        file << "extern \"C\" void shim_" << name << "(const long* g, int b, long s, void** a) { shim_run(" << name
             << ", g, b, s, a); }\n";
      }
    }
    const auto command =
        compiler() + " -std=c++17 -O1 -shared -fPIC -pthread -o " + base.string() + ".so " + base.string() + ".cpp";
    check(std::system(command.c_str()) == 0, "the kernels do not compile on the host: {}", command);
    loaded = dlopen((base.string() + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    check(loaded != nullptr, "dlopen: {}", dlerror());
    return loaded;
  }

  TempDir folder_;
  std::map<kernels::cuda::Build, void*> libraries_;
};

/// One for all tests: each build takes a second to compile.
inline HostLauncher& host_launcher() {
  static HostLauncher launcher;
  return launcher;
}

}  // namespace pam::test

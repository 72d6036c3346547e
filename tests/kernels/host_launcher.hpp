// SPDX-License-Identifier: MIT
/// Runs the CUDA kernels on the host: their source strings, behind a shim of CUDA's names, compiled by the host's
/// compiler and loaded with dlopen. Every thread of a block has a stack of its own, and control passes from one to the
/// next at a barrier or shuffle only, in another order each time: a kernel that lacks a barrier fails, and fails
/// again in the next run. Blocks run one after another.
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
#include <setjmp.h>
#include <ucontext.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>
#define PAM_SHIM 1
#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(...)
struct Dim {
  int x, y, z;
};
static Dim threadIdx, blockIdx, blockDim, gridDim;
static void* shim_memory;
#define PAM_DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(shim_memory)

enum Waits { kForNothing, kForWarp, kForBlock, kForNextBlock };
struct Thread {
  jmp_buf at;
  ucontext_t start;
  std::vector<char> stack;
  int waits;
  bool begun;
};
static std::vector<Thread> shim_threads;
static jmp_buf shim_scheduler;
static int shim_current;
static void shim_wait(int what) {
  shim_threads[shim_current].waits = what;
  if (_setjmp(shim_threads[shim_current].at) == 0) _longjmp(shim_scheduler, 1);
}
inline void __syncthreads() { shim_wait(kForBlock); }
static float shim_lanes[1024];
inline float __shfl_xor_sync(unsigned, float v, int step) {
  const int own = threadIdx.x;
  shim_lanes[own] = v;
  shim_wait(kForWarp);
  const float other = shim_lanes[own ^ step];
  shim_wait(kForWarp);
  return other;
}
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
inline float rsqrtf(float x) { return 1.f / std::sqrt(x); }
inline float shim_half_to_float(unsigned short h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                     : exponent     ? std::ldexp(1.f + fraction / 1024.f, exponent - 15)
                                    : std::ldexp(fraction / 1024.f, -14);
  return h & 0x8000 ? -size : size;
}
inline float shim_widen(unsigned short bits, int element) {
  return element == 1 ? __uint_as_float((unsigned)bits << 16) : shim_half_to_float(bits);
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
static void (*shim_body)(void*);
static void* shim_launch;
static void shim_thread() {
  for (;;) {
    shim_body(shim_launch);
    shim_wait(kForNextBlock);
  }
}
static void shim_resume(int t) {
  shim_current = t;
  threadIdx = {t, 0, 0};
  if (_setjmp(shim_scheduler) != 0) return;
  if (shim_threads[t].begun) _longjmp(shim_threads[t].at, 1);
  shim_threads[t].begun = true;
  setcontext(&shim_threads[t].start);
}
// Runs the threads until all have finished the block.
static void shim_block(int count) {
  for (unsigned turn = 0;; ++turn) {
    bool finished = true;
    for (int i = 0; i < count; ++i) {
      const int t = turn % 3 == 0 ? i : turn % 3 == 1 ? count - 1 - i : (i + count / 2) % count;
      if (shim_threads[t].waits == kForNothing) shim_resume(t);
    }
    bool block = true, moved = false;
    for (int t = 0; t < count; ++t) {
      finished = finished && shim_threads[t].waits == kForNextBlock;
      block = block && shim_threads[t].waits != kForWarp;
    }
    if (finished) return;
    for (int warp = 0; warp < count; warp += 32) {
      const int end = warp + 32 < count ? warp + 32 : count;
      bool all = true;
      for (int t = warp; t < end; ++t) all = all && shim_threads[t].waits == kForWarp;
      for (int t = warp; all && t < end; ++t) shim_threads[t].waits = kForNothing, moved = true;
    }
    // A thread that has returned does not hold up the others, as on a GPU.
    for (int t = 0; block && t < count; ++t) {
      if (shim_threads[t].waits == kForBlock) shim_threads[t].waits = kForNothing, moved = true;
    }
    if (!moved) {
      std::fprintf(stderr, "the threads of a warp disagree on where to wait\n");
      std::abort();
    }
  }
}
template <typename... A>
void shim_run(void (*kernel)(A...), const long* grid, int block, long shared, void** arguments) {
  static void (*called)(A...);
  called = kernel;
  blockDim = {block, 1, 1};
  gridDim = {(int)grid[0], (int)grid[1], (int)grid[2]};
  shim_body = [](void* launch) { shim_call(called, static_cast<void**>(launch), std::index_sequence_for<A...>()); };
  shim_launch = arguments;
  std::vector<unsigned char> memory(shared + 64);
  shim_memory = memory.data() + (64 - (std::size_t)memory.data() % 64);
  shim_threads = std::vector<Thread>(block);
  for (auto& thread : shim_threads) {
    thread.stack.resize(65536);
    thread.begun = false;
    getcontext(&thread.start);
    thread.start.uc_stack.ss_sp = thread.stack.data();
    thread.start.uc_stack.ss_size = thread.stack.size();
    thread.start.uc_link = nullptr;
    makecontext(&thread.start, shim_thread, 0);
  }
  // One block at a time, and its memory poisoned before each: what a kernel has not written it must not use.
  for (int z = 0; z < grid[2]; ++z)
    for (int y = 0; y < grid[1]; ++y)
      for (int x = (int)grid[3]; x < grid[0]; ++x) {
        blockIdx = {x, y, z};
        std::memset(shim_memory, 0xff, shared);
        for (auto& thread : shim_threads) thread.waits = kForNothing;
        shim_block(block);
      }
}
)SHIM";

inline const std::vector<std::string>& kernel_names() {
  static const std::vector<std::string> names{"norm_plane",
                                              "norm_plane_backward",
                                              "norm_slab",
                                              "norm_slab_backward",
                                              "norm_pixel_sums",
                                              "norm_pixel_apply",
                                              "norm_pixel_head",
                                              "norm_pixel_grad_sums",
                                              "norm_pixel_grad_apply",
                                              "upsample_concat",
                                              "upsample_concat_normed",
                                              "upsample_backward",
                                              "upsample_gate",
                                              "upsample_gate_backward",
                                              "upsample_gate_across",
                                              "branch_plane",
                                              "branch_plane_backward",
                                              "branch_pair",
                                              "branch_pair_backward",
                                              "branch_conv",
                                              "branch_conv_taps",
                                              "depthwise_norm",
                                              "depthwise_forward",
                                              "depthwise_input_grad",
                                              "depthwise_weight_grad",
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
    const long grid[4] = {launch.grid[0], launch.grid[1], launch.grid[2], first_block};
    const auto name = std::string("shim_") + kernel;
    auto* entry = dlsym(library(build), name.c_str());
    check(entry != nullptr, "{} is no kernel", kernel);
    reinterpret_cast<void (*)(const long*, int, long, void**)>(entry)(grid, launch.block, launch.shared, arguments);
  }
  [[nodiscard]] std::int64_t shared_limit() const override { return 100000; }
  [[nodiscard]] std::int64_t busy_blocks() const override { return 3; }
  [[nodiscard]] int block() const override { return 64; }

  /// The first block of the grid's first dimension that runs: 0, unless a test is about the last blocks of a grid that
  /// would take hours.
  long first_block = 0;

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
    const auto command = compiler() + " -std=c++17 -O1 -U_FORTIFY_SOURCE -shared -fPIC -o " + base.string() + ".so " +
                         base.string() + ".cpp";
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

// SPDX-License-Identifier: MIT
/// What pam_bench measures of the machine: when its work is done, how much memory a step takes, and its highest rates
/// of copying and multiplying.
#pragma once

#include <pam/core/torch.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#ifdef PAM_WITH_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#endif

namespace pam::bench {

inline void wait_for(const torch::Device& device) {
  if (device.is_cuda()) torch::cuda::synchronize();
}

/// Milliseconds of `run`, until the device has finished it.
inline double milliseconds(const torch::Device& device, const std::function<void()>& run) {
  wait_for(device);
  const auto start = std::chrono::steady_clock::now();
  run();
  wait_for(device);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// The value below which the share `q` of `values` lies, linear between two of them.
inline double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const auto high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

namespace detail {

/// A field of /proc/self/status in bytes, such as "VmHWM:", the peak of the resident set.
inline std::optional<std::int64_t> process_memory(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == field && status >> kib) return kib * 1024;
  }
  return std::nullopt;
}

}  // namespace detail

/// The growth of memory during `run`, in bytes: on the CPU the peak of the resident set above what was resident before,
/// on CUDA LibTorch's peak of allocated memory above what was allocated. Empty where neither can be read.
inline std::optional<std::int64_t> peak_growth(const torch::Device& device, const std::function<void()>& run) {
  if (device.is_cuda()) {
#ifdef PAM_WITH_CUDA
    namespace allocator = c10::cuda::CUDACachingAllocator;
    const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
    const auto allocated = [&] { return allocator::getDeviceStats(index).allocated_bytes[0]; };
    wait_for(device);
    allocator::resetPeakStats(index);
    const auto before = allocated().current;
    run();
    wait_for(device);
    return allocated().peak - before;
#else
    return std::nullopt;
#endif
  }
#if defined(__GLIBC__)
  malloc_trim(0);  // otherwise memory that the process keeps after freeing it would hide new allocations
#endif
  std::ofstream("/proc/self/clear_refs") << 5 << std::flush;  // Linux: the peak starts again from now
  const auto before = detail::process_memory("VmRSS:");
  const auto restarted = detail::process_memory("VmHWM:");
  run();
  const auto peak = detail::process_memory("VmHWM:");
  if (!before || !restarted || !peak || *restarted > *before + (std::int64_t{4} << 20)) return std::nullopt;
  return std::max<std::int64_t>(0, *peak - *before);
}

/// The highest rates of this device in this run, to which the others are compared.
struct Ceilings {
  double copy_bytes_per_s = 0;  ///< read and written by a large copy
  double macs_per_s = 0;        ///< multiply-accumulates of a large matrix product or convolution, whichever is faster
};

inline Ceilings measure_ceilings(const torch::Device& device, torch::ScalarType dtype) {
  const auto fastest = [&](const std::function<void()>& run) {
    double best = milliseconds(device, run);
    for (int i = 0; i < 7; ++i) best = std::min(best, milliseconds(device, run));
    return best / 1e3;
  };
  torch::NoGradGuard no_grad;
  const auto on = torch::TensorOptions(device);
  const auto from = torch::ones({64 << 20}, on), to = torch::zeros({64 << 20}, on);  // 256 MiB each
  const std::int64_t side = device.is_cuda() ? 8192 : 2048;
  const auto a = torch::randn({side, side}, on).to(dtype), b = torch::randn({side, side}, on).to(dtype);
  auto c = torch::empty({side, side}, on.dtype(dtype));
  const auto cubed = [](std::int64_t n) {
    return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  };
  const double product = cubed(side) / fastest([&] { at::mm_out(c, a, b); });
  const std::int64_t images = device.is_cuda() ? 64 : 4;
  const auto maps = torch::randn({images, 256, 40, 40}, on).to(dtype).contiguous(torch::MemoryFormat::ChannelsLast);
  const auto taps = torch::randn({256, 256, 3, 3}, on).to(dtype).contiguous(torch::MemoryFormat::ChannelsLast);
  const double convolution = static_cast<double>(maps.numel() * 256 * 9) /
                             fastest([&] { torch::conv2d(maps, taps, {}, /*stride=*/1, /*padding=*/1); });
  return {2.0 * static_cast<double>(from.nbytes()) / fastest([&] { to.copy_(from); }), std::max(product, convolution)};
}

}  // namespace pam::bench

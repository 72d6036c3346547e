// SPDX-License-Identifier: MIT
#include "engine/fastest_precision.hpp"

#include "report/run_record.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/seed.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <system_error>

namespace pam::apps {
namespace {

constexpr int kRounds = 3;

/// One forward pass, or one of a training step, under autocast as `fit` and `Predictor` compute.
double milliseconds(const Network& net, const torch::Tensor& x, Precision precision, bool training) {
  const auto start = std::chrono::steady_clock::now();
  {
    const torch::AutoGradMode gradients(training);
    const auto forward = [&] {
      const auto scope = autocast(x.device(), precision);
      return net(x);
    };
    const auto y = forward();
    if (training) y.to(torch::kFloat).square().mean().backward();
  }
  if (x.is_cuda()) torch::cuda::synchronize();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// The least of several rounds that take turns, after one that warms up.
PrecisionTimes measured(const Network& net, bool training, torch::Device device, bool channels_last) {
  const SeedScope seed(0);
  net->to(device);
  if (channels_last) to_memory_format(*net, at::MemoryFormat::ChannelsLast);
  net->train(training);
  const auto side = std::max<std::int64_t>(160, net.min_size());
  auto x = torch::randn({4, net.in_channels(), side, side}).to(device);
  if (channels_last) x = x.contiguous(at::MemoryFormat::ChannelsLast);
  PrecisionTimes least{1e300, 1e300};
  for (int round = -1; round < kRounds; ++round) {
    const PrecisionTimes now{milliseconds(net, x, Precision::Float32, training),
                             milliseconds(net, x, Precision::Bfloat16, training)};
    if (round >= 0) least = {std::min(least.float32, now.float32), std::min(least.bfloat16, now.bfloat16)};
  }
  net->zero_grad();
  return least;
}

nlohmann::json read_object(const std::filesystem::path& file) {
  auto json = nlohmann::json::parse(std::ifstream(file), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : nlohmann::json::object();
}

}  // namespace

PrecisionTimes kept_times(const std::filesystem::path& file, const std::string& key,
                          const std::function<PrecisionTimes()>& measure) {
  const auto kept = read_object(file).value(key, nlohmann::json());
  const auto time = [&](const char* name) {
    return kept.is_object() && kept.contains(name) && kept[name].is_number() ? kept[name].get<double>() : 0.0;
  };
  if (const PrecisionTimes times{time("float32"), time("bfloat16")}; times.float32 > 0 && times.bfloat16 > 0) {
    return times;
  }
  const auto times = measure();
  try {
    auto all = read_object(file);  // again: another process may have written meanwhile
    all[key] = {{"float32", times.float32}, {"bfloat16", times.bfloat16}};
    std::filesystem::create_directories(file.parent_path());
    write_atomically(file, all.dump(1) + "\n");
  } catch (const std::exception&) {
    // a cache that cannot be written
  }
  return times;
}

bool has_bfloat16(const std::string& flags) {
  std::istringstream words(flags);
  for (std::string flag; words >> flag;) {
    if (flag == "avx512_bf16" || flag == "amx_bf16" || flag == "bf16") return true;  // the last is ARM's
  }
  return false;
}

PrecisionChoice fastest_precision(const std::vector<Network>& nets, bool training, torch::Device device,
                                  bool channels_last, const std::filesystem::path& cache) {
  auto flags = detail::proc_value("/proc/cpuinfo", "flags");
  if (flags.empty()) flags = detail::proc_value("/proc/cpuinfo", "Features");
  if (device.is_cpu() && !has_bfloat16(flags)) {
    return {Precision::Float32, "precision: float32, as this processor has no instructions for bfloat16"};
  }
  const auto file = device.is_cpu() && !cache.empty() ? cache / "precision.json" : std::filesystem::path();
  PrecisionTimes sum;
  bool now = false;
  std::string names;
  for (const auto& net : nets) {
    const auto key = fmt::format("{} | pam {} | LibTorch {} | {} threads | {} | {} | convolution {} | {}",
                                 machine_json().at("cpu").get<std::string>(), PAM_VERSION, TORCH_VERSION, at::get_num_threads(),
                                 training ? "train" : "infer", channels_last ? "nhwc" : "nchw",
                                 kernels::convolution_in_use(), net.options().dump());
    const auto times = kept_times(file, key, [&] {
      now = true;
      return measured(net, training, device, channels_last);
    });
    sum = {sum.float32 + times.float32, sum.bfloat16 + times.bfloat16};
    names += (names.empty() ? "" : ", ") + net.name();
  }
  const auto precision = sum.faster();
  return {precision, fmt::format("precision: {} (auto: {} of {} takes {:.0f} ms in float32 and {:.0f} ms in bfloat16, {}; "
                                 "bfloat16 is taken where it is at least 5 % faster)",
                                 to_string(precision), training ? "a training step" : "a forward pass", names,
                                 sum.float32, sum.bfloat16,
                                 now ? "measured now" : "measured before, in " + file.string())};
}

}  // namespace pam::apps

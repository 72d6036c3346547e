// SPDX-License-Identifier: MIT
/// How pam_bench measures: the median of repeats, after warming up, of inference or a training step.
#pragma once

#include <pam/losses/dice_loss.hpp>
#include <pam/nets/zoo.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace pam::bench {

/// What to measure.
struct TimingOptions {
  std::int64_t batch = 1, in_channels = 4, height = 160, width = 160;
  int repeats = 7, warm_up = 2;
  torch::Device device = torch::kCPU;
  bool channels_last = false;
};

/// Milliseconds over the repeats.
struct Timing {
  double median = 0, fastest = 0, slowest = 0;
};

inline void wait_for(const torch::Device& device) {
  if (device.is_cuda()) torch::cuda::synchronize();
}

/// Runs `step` until warm, then `repeats` times.
inline Timing time_step(const TimingOptions& options, const std::function<void()>& step) {
  std::vector<double> ms;
  for (int i = 0; i < options.warm_up + options.repeats; ++i) {
    wait_for(options.device);
    const auto start = std::chrono::steady_clock::now();
    step();
    wait_for(options.device);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (i >= options.warm_up) ms.push_back(took.count());
  }
  std::sort(ms.begin(), ms.end());
  const auto n = ms.size();
  return {(ms[(n - 1) / 2] + ms[n / 2]) / 2, ms.front(), ms.back()};
}

/// Times `net` (moved to the device) at `task`: "infer" (no gradients) or "train" (forward, soft Dice, backward,
/// AdamW).
inline Timing time_network(const Network& net, const std::string& task, const TimingOptions& options) {
  net->to(options.device);
  auto x = torch::randn({options.batch, options.in_channels, options.height, options.width}, options.device);
  if (options.channels_last) x = x.contiguous(torch::MemoryFormat::ChannelsLast);
  if (task == "infer") {
    net->eval();
    torch::NoGradGuard no_grad;
    return time_step(options, [&] { net(x); });
  }
  check(task == "train", "pam_bench: there is no task '{}'; there are infer and train", task);
  net->train();
  const auto labels =
      (torch::rand({options.batch, options.height, options.width}, options.device) > 0.9).to(torch::kLong);
  torch::optim::AdamW optimizer(net->parameters(), torch::optim::AdamWOptions(1e-4));
  return time_step(options, [&] {
    optimizer.zero_grad();
    dice_loss(net(x), labels).backward();
    optimizer.step();
  });
}

}  // namespace pam::bench

// SPDX-License-Identifier: MIT
// Times every CPU kernel against its reference expression at the sizes of the U-Net, FPA and RFNA: batch 4 of
// 4x160x160, float32. Usage: kernels_bench [threads = 2] [runs = 15] Reference and fused runs alternate, so that other
// load on the machine meets both. Printed are medians: of wall time, and of processor time over all threads, which
// other processes disturb less. The ratio is fused / reference.
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/upsample.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace {

using pam::kernels::Backend;
using Tensors = std::vector<torch::Tensor>;

struct Time {
  double wall = 0, processor = 0;
};

double processor_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

Time once(const std::function<void()>& work) {
  const auto processor = processor_ms();
  const auto wall = std::chrono::steady_clock::now();
  work();
  return {std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - wall).count(),
          processor_ms() - processor};
}

Time median(std::vector<Time> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  Time result;
  std::nth_element(times.begin(), middle, times.end(), [](auto a, auto b) { return a.wall < b.wall; });
  result.wall = middle->wall;
  std::nth_element(times.begin(), middle, times.end(), [](auto a, auto b) { return a.processor < b.processor; });
  result.processor = middle->processor;
  return result;
}

/// One kernel at one size: `run(backend, inputs)`; every input gets a gradient in training.
struct Case {
  std::string name, size;
  Tensors inputs;
  std::function<torch::Tensor(Backend, const Tensors&)> run;
};

void measure(const Case& c, at::MemoryFormat layout, bool train, int runs) {
  Tensors leaves;
  for (const auto& input : c.inputs) leaves.push_back(input.detach().requires_grad_(train));
  const torch::AutoGradMode mode(train);
  // In the layout that a network would send it back in (the reference of instance norm drops channels-last).
  auto direction = torch::randn_like(c.run(Backend::Reference, leaves));
  if (direction.dim() == 4) direction = direction.contiguous(layout);
  const auto work = [&](Backend backend) {
    const auto y = c.run(backend, leaves);
    if (train) torch::autograd::grad({y}, leaves, {direction});
  };
  std::vector<Time> reference, fused;
  for (int i = 0; i < runs + 2; ++i) {
    const auto r = once([&] { work(Backend::Reference); }), f = once([&] { work(Backend::Fused); });
    if (i < 2) continue;  // first touch of memory, oneDNN's primitives
    reference.push_back(r), fused.push_back(f);
  }
  const auto r = median(reference), f = median(fused);
  fmt::print("{:<24} {:<20} {:<5} {:<9} {:>9.2f} {:>9.2f} {:>7.2f} {:>9.2f} {:>9.2f} {:>7.2f}\n", c.name, c.size,
             layout == at::MemoryFormat::Contiguous ? "nchw" : "nhwc", train ? "fwd + bwd" : "fwd", r.wall, f.wall,
             f.wall / r.wall, r.processor, f.processor, f.processor / r.processor);
}

std::string size_name(const torch::Tensor& x) {
  return fmt::format("{}", fmt::join(x.sizes().begin(), x.sizes().end(), "x"));
}

std::vector<Case> cases(at::MemoryFormat layout) {
  const auto random = [&](std::int64_t c, std::int64_t side) {
    return torch::randn({4, c, side, side}).contiguous(layout);
  };
  std::vector<Case> all;
  for (const auto& [c, side] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{32, 160}, {64, 80}, {128, 40}, {256, 20}}) {
    const auto x = random(c, side), logits = random(c, side), weight = torch::rand({c}), bias = torch::randn({c});
    all.push_back({"instance_norm_relu", size_name(x), {x, weight, bias}, [](Backend b, const Tensors& t) {
                     return pam::kernels::instance_norm_relu(t[0], t[1], t[2], 1e-5, b);
                   }});
    all.push_back({"instance_norm_relu_gate", size_name(x), {x, weight, bias, logits}, [](Backend b, const Tensors& t) {
                     return pam::kernels::instance_norm_relu_gate(t[0], t[1], t[2], 1e-5, t[3], true, b);
                   }});
  }
  for (const auto& [c, side] : std::vector<std::pair<std::int64_t, std::int64_t>>{{256, 80}, {512, 40}, {1024, 20}}) {
    const auto x = random(c, side);
    all.push_back({"dilated_branch",
                   size_name(x),
                   {x, torch::randn({c, 1, 3, 3}), torch::rand({c}), torch::randn({c})},
                   [](Backend b, const Tensors& t) {
                     const pam::kernels::DepthwiseStep step{t[1], t[2], t[3]};
                     return pam::kernels::dilated_branch(t[0], step, step, /*dilation=*/9, 1e-5, b);
                   }});
  }
  for (const auto& [c, skip, side] :
       std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>{{256, 128, 20}, {128, 64, 40}, {64, 32, 80}}) {
    const auto x = random(c, side), beside = random(skip, 2 * side);
    all.push_back({"upsample_concat", size_name(x), {x, beside}, [](Backend b, const Tensors& t) {
                     return pam::kernels::upsample_concat(t[0], t[1], b);
                   }});
  }
  for (const auto& [c, side] : std::vector<std::pair<std::int64_t, std::int64_t>>{{64, 80}, {128, 40}, {256, 24}}) {
    const auto features = random(c, side), logits = random(c, side / 8);
    all.push_back({"upsample_gate", size_name(features), {features, logits}, [](Backend b, const Tensors& t) {
                     return pam::kernels::upsample_gate(t[0], t[1], t[0], true, b);
                   }});
  }
  const auto logits = random(1, 160), target = (torch::rand({4, 1, 160, 160}) > 0.9).to(torch::kFloat);
  all.push_back({"dice_sums", size_name(logits), {logits}, [target](Backend b, const Tensors& t) {
                   return pam::kernels::dice_sums(t[0], target, b);
                 }});
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 2;
  const int runs = argc > 2 ? std::max(3, std::atoi(argv[2])) : 15;
#if defined(__GLIBC__)
  // As pam's programs do: a freed activation stays in the process instead of being faulted in again.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 256 << 20);
#endif
  at::set_num_threads(threads);
  torch::manual_seed(0);
  fmt::print("LibTorch {}, {} threads, {} runs; ms\n", TORCH_VERSION, threads, runs);
  fmt::print("{:<24} {:<20} {:<5} {:<9} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7}\n", "kernel", "size", "", "", "ref wall",
             "fused", "ratio", "ref cpu", "fused", "ratio");
  for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const auto& c : cases(layout)) {
      for (const bool train : {false, true}) {
        measure(c, layout, train, runs);
      }
    }
  }
}

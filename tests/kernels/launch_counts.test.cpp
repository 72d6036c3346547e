// SPDX-License-Identifier: MIT
// How many kernels one pass of the paper's networks launches on a GPU, pam's and LibTorch's together, counted on the
// CPU (launch_counter.hpp says what the count sees). docs/performance.md has the table that this prints.
#include <pam/core/memory_format.hpp>
#include <pam/core/precision.hpp>
#include <pam/core/seed.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/train/graphed_step.hpp>

#include "kernels/launch_counter.hpp"
#include "support/catch.hpp"

#include <iomanip>
#include <iostream>

namespace kernels_launch_counts_test {

using namespace pam;
using namespace pam::test;

constexpr auto kPixels = at::MemoryFormat::ChannelsLast;

torch::Tensor images() { return torch::randn({1, 4, 160, 160}).contiguous(kPixels); }

Network paper_net(const std::string& name) {
  auto net = build_network({name, 4, 1, 32});
  to_memory_format(*net, kPixels);
  return net;
}

/// A net of bfloat16 weights, as GraphedInference records it.
LaunchCounts inference(const std::string& name) {
  auto net = paper_net(name);
  net->to(torch::kBFloat16);
  const auto x = images().to(torch::kBFloat16);
  const torch::NoGradGuard no_grad;
  const LaunchCounter counter;
  net(x);
  return counter.counts();
}

/// What GraphedTrainingStep records, without the optimizer's step: float32 weights, bfloat16 under autocast.
LaunchCounts training(const std::string& name) {
  auto net = paper_net(name);
  SegmentationLoss loss("dice");
  loss.options().check_labels = false;
  const auto x = images();
  const auto labels = torch::randint(0, 2, {1, 160, 160}, torch::kLong);
  const LaunchCounter counter;
  torch::Tensor value;
  {
    const auto scope = autocast(torch::kCPU, Precision::Bfloat16);
    const pam::detail::CastWeights cast(*net, torch::kBFloat16);
    value = loss(net(x), labels);
    value = pam::detail::nan_for_unknown_labels(value, labels, 1, loss.options().ignore_label);
  }
  value.backward();
  return counter.counts();
}

void require_at_most(const std::string& name, const char* task, const LaunchCounts& counts, int launches,
                     int allocations) {
  std::cout << std::left << std::setw(6) << name << std::setw(10) << task << std::right << std::setw(4)
            << LaunchCounts::sum(counts.pam) << " launches of pam's and" << std::setw(4)
            << LaunchCounts::sum(counts.torch) << " of LibTorch's:" << std::setw(4) << counts.launches() << " (at most "
            << launches << ");" << std::setw(4) << counts.allocations << " allocations\n";
  CAPTURE(name, task, counts.pam, counts.torch);
  INFO(fmt::format("not in the table of operators: {}; waits: {}", fmt::join(counts.unknown, ", "),
                   fmt::join(counts.waits, ", ")));
  CHECK(counts.unknown.empty());
  CHECK(counts.waits.empty());
  CHECK(counts.launches() <= launches);
  CHECK(counts.allocations <= allocations);
}

TEST_CASE("a forward pass and a training step launch few kernels, allocate little, and never wait", "[kernels]") {
  const SeedScope seed(41);
  struct Limit {
    const char* name;
    int forward, forward_allocations, training, training_allocations;
  };
  for (const auto& limit :
       {Limit{"unet", 60, 60, 160, 200}, Limit{"fpa", 80, 80, 225, 275}, Limit{"rfna", 95, 95, 270, 345}}) {
    require_at_most(limit.name, "inference", inference(limit.name), limit.forward, limit.forward_allocations);
    require_at_most(limit.name, "training", training(limit.name), limit.training, limit.training_allocations);
  }
}

TEST_CASE("the launch counter counts what an operator launches on a GPU, not what it calls on a CPU", "[kernels]") {
  const auto counts_of = [](const auto& work) {
    const LaunchCounter counter;
    work();
    return counter.counts();
  };
  const auto x = torch::randn({2, 3, 8, 8}), w = torch::randn({5, 3, 3, 3}, torch::requires_grad());
  {
    const auto counts = counts_of([&] { torch::conv2d(x, w).sum().backward(); });
    CAPTURE(counts.torch);
    CHECK(counts.unknown.empty());
    // x needs no gradient; ones_like fills the gradient that backward() starts from.
    REQUIRE(counts.torch ==
            std::map<std::string, int>{
                {"aten::convolution", 1}, {"aten::convolution_backward", 1}, {"aten::sum", 1}, {"aten::fill_", 1}});
    REQUIRE(counts.allocations == 4);
  }
  {
    const auto counts = counts_of([&] { x.transpose(1, 2).slice(0, 0, 1).contiguous(); });
    REQUIRE(counts.torch == std::map<std::string, int>{{"aten::copy_", 1}});
    REQUIRE(counts.allocations == 1);
  }
  REQUIRE(counts_of([&] { x.sum().item<float>(); }).waits.size() == 1);
  // What a graph must leave out: a loss that looks at its labels reads the answer.
  REQUIRE_FALSE(counts_of([] {
                  dice_loss(torch::randn({1, 1, 4, 4}), torch::ones({1, 4, 4}, torch::kLong));
                }).waits.empty());
  REQUIRE(counts_of([&] { x.erfinv(); }).unknown == std::set<std::string>{"aten::erfinv"});
}

}  // namespace kernels_launch_counts_test

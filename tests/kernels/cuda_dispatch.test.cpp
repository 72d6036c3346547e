// SPDX-License-Identifier: MIT
// The path from the public functions through autograd to the CUDA kernels, on a GPU and with the host in its place.
#include <pam/core/seed.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/depthwise_step.hpp>
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/upsample.hpp>

#include "kernels/kernel_check.hpp"
#include "kernels/launch_counter.hpp"
#include "kernels/places.hpp"

namespace kernels_cuda_dispatch_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

bool has(const RecordingLauncher& device, const std::string& kernel) {
  return std::find(device.started.begin(), device.started.end(), kernel) != device.started.end();
}

TEMPLATE_TEST_CASE("public functions reach the CUDA kernels and give the float64 reference's outputs and gradients",
                   "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(31);
  kernels::cuda::Launcher& launcher = TestType::launcher();
  const torch::Device at = TestType::device();
  for (const auto storage : storages()) {
    RecordingLauncher device(launcher);
    const auto draw = [&](std::vector<std::int64_t> shape) { return stored(torch::randn(shape).to(at), storage); };
    const auto x = draw({2, 4, 6, 7}), p = draw({2, 4, 6, 7}), dy = draw({2, 4, 6, 7}), low = draw({2, 4, 3, 2});
    const auto w = torch::rand({4}).to(at), b = torch::randn({4}).to(at), conv = torch::randn({4, 1, 3, 3}).to(at);
    const auto compare = [&](const std::function<torch::Tensor(const Tensors&, Backend)>& f, const Tensors& inputs,
                             const torch::Tensor& direction) {
      device.started.clear();
      require_matches_float64([&](const Tensors& t) { return f(t, Backend::Fused); },
                              [&](const Tensors& t) { return f(t, Backend::Reference); }, inputs, direction, 1e-4);
      REQUIRE_FALSE(device.started.empty());
    };
    compare([](const Tensors& t, Backend k) { return kernels::instance_norm_relu(t[0], t[1], t[2], 1e-5, k); },
            {x, w, b}, dy);
    compare([](const Tensors& t,
               Backend k) { return kernels::instance_norm_relu_gate(t[0], t[1], t[2], 1e-5, t[3], true, k); },
            {x, w, b, p}, dy);
    compare([](const Tensors& t, Backend k) { return kernels::upsample_concat(t[0], t[1], k); }, {low, x},
            draw({2, 8, 6, 7}));
    compare([](const Tensors& t, Backend k) { return kernels::upsample_gate(t[0], t[1], t[0], true, k); }, {x, low},
            dy);
    compare([](const Tensors& t, Backend k) { return kernels::upsample_gate(t[0], t[1], t[2], true, k); }, {x, low, p},
            dy);
    compare(
        [](const Tensors& t, Backend k) {
          return kernels::dilated_branch(t[0], {t[1], t[2], t[3]}, {t[1], t[2], t[3]}, 2, 1e-5, k);
        },
        {x, conv, w, b}, dy);
    REQUIRE(has(device, "branch_plane_backward"));
    compare(
        [](const Tensors& t, Backend k) {
          return kernels::depthwise_step(t[0], {t[1], t[2], t[3]}, /*stride=*/2, /*dilation=*/1, 1e-5, k);
        },
        {x, conv, w, b}, draw({2, 4, 3, 4}));
    REQUIRE(has(device, "depthwise_norm") == (storage == Storage::ChannelsLast));  // else LibTorch's convolution
    compare(
        [](const Tensors& t, Backend k) {
          return kernels::dice_sums(t[0], torch::ones({2, 4, 6, 7}, t[0].device()), k);
        },
        {x}, torch::tensor({1.f, 2.f, 3.f}).to(at));
  }
}

TEMPLATE_TEST_CASE("planes too large for shared memory go through the plain depth-wise kernel", "[kernels][gpu]",
                   OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(32);
  RecordingLauncher device(TestType::launcher(), 4096);
  const torch::Device at = TestType::device();
  const Tensors inputs{torch::randn({1, 3, 9, 8}).to(at), torch::randn({3, 1, 3, 3}).to(at), torch::rand({3}).to(at),
                       torch::randn({3}).to(at)};
  const auto f = [](Backend k) {
    return [=](const Tensors& t) {
      return kernels::dilated_branch(t[0], {t[1], t[2], t[3]}, {t[1], t[2], t[3]}, 3, 1e-5, k);
    };
  };
  require_matches_float64(f(Backend::Fused), f(Backend::Reference), inputs, torch::randn({1, 3, 9, 8}), 1e-4);
  REQUIRE(has(device, "branch_conv"));
  REQUIRE(has(device, "branch_conv_taps"));
  REQUIRE_FALSE(has(device, "branch_plane"));
}

}  // namespace kernels_cuda_dispatch_test

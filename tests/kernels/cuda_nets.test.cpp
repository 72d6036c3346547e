// SPDX-License-Identifier: MIT
// The paper's networks over the CUDA kernels, and what of them is fused between layers, on a GPU and with the host in
// its place.
#include <pam/core/autocast.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/activation.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/pointwise.hpp>
#include <pam/kernels/upsample.hpp>
#include <pam/nets/zoo.hpp>

#include "kernels/kernel_check.hpp"
#include "kernels/launch_counter.hpp"
#include "kernels/places.hpp"

namespace kernels_cuda_nets_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

/// relu(norm(x)) still to be computed, and in float64.
struct Normed {
  Normed(const std::vector<std::int64_t>& shape, torch::ScalarType type, torch::ScalarType parameters, torch::Device at)
      : x(stored((torch::randn(shape) * 2 + 0.7).to(at, type), Storage::ChannelsLast)),
        norm{torch::randn({shape[1]}).to(at, parameters), (torch::randn({shape[1]}) * 0.3).to(at, parameters), 1e-5} {}
  [[nodiscard]] kernels::Activation activation() const { return {x, norm, Backend::Fused}; }
  [[nodiscard]] torch::Tensor wide() const {
    const auto t = as_double({x, norm.weight, norm.bias});
    return kernels::reference::instance_norm_relu(t[0], t[1], t[2], norm.eps);
  }
  torch::Tensor x;
  kernels::InstanceNorm norm;
};

TEMPLATE_TEST_CASE("in inference a network's head and its upsampling compute the norm of what they read",
                   "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  kernels::cuda::Launcher& launcher = TestType::launcher();
  const torch::Device at = TestType::device();
  const SeedScope seed(33);
  const torch::NoGradGuard no_grad;
  struct Case {
    std::int64_t deep, h, w, skip, height, width, outputs;
  };
  // Channels that fill packs and that do not, more than a block has threads; one row; more than one chunk of pixels.
  for (const auto& [deep, h, w, skip, height, width, outputs] : std::vector<Case>{{8, 3, 4, 16, 6, 8, 1},
                                                                                  {3, 2, 3, 5, 7, 5, 2},
                                                                                  {8, 1, 2, 3, 1, 9, 3},
                                                                                  {136, 9, 5, 8, 17, 11, 4},
                                                                                  {16, 19, 17, 8, 38, 33, 1}}) {
    for (const auto type : {torch::kFloat, torch::kBFloat16, torch::kHalf}) {
      for (const auto parameters : {torch::kFloat, type}) {
        CAPTURE(deep, h, w, skip, height, width, outputs, static_cast<int>(type), static_cast<int>(parameters));
        // One rounding of the result to 8 or 11 bits, or float32 sums.
        const double bound = type == torch::kFloat ? 1e-5 : type == torch::kHalf ? 1e-3 : 8e-3;
        RecordingLauncher device(launcher, /*shared=*/0);  // no map fits
        const Normed below({2, deep, h, w}, type, parameters, at);
        const auto beside = stored(torch::randn({2, skip, height, width}).to(at, type), Storage::ChannelsLast);
        const kernels::Activation joined(below.activation(), beside, Backend::Fused);
        REQUIRE_THAT(joined.tensor(), IsClose(kernels::reference::upsample_concat(below.wide(), as_double({beside})[0]))
                                          .rtol(bound)
                                          .atol(bound * 0.02)
                                          .of_largest());
        REQUIRE(joined.tensor().is_contiguous(at::MemoryFormat::ChannelsLast));
        REQUIRE(device.started == std::vector<std::string>{"norm_pixel_sums", "upsample_concat_normed"});
        device.started.clear();
        const AutocastScope mixed(at, torch::kBFloat16, /*enabled=*/parameters != type);
        const auto head = torch::randn({outputs, deep, 1, 1}).to(at, parameters);
        REQUIRE_THAT(kernels::pointwise(below.activation(), head),
                     IsClose(kernels::reference::pointwise(below.wide(), as_double({head})[0], 1))
                         .rtol(bound)
                         .atol(bound)
                         .of_largest());
        REQUIRE(device.started == std::vector<std::string>{"norm_pixel_sums", "norm_pixel_head"});
      }
    }
  }
}

TEMPLATE_TEST_CASE("the paper's networks over the CUDA kernels give the reference's logits and gradients",
                   "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  kernels::cuda::Launcher& launcher = TestType::launcher();
  const torch::Device at = TestType::device();
  const bool tf32 = at::globalContext().allowTF32CuDNN();
  at::globalContext().setAllowTF32CuDNN(false);
  const SeedScope seed(34);
  for (const auto* name : {"unet", "fpa", "rfna"}) {
    for (const auto format : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
      CAPTURE(name, static_cast<int>(format));
      auto net = build_network({name, 2, 1, 8});
      to_memory_format(*net, format);
      const auto x = torch::randn({1, 2, 72, 66}).contiguous(format), direction = torch::randn({1, 1, 72, 66});
      auto wide = net.clone();
      wide->to(torch::kDouble);
      const auto expected = wide(x.to(torch::kDouble));
      (expected * direction).sum().backward();
      net->to(at);
      const auto input = x.to(at);
      RecordingLauncher device(launcher);
      torch::Tensor inferred;
      {
        const torch::NoGradGuard no_grad;
        inferred = net(input);
      }
      const bool has_head = std::count(device.started.begin(), device.started.end(), "norm_pixel_head") == 1;
      REQUIRE(has_head == (format == at::MemoryFormat::ChannelsLast));
      const auto trained = net(input);
      (trained * direction.to(at)).sum().backward();
      // Some twenty normalised layers of float32 sums.
      for (const auto& logits : {inferred, trained.detach()}) {
        REQUIRE_THAT(logits, IsClose(expected.detach()).rtol(1e-3).atol(1e-3).of_largest());
      }
      const auto a = wide->named_parameters(), b = net->named_parameters();
      for (const auto& item : a) {
        CAPTURE(item.key());
        // A ReLU near zero falls either way: 1 % of the norm. A gradient of another tensor is off by all of it.
        const torch::Tensor want = item.value().grad(), found = b[item.key()].grad();
        const auto apart = (found.to(torch::kCPU, torch::kDouble) - want).norm().item<double>();
        REQUIRE(apart < 0.01 * want.norm().item<double>() + 1e-5);
      }
    }
  }
  at::globalContext().setAllowTF32CuDNN(tf32);
}

}  // namespace kernels_cuda_nets_test

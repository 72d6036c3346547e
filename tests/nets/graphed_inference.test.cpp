// SPDX-License-Identifier: MIT
#include <pam/core/seed.hpp>
#include <pam/nets/graphed_inference.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/unet.hpp>
#include <pam/nets/zoo.hpp>

#include "support/bytes.hpp"
#include "support/device.hpp"
#include "support/tensor_matchers.hpp"

namespace nets_graphed_inference_test {

using namespace pam;
using test::message_of;
using Plain = UNet<ConvBlock>;

Plain small_net() {
  const SeedScope scope(5);
  return Plain(Plain::Impl::Options(2, 1).width(4).depth(2));
}

torch::Tensor image(std::uint64_t seed, at::MemoryFormat layout = at::MemoryFormat::Contiguous) {
  const SeedScope scope(seed);
  return torch::randn({2, 2, 20, 17}).contiguous(layout);
}

TEST_CASE("on the CPU GraphedInference gives the net's own output, in both layouts, without a graph for autograd",
          "[nets]") {
  const auto net = small_net();
  for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    GraphedInference fast(net, image(1, layout));
    REQUIRE_FALSE(fast.graphed());
    REQUIRE_THAT(fast.reason(), Catch::Contains("cpu"));
    for (const std::uint64_t seed : {1, 2, 3}) {
      const auto x = image(seed, layout);
      torch::NoGradGuard no_grad;
      const auto y = fast(x), expected = Plain(net)(x);
      REQUIRE(torch::equal(y, expected));
      REQUIRE_FALSE(y.requires_grad());
    }
    REQUIRE_FALSE(fast(image(1, layout)).requires_grad());
  }
}

TEST_CASE("GraphedInference takes a Network, a function, and a precision", "[nets]") {
  const Network network("mine", small_net());
  GraphedInference by_network(network, image(1), Precision::Bfloat16);
  const auto y = by_network(image(2));
  REQUIRE(y.scalar_type() == torch::kBFloat16);
  {
    const torch::NoGradGuard no_grad;
    const auto scope = autocast(torch::kCPU, Precision::Bfloat16);
    REQUIRE(torch::equal(y, network(image(2))));
  }
  GraphedInference by_function([&](const torch::Tensor& x) { return network.probabilities(x); }, image(1));
  REQUIRE(torch::equal(by_function(image(2)), network.probabilities(image(2))));
  // Weights changed in place are seen.
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : network->parameters()) parameter.mul_(0.5);
  }
  REQUIRE(torch::equal(by_function(image(2)), network.probabilities(image(2))));
}

TEST_CASE("GraphedInference refuses another shape, type or device than the example's, and says both", "[nets]") {
  GraphedInference fast(small_net(), image(1));
  const auto message = [&](const torch::Tensor& x) { return message_of<Error>([&] { fast(x); }); };
  REQUIRE_THAT(message(torch::zeros({2, 2, 20, 18})),
               Catch::Contains("made for [2, 2, 20, 17] Float on cpu, got [2, 2, 20, 18] Float on cpu") &&
                   Catch::Contains("make another one for other shapes"));
  REQUIRE_THAT(message(image(1).to(torch::kDouble)), Catch::Contains("got [2, 2, 20, 17] Double on cpu"));
  REQUIRE_THAT(message(torch::empty({2, 2, 20, 17}, torch::kMeta)), Catch::Contains("on meta"));
  REQUIRE_THAT(message({}), Catch::Contains("got an undefined tensor"));
  REQUIRE_THAT(message_of<Error>([] { GraphedInference none(small_net(), {}); }),
               Catch::Contains("the example input is undefined"));
  REQUIRE_THAT(message_of<Error>([] { GraphedInference half(small_net(), image(1), Precision::Float16); }),
               Catch::Contains("float16"));
}

TEST_CASE("FixedTensors notices a module that moved its weights, and not one that changed them", "[nets]") {
  auto net = small_net();
  const FixedTensors weights(net->parameters());
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : net->parameters()) parameter.add_(1);
  }
  REQUIRE_FALSE(weights.moved());
  net->to(torch::kDouble);
  REQUIRE(weights.moved());
}

TEST_CASE("on a GPU the recorded net gives the plain one's output, sees new weights, and refuses moved ones",
          "[nets][gpu]") {
  if (!torch::cuda::is_available()) PAM_SKIP("no GPU");
#ifndef PAM_HAS_CUDA_GRAPHS
  PAM_SKIP("built without component cuda");
#else
  for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const auto precision : {Precision::Float32, Precision::Bfloat16, Precision::Float16}) {
      auto net = small_net();
      net->to(torch::kCUDA);
      const auto on_gpu = [&](std::uint64_t seed) { return image(seed, layout).to(torch::kCUDA); };
      const auto plain = [&](const torch::Tensor& x) {
        const torch::NoGradGuard no_grad;
        const auto scope = autocast(torch::kCUDA, precision);
        return Plain(net)(x);
      };
      GraphedInference fast(net, on_gpu(1), precision);
      CAPTURE(fast.reason());
      REQUIRE(fast.graphed());
      for (const std::uint64_t seed : {2, 3, 2}) {
        // cuDNN may choose other algorithms, and its float32 is TF32: three digits; bfloat16 has two.
        const double bound = precision == Precision::Float32 ? 5e-3 : 3e-2;
        REQUIRE_THAT(fast(on_gpu(seed)), test::IsClose(plain(on_gpu(seed))).of_largest().rtol(bound));
      }
      const auto first = fast(on_gpu(2)), second = fast(on_gpu(3));
      REQUIRE(first.data_ptr() == second.data_ptr());
      {
        const torch::NoGradGuard no_grad;
        for (auto& parameter : net->parameters()) parameter.mul_(0.5);
      }
      REQUIRE_THAT(fast(on_gpu(2)), test::IsClose(plain(on_gpu(2))).of_largest().rtol(3e-2));
      REQUIRE_THAT(message_of<Error>([&] { fast(image(1)); }),
                   Catch::Contains("on cuda:0, got") && Catch::Contains("on cpu"));
      net->to(torch::kCPU);
      REQUIRE_THAT(message_of<Error>([&] { fast(on_gpu(2)); }), Catch::Contains("moved or converted"));
    }
  }
  // What waits for the device cannot be recorded: it runs eagerly, and LibTorch still works afterwards.
  GraphedInference waiting([](const torch::Tensor& x) { return x * x.sum().item<float>(); },
                           torch::ones({2, 3}, torch::kCUDA));
  REQUIRE_FALSE(waiting.graphed());
  REQUIRE_FALSE(waiting.reason().empty());
  REQUIRE(waiting(torch::full({2, 3}, 2.f, torch::kCUDA)).sum().item<float>() == 144);
  REQUIRE(torch::randn({4}, torch::kCUDA).isfinite().all().item<bool>());  // the generator draws again
  REQUIRE(GraphedInference([](const torch::Tensor& x) { return x * 2; }, torch::ones({4}, torch::kCUDA)).graphed());
#endif
}

TEST_CASE("unet, fpa and rfna as GraphedInference give their own outputs, also after new weights", "[nets][gpu]") {
  const auto at = test::best_device();
  const torch::NoGradGuard no_grad;
  for (const auto* name : {"unet", "fpa", "rfna"}) {
    for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      const SeedScope seed(6);
      const auto net = build_network({name, 2, 1, 8});
      net->to(at, torch::kBFloat16);
      const auto draw = [&] { return torch::randn({2, 2, 80, 72}).to(at, torch::kBFloat16).contiguous(layout); };
      GraphedInference fast(net, draw());
      CAPTURE(name, static_cast<int>(layout), fast.reason());
#ifdef PAM_HAS_CUDA_GRAPHS
      REQUIRE(fast.graphed() == at.is_cuda());
#endif
      for (int i = 0; i < 3; ++i) {
        const auto x = draw();
        // cuDNN may choose other algorithms; bfloat16 has two digits, of which the layers of a net leave one and a
        // half.
        REQUIRE_THAT(fast(x), test::IsClose(net(x)).of_largest().rtol(4e-2));
        for (auto& parameter : net->parameters()) parameter.mul_(0.9);
      }
    }
  }
}

}  // namespace nets_graphed_inference_test

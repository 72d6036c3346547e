// SPDX-License-Identifier: MIT
// What a GPU can get wrong and float64 on small dense tensors (cuda_sources.test.cpp) does not show: repeats,
// addresses, threads, sizes beyond 32 bits, a machine without NVRTC. Where there is no GPU, the bodies that hold on a
// CPU run on it.
#include <pam/core/seed.hpp>
#include <pam/kernels/depthwise_step.hpp>
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/upsample.hpp>

#include "kernels/kernel_check.hpp"
#include "kernels/places.hpp"
#include "support/device.hpp"

#include <array>
#include <thread>

namespace kernels_gpu_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

constexpr double kEps = 1e-5;

/// A public function of kernels/ on inputs of one type and layout.
struct Operation {
  std::string name;
  Tensors inputs;
  std::function<torch::Tensor(const Tensors&, Backend)> run;
  torch::Tensor direction;  ///< of the gradient
};

/// All of them, on 16 channels of 12 x 20.
std::vector<Operation> operations(torch::ScalarType type, Storage storage) {
  const auto at = best_device();
  const SeedScope seed(41);
  const auto draw = [&](std::int64_t c, std::int64_t h, std::int64_t w) {
    return stored((torch::randn({2, c, h, w}) + 0.3).to(at, type), storage);
  };
  const auto x = draw(16, 12, 20), p = draw(16, 12, 20), low = draw(16, 6, 10);
  const auto taps = torch::randn({16, 1, 3, 3}), conv = (taps * 0.4 + taps.sign() * 0.2).to(at);
  const auto w = (torch::rand({16}) + 0.5).to(at), b = (torch::randn({16}) * 0.3).to(at);
  const auto ones = torch::ones({2, 16, 12, 20}, at);
  std::vector<Operation> all{
      {"instance_norm_relu",
       {x, w, b},
       [](const Tensors& t, Backend k) { return kernels::instance_norm_relu(t[0], t[1], t[2], kEps, k); },
       draw(16, 12, 20)},
      {"instance_norm_relu_gate",
       {x, w, b, p},
       [](const Tensors& t, Backend k) {
         return kernels::instance_norm_relu_gate(t[0], t[1], t[2], kEps, t[3], true, k);
       },
       draw(16, 12, 20)},
      {"upsample_concat",
       {low, x},
       [](const Tensors& t, Backend k) { return kernels::upsample_concat(t[0], t[1], k); },
       draw(32, 12, 20)},
      {"upsample_gate",
       {x, low, p},
       [](const Tensors& t, Backend k) { return kernels::upsample_gate(t[0], t[1], t[2], true, k); },
       draw(16, 12, 20)},
      {"dilated_branch",
       {x, conv, w, b},
       [](const Tensors& t, Backend k) {
         return kernels::dilated_branch(t[0], {t[1], t[2], t[3]}, {t[1], t[2], t[3]}, 2, kEps, k);
       },
       draw(16, 12, 20)},
      {"dice_sums",
       {x},
       [ones](const Tensors& t, Backend k) { return kernels::dice_sums(t[0], ones, k); },
       torch::tensor({1.F, 2.F, 3.F}).to(at)}};
  // Its convolution is LibTorch's on a CPU, which 1.13 lacks in float16, and in planes, where cuDNN's gradients add in
  // no fixed order.
  if (at.is_cuda() && storage == Storage::ChannelsLast) {
    all.push_back({"depthwise_step",
                   {x, conv, w, b},
                   [](const Tensors& t, Backend k) {
                     return kernels::depthwise_step(t[0], {t[1], t[2], t[3]}, /*stride=*/2, /*dilation=*/1, kEps, k);
                   },
                   draw(16, 6, 10)});
  }
  return all;
}

std::vector<torch::ScalarType> types() {
  std::vector<torch::ScalarType> all{torch::kFloat, torch::kBFloat16};
  if (best_device().is_cuda()) all.push_back(torch::kHalf);
  return all;
}

Tensors fused(const Operation& operation, const Tensors& inputs) {
  return output_and_gradients([&](const Tensors& t) { return operation.run(t, Backend::Fused); }, inputs,
                              operation.direction);
}

TEST_CASE("a fused operation repeated gives the same bits", "[kernels][gpu]") {
  for (const auto type : types()) {
    for (const auto storage : storages()) {
      for (const auto& operation : operations(type, storage)) {
        CAPTURE(operation.name, static_cast<int>(type), static_cast<int>(storage));
        const auto first = fused(operation, operation.inputs);
        for (int i = 0; i < 3; ++i) {
          const auto again = fused(operation, operation.inputs);
          for (std::size_t j = 0; j < first.size(); ++j) REQUIRE(torch::equal(again[j], first[j]));
        }
      }
    }
  }
}

/// x's numbers in the same layout, one element behind an address that is a multiple of 16 bytes.
torch::Tensor misaligned(const torch::Tensor& x) {
  if (x.dim() != 4) return x;
  auto moved = torch::empty({x.numel() + 1}, x.options()).as_strided(x.sizes(), x.strides(), /*storage_offset=*/1);
  return moved.copy_(x);
}

TEST_CASE("inputs that begin at odd addresses give what aligned ones give", "[kernels][gpu]") {
  for (const auto type : types()) {
    for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
      for (const auto& operation : operations(type, storage)) {
        CAPTURE(operation.name, static_cast<int>(type), static_cast<int>(storage));
        auto moved = operation;
        for (auto& input : moved.inputs) input = misaligned(input);
        moved.direction = misaligned(moved.direction);
        const auto expected = fused(operation, operation.inputs), actual = fused(moved, moved.inputs);
        for (std::size_t i = 0; i < actual.size(); ++i) {
          // Float32 sums in another order, then one rounding of each result.
          const double bound = type == torch::kFloat ? 2e-5 : 1e-2;
          REQUIRE_THAT(actual[i], IsClose(expected[i]).rtol(bound).atol(bound * 0.1).of_largest());
        }
      }
    }
  }
}

TEST_CASE("two threads at once compute what one computes", "[kernels][gpu]") {
  const auto at = best_device();
  const auto all = operations(torch::kFloat, Storage::ChannelsLast);
  std::vector<Tensors> expected;
  for (const auto& operation : all) expected.push_back(fused(operation, operation.inputs));
  if (at.is_cuda()) torch::cuda::synchronize();
  std::array<bool, 2> same{true, true};
  const auto work = [&](std::size_t thread) {
#ifdef PAM_WITH_CUDA
    c10::cuda::OptionalCUDAStreamGuard own_stream;
    if (at.is_cuda()) own_stream.reset_stream(c10::cuda::getStreamFromPool(false, at.index()));
#endif
    for (int round = 0; round < 10; ++round) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        const auto found = fused(all[i], all[i].inputs);
        for (std::size_t j = 0; j < found.size(); ++j) same[thread] = same[thread] && found[j].equal(expected[i][j]);
      }
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  REQUIRE(same[0]);
  REQUIRE(same[1]);
}

TEST_CASE("more than 65,535 planes are computed to the last", "[kernels][gpu]") {
  const auto at = best_device();
  const SeedScope seed(42);
  const auto x = torch::randn({3, 25000, 3, 4}), low = torch::randn({3, 25000, 2, 2});
  const auto w = torch::rand({25000}) + 0.5, b = torch::randn({25000}) * 0.3, conv = torch::randn({25000, 1, 3, 3});
  const auto compare = [&](const std::function<torch::Tensor(const Tensors&, Backend)>& f, const Tensors& inputs) {
    Tensors on_device;
    for (const auto& input : inputs) on_device.push_back(input.to(at));
    const torch::NoGradGuard no_grad;
    // Norms of 12 pixels enlarge float32's rounding by as much as a small variance divides it.
    REQUIRE_THAT(f(on_device, Backend::Fused),
                 IsClose(f(as_double(inputs), Backend::Reference)).rtol(2e-4).of_largest());
  };
  compare([](const Tensors& t, Backend k) { return kernels::instance_norm_relu(t[0], t[1], t[2], kEps, k); },
          {x, w, b});
  compare([](const Tensors& t, Backend k) { return kernels::upsample_gate(t[0], t[1], t[0], true, k); }, {x, low});
  compare([](const Tensors& t, Backend k) { return kernels::upsample_concat(t[0], t[1], k); }, {low, x});
  compare(
      [](const Tensors& t, Backend k) {
        return kernels::dilated_branch(t[0], {t[1], t[2], t[3]}, {t[1], t[2], t[3]}, 2, kEps, k);
      },
      {x, conv, w, b});
}

/// Norm and upsampling of (n, 64, side, side) against float64, at the first and the last sample's last channels.
void check_first_and_last(std::int64_t n, std::int64_t side, Storage storage) {
  const auto at = best_device();
  const torch::NoGradGuard no_grad;
  const auto x = stored(torch::randn({n, 64, side, side}, torch::TensorOptions(at).dtype(torch::kBFloat16)), storage);
  const auto low = stored(torch::randn({n, 8, side / 8, side / 8}, x.options()), storage);
  const auto w = torch::rand({64}, at) + 0.5, b = torch::randn({64}, at);
  const auto normed = kernels::instance_norm_relu(x, w, b, kEps, Backend::Fused);
  const auto joined = kernels::upsample_concat(low, x, Backend::Fused);
  for (const std::int64_t sample : {std::int64_t{0}, n - 1}) {
    const auto part = [&](const torch::Tensor& t, std::int64_t dim, std::int64_t from) {
      return t.narrow(dim, from, t.size(dim) - from);
    };
    const auto in = as_double({part(x.narrow(0, sample, 1), 1, 60), part(w, 0, 60), part(b, 0, 60)});
    REQUIRE_THAT(part(normed.narrow(0, sample, 1), 1, 60),
                 IsClose(kernels::reference::instance_norm_relu(in[0], in[1], in[2], kEps)).rtol(1e-2).of_largest());
    const auto up = as_double({low.narrow(0, sample, 1), x.narrow(0, sample, 1).narrow(1, 0, 1)});
    REQUIRE_THAT(joined.narrow(0, sample, 1).narrow(1, 0, 8),
                 IsClose(kernels::reference::upsample_concat(up[0], up[1]).narrow(1, 0, 8)).rtol(1e-2).of_largest());
    REQUIRE(torch::equal(joined.narrow(0, sample, 1).narrow(1, 8, 64), x.narrow(0, sample, 1)));
  }
}

TEST_CASE("tensors of more than 2^31 elements are computed to their end", "[kernels][gpu]") {
  const auto both = {Storage::Contiguous, Storage::ChannelsLast};
  for (const auto storage : both) check_first_and_last(2, 48, storage);  // that the check itself holds
  if (const auto missing = OnGpu::missing(); !missing.empty()) PAM_SKIP(missing);
  if (!OnGpu::all_sizes()) PAM_SKIP("PAM_SMALL_TESTS is set");
  try {
    for (const auto storage : both) check_first_and_last(33, 1024, storage);  // 2.2e9 elements, 18 GB in all
  } catch (const c10::Error& error) {
    if (std::string(error.what()).find("out of memory") == std::string::npos) throw;
    PAM_SKIP("the GPU's memory is too small");
  }
}

#ifdef PAM_WITH_CUDA
TEST_CASE("without NVRTC a GPU computes with the reference expressions", "[kernels][gpu]") {
  if (const auto missing = OnGpu::missing(); !missing.empty()) PAM_SKIP(missing);
  kernels::cuda::Gpu without(0, [](int) { return std::optional<kernels::cuda::Nvrtc>(); });
  REQUIRE_FALSE(without.ready(torch::kFloat));
  const SeedScope seed(43);
  const auto x = torch::randn({2, 8, 9, 7}).to(torch::kCUDA), w = torch::rand({8}).to(torch::kCUDA);
  const torch::NoGradGuard no_grad;
  kernels::cuda::stand_in() = &without;
  const auto y = kernels::instance_norm_relu(x, w, w, kEps, Backend::Fused);
  kernels::cuda::stand_in() = nullptr;
  REQUIRE(torch::equal(y, kernels::instance_norm_relu(x, w, w, kEps, Backend::Reference)));
}
#endif

}  // namespace kernels_gpu_test

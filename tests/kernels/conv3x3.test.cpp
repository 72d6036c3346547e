// SPDX-License-Identifier: MIT
#include <pam/core/autocast.hpp>
#include <pam/core/memory_format.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/conv3x3.hpp>
#include <pam/kernels/detail/cpu/winograd_weights.hpp>
#include <pam/layers/conv_norm_act.hpp>
#include <pam/weights/weights.hpp>

#include "kernels/kernel_check.hpp"
#include "support/convolution_scope.hpp"
#include "support/files.hpp"

#include <functional>
#include <thread>

namespace kernels_conv3x3_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;
using kernels::Conv3x3Cache;
using kernels::Convolution;

struct Problem {
  Problem(const std::vector<std::int64_t>& shape, std::int64_t outputs, Storage storage = Storage::ChannelsLast,
          torch::ScalarType type = torch::kFloat) {
    const SeedScope seed(7);
    x = stored(torch::randn(shape).relu().to(type), storage);  // as in the networks, whose inputs follow a ReLU
    weight = stored(torch::randn({outputs, shape[1], 3, 3}).to(type), storage);
    bias = torch::randn({outputs}).to(type);
    direction = stored(torch::randn({shape[0], outputs, shape[2], shape[3]}).to(type), storage);
  }
  torch::Tensor x, weight, bias, direction;
};

/// With a cache of its own, of x, weight and, where there is a third tensor, bias.
Expression conv_with(Backend backend) {
  return [=](const Tensors& t) {
    Conv3x3Cache cache;
    return kernels::conv3x3(t[0], t[1], t.size() > 2 ? t[2] : torch::Tensor(), cache, backend);
  };
}

// What the interface promises is 2e-5 of the largest entry. (Measured here: at most 3e-6.)
TEST_CASE("Winograd's convolution equals the float64 reference, output and gradients", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const ConvolutionScope winograd(Convolution::Winograd);
  auto shapes = awkward_shapes();
  for (const auto& more : std::vector<std::vector<std::int64_t>>{{1, 2, 1, 1}, {2, 40, 6, 11}, {1, 70, 4, 4}}) {
    shapes.push_back(more);
  }
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& shape : shapes) {
      for (const auto outputs : {1, 5, 17, 64, 112}) {  // 112 fills panels of 64, 32 and 16
        for (const auto storage : storages()) {
          const Problem p(shape, outputs, storage);
          CAPTURE(static_cast<int>(isa), shape, outputs, static_cast<int>(storage));
          require_matches_float64(conv_with(Backend::Fused), conv_with(Backend::Reference), {p.x, p.weight, p.bias},
                                  p.direction, 2e-5);
        }
      }
    }
  }
}

// The sums of 512 channels are the longest of the networks. An input far from zero is what an image without
// normalisation is; of the constant part nothing may be lost in the transforms.
TEST_CASE("Winograd's convolution keeps 2e-5 of the largest entry with many channels and with a large mean",
          "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const ConvolutionScope winograd(Convolution::Winograd);
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const double mean : {0.0, 100.0}) {
      Problem p({1, 512, 21, 18}, 48);
      p.x = stored(p.x + mean, Storage::ChannelsLast);
      CAPTURE(static_cast<int>(isa), mean);
      require_matches_float64(conv_with(Backend::Fused), conv_with(Backend::Reference), {p.x, p.weight}, p.direction,
                              2e-5);
    }
  }
}

TEST_CASE("Winograd's convolution is the same on any number of threads, bit for bit", "[kernels]") {
  const ConvolutionScope winograd(Convolution::Winograd);
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{3, 24, 40, 41}, {2, 100, 9, 10}}) {
    const Problem p(shape, 32);
    // The bias' gradient is LibTorch's, which promises less.
    const auto conv = [&](const Tensors& t) { return conv_with(Backend::Fused)({t[0], t[1], p.bias}); };
    require_deterministic(conv, {p.x, p.weight}, p.direction);
    for (const int threads : {3, 5}) {
      const auto on = [&](int count) {
        const ThreadScope scope(count);
        return output_and_gradients(conv, {p.x, p.weight}, p.direction);
      };
      const auto many = on(threads), one = on(1);
      for (std::size_t i = 0; i < many.size(); ++i) REQUIRE(torch::equal(many[i], one[i]));
    }
  }
}

TEST_CASE("Winograd's convolution of an image does not depend on the batch that it is in, bit for bit", "[kernels]") {
  const ConvolutionScope winograd(Convolution::Winograd);
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    const Problem p({7, 20, 13, 22}, 48);
    const auto all = conv_with(Backend::Fused)({p.x, p.weight, p.bias});
    for (std::int64_t i = 0; i < 7; ++i) {
      const auto image = p.x.slice(0, i, i + 1).contiguous(at::MemoryFormat::ChannelsLast);
      REQUIRE(torch::equal(conv_with(Backend::Fused)({image, p.weight, p.bias}), all.slice(0, i, i + 1)));
    }
  }
}

TEST_CASE("whether Winograd's convolution is used does not depend on the batch that an image is in", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const torch::NoGradGuard no_grad;
  bool used = false, left = false;
  for (const std::int64_t side : {5, 7, 9, 13, 20, 33}) {
    const Problem p({8, 64, side, side}, 64);
    std::vector<bool> winograd;
    for (const std::int64_t count : {1, 3, 8}) {
      const Tensors inputs{p.x.slice(0, 0, count).contiguous(at::MemoryFormat::ChannelsLast), p.weight};
      torch::Tensor by_rule;
      {
        const ConvolutionScope automatic(Convolution::Auto);
        by_rule = conv_with(Backend::Fused)(inputs);
      }
      const ConvolutionScope forced(Convolution::Winograd);
      winograd.push_back(torch::equal(by_rule, conv_with(Backend::Fused)(inputs)));
    }
    CAPTURE(side);
    REQUIRE(winograd[0] == winograd[1]);
    REQUIRE(winograd[0] == winograd[2]);
    (winograd[0] ? used : left) = true;
  }
  REQUIRE(used);
  REQUIRE(left);
}

TEST_CASE("Winograd's convolution keeps the layout of its input", "[kernels]") {
  const ConvolutionScope winograd(Convolution::Winograd);
  for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
    const Problem p({2, 5, 6, 7}, 3, storage);
    const auto all = output_and_gradients(conv_with(Backend::Fused), {p.x, p.weight}, p.direction);
    const auto format = storage == Storage::Contiguous ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
    REQUIRE(all[0].is_contiguous(format));
    REQUIRE(all[1].is_contiguous(format));
  }
}

TEST_CASE("Winograd's convolution lets NaN through", "[kernels]") {
  const ConvolutionScope winograd(Convolution::Winograd);
  Problem p({1, 2, 12, 12}, 4);
  p.x.index_put_({0, 1, 5, 6}, std::nan(""));
  const auto y = conv_with(Backend::Fused)({p.x, p.weight});
  using torch::indexing::Slice;
  REQUIRE(y.index({Slice(), Slice(), Slice(4, 7), Slice(5, 8)}).isnan().all().item<bool>());
  REQUIRE_FALSE(y.index({Slice(), Slice(), 0, 0}).isnan().any().item<bool>());
}

TEST_CASE("LibTorch's convolution runs wherever Winograd's does not apply, to the bit", "[kernels]") {
  const auto same = [](const Problem& p, Backend backend) {
    const Tensors inputs{p.x, p.weight, p.bias};
    const auto found = output_and_gradients(conv_with(backend), inputs, p.direction);
    const auto expected = output_and_gradients([](const Tensors& t) { return torch::conv2d(t[0], t[1], t[2], 1, 1); },
                                               inputs, p.direction);
    for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(torch::equal(found[i], expected[i]));
  };
  const Problem usual({2, 32, 24, 24}, 32);
  {
    const ConvolutionScope direct(Convolution::Direct);
    same(usual, Backend::Fused);
  }
  const ConvolutionScope winograd(Convolution::Winograd);
  same(usual, Backend::Reference);
  same(Problem({2, 32, 24, 24}, 32, Storage::ChannelsLast, torch::kDouble), Backend::Fused);
  {
    const AutocastScope narrow(torch::kCPU);
    same(usual, Backend::Fused);
  }
  {
    const IsaScope none(kernels::cpu::Isa::None);
    same(usual, Backend::Fused);
  }
  const auto empty = torch::empty({0, 32, 24, 24});
  REQUIRE(conv_with(Backend::Fused)({empty, usual.weight.contiguous()}).sizes() == empty.sizes());
  const ConvolutionScope automatic(Convolution::Auto);
  same(Problem({1, 3, 24, 24}, 32), Backend::Fused);  // few channels
  same(Problem({1, 64, 3, 3}, 64), Backend::Fused);   // a tiny plane
}

TEST_CASE("errors of a convolution are LibTorch's", "[kernels]") {
  const ConvolutionScope winograd(Convolution::Winograd);
  const Problem p({1, 4, 6, 6}, 3);
  REQUIRE_THROWS_AS(conv_with(Backend::Fused)({p.x.slice(1, 0, 3), p.weight}), c10::Error);
  REQUIRE_THROWS_AS(conv_with(Backend::Fused)({p.x, p.weight, p.bias.slice(0, 0, 2)}), c10::Error);
}

TEST_CASE("a gradient of the gradient of Winograd's convolution is the reference's", "[kernels]") {
  const ConvolutionScope winograd(Convolution::Winograd);
  const Problem p({1, 3, 6, 7}, 4);
  const Tensors inputs{p.x, p.weight, p.bias};
  const auto actual = first_and_second_gradients(conv_with(Backend::Fused), inputs);
  const auto expected = first_and_second_gradients(conv_with(Backend::Reference), as_double(inputs));
  // Cubes and squares of float32 sums: 1e-4 of the largest entry.
  for (std::size_t i = 0; i < actual.size(); ++i) REQUIRE_THAT(actual[i], IsClose(expected[i]).rtol(1e-4).of_largest());
}

TEST_CASE("names of the ways to compute a convolution", "[kernels]") {
  REQUIRE(kernels::name_of(Convolution::Direct) == "direct");
  REQUIRE(kernels::name_of(Convolution::Auto) == "auto");
  REQUIRE(kernels::name_of(Convolution::Winograd) == "winograd");
}

/// A layer of 16 channels, and what float64 says that it computes now.
struct Layer {
  Layer() : module(ConvNormActOptions(16, 16).norm_act(false)) {
    const SeedScope seed(3);
    torch::nn::init::normal_(module->conv->weight);
    x = stored(torch::randn({2, 16, 12, 12}), Storage::ChannelsLast);
  }
  void require_right(ConvNormAct layer) const {
    const torch::NoGradGuard no_grad;
    const auto expected = torch::conv2d(x.to(torch::kDouble), layer->conv->weight.to(torch::kDouble), {}, 1, 1);
    REQUIRE_THAT(layer(x), IsClose(expected).rtol(2e-5).of_largest());
  }
  void require_right() const { require_right(module); }

  ConvNormAct module;
  torch::Tensor x;
};

TEST_CASE("a layer's convolution follows its weights, however they change", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const ConvolutionScope winograd(Convolution::Winograd);
  Layer layer;
  auto& module = *layer.module;
  auto& weight = module.conv->weight;
  layer.require_right();
  const auto step = [&](torch::optim::Optimizer&& optimizer) {
    optimizer.zero_grad();
    layer.module(layer.x).sum().backward();
    layer.require_right();  // fills the cache between the gradient and the step
    optimizer.step();
    layer.require_right();
  };
  SECTION("a step of SGD, which writes through data() and leaves the version as it is") {
    step(torch::optim::SGD(module.parameters(), torch::optim::SGDOptions(0.1)));
  }
  SECTION("a step of AdamW") { step(torch::optim::AdamW(module.parameters(), torch::optim::AdamWOptions(0.1))); }
  SECTION("writes in place, through data() and through a pointer") {
    {
      const torch::NoGradGuard no_grad;
      weight.mul_(1.5);
    }
    layer.require_right();
    weight.data().neg_();
    layer.require_right();
    weight.data_ptr<float>()[100] += 3;
    layer.require_right();
    std::swap(weight.data_ptr<float>()[0], weight.data_ptr<float>()[8 * 64]);
    layer.require_right();
  }
  SECTION("other memory, in another layout, of another type and back") {
    weight.set_data(torch::randn_like(weight));
    layer.require_right();
    to_memory_format(module, at::MemoryFormat::ChannelsLast);
    layer.require_right();
    module.to(torch::kDouble);
    {
      const torch::NoGradGuard no_grad;
      weight.add_(1);
    }
    module.to(torch::kFloat);
    layer.require_right();
  }
  SECTION("load_weights") {
    const TempDir folder;
    const Layer other;
    {
      const torch::NoGradGuard no_grad;
      other.module->conv->weight.add_(0.5);
    }
    save_weights(*other.module, folder / "other.safetensors");
    load_weights(module, folder / "other.safetensors");
    REQUIRE(torch::equal(weight, other.module->conv->weight));
    layer.require_right();
  }
  SECTION("a clone, whose weights go their own way") {
    const ConvNormAct clone(std::dynamic_pointer_cast<ConvNormActImpl>(module.clone()));
    layer.require_right(clone);
    {
      const torch::NoGradGuard no_grad;
      clone->conv->weight.add_(1);
    }
    layer.require_right(clone);
    layer.require_right();
  }
}

TEST_CASE("several threads call one layer, right after its weights have changed", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const ConvolutionScope winograd(Convolution::Winograd);
  const Layer layer;
  for (int round = 0; round < 5; ++round) {
    layer.module->conv->weight.data().add_(0.1);
    std::vector<torch::Tensor> results(4);
    std::vector<std::thread> threads;
    for (auto& result : results) {
      threads.emplace_back([&] {
        const torch::NoGradGuard no_grad;
        auto own = layer.module;
        result = own(layer.x);
      });
    }
    for (auto& thread : threads) thread.join();
    layer.require_right();
    for (const auto& result : results) REQUIRE(torch::equal(result, results[0]));
    const torch::NoGradGuard no_grad;
    auto own = layer.module;
    REQUIRE(torch::equal(own(layer.x), results[0]));
  }
}

TEST_CASE("transformed weights are kept between calls and freed with the module that keeps them", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const auto weight = torch::randn({16, 16, 3, 3});
  auto cache = std::make_unique<Conv3x3Cache>();
  using kernels::cpu::WinogradKind;
  const std::weak_ptr<const kernels::cpu::CachedWeights> kept = cache->of(weight, WinogradKind::Tiles4);
  REQUIRE_FALSE(kept.expired());
  REQUIRE(cache->of(weight, WinogradKind::Tiles4) == kept.lock());
  Conv3x3Cache copy(*cache);
  REQUIRE(copy.of(weight, WinogradKind::Tiles4) != kept.lock());
  for (const auto kind : {WinogradKind::Stride2, WinogradKind::Tiles5, WinogradKind::Tiles4}) {
    REQUIRE(copy.of(weight, kind)->weights.kind == kind);
  }
  cache->of(weight + 1, WinogradKind::Tiles4);
  REQUIRE(kept.expired());
}

}  // namespace kernels_conv3x3_test

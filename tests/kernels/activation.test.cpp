// SPDX-License-Identifier: MIT
#include <pam/core/autocast.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/activation.hpp>
#include <pam/kernels/conv3x3.hpp>
#include <pam/kernels/gate.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/pointwise.hpp>
#include <pam/kernels/upsample.hpp>
#include <pam/layers/conv_block.hpp>

#include "kernels/kernel_check.hpp"
#include "support/convolution_scope.hpp"

namespace kernels_activation_test {

using namespace pam;
using namespace pam::test;
using kernels::Activation;
using kernels::Backend;
using kernels::Conv3x3Cache;
using kernels::Convolution;
using kernels::InstanceNorm;

constexpr double kEps = 1e-5;

torch::Tensor pixels(const torch::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

InstanceNorm norm_of(std::int64_t channels) { return {torch::randn({channels}), torch::randn({channels}) * 0.3, kEps}; }

/// An input of a convolution, as an activation of each form and in float64.
struct Input {
  /// A tensor, or relu(instance_norm(x)).
  Input(const std::vector<std::int64_t>& shape, bool normalised) {
    const auto x = pixels(torch::randn(shape) * 2 + 0.7);
    activation = Activation(x), wide = x.to(torch::kDouble);
    if (!normalised) return;
    const auto norm = norm_of(shape[1]);
    activation = Activation(x.clone(), norm, Backend::Fused);
    wide = kernels::reference::instance_norm_relu(wide, norm.weight.to(torch::kDouble), norm.bias.to(torch::kDouble),
                                                  kEps);
  }
  /// [upsample(deep), skip].
  Input(const Input& deep, const Input& skip)
      : activation(deep.activation, skip.activation, Backend::Fused),
        wide(kernels::reference::upsample_concat(deep.wide, skip.wide)) {}
  [[nodiscard]] torch::Tensor computed() const { return activation.tensor(); }

  Activation activation;
  torch::Tensor wide;
};

struct Layer {
  Layer(std::int64_t in, std::int64_t out, std::int64_t stride_ = 1)
      : weight(torch::randn({out, in, 3, 3})), norm(norm_of(out)), stride(stride_) {}
  Activation operator()(const Activation& x, Backend backend = Backend::Fused) const {
    Conv3x3Cache cache;
    return kernels::conv3x3_norm_relu(x, weight, norm, cache, backend, stride);
  }
  [[nodiscard]] torch::Tensor in_float64(const torch::Tensor& x) const {
    return kernels::reference::instance_norm_relu(torch::conv2d(x, weight.to(torch::kDouble), {}, stride, 1),
                                                  norm.weight.to(torch::kDouble), norm.bias.to(torch::kDouble), kEps);
  }
  torch::Tensor weight;
  InstanceNorm norm;
  std::int64_t stride;
};

// 2e-5 of the largest entry is what one layer may lose; here it is two norms and a convolution.
TEST_CASE("a convolution that normalises while it reads equals the float64 reference", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const torch::NoGradGuard no_grad;
  const ConvolutionScope winograd(Convolution::Winograd);
  auto shapes = awkward_shapes();
  for (const auto& more : std::vector<std::vector<std::int64_t>>{
           {2, 40, 6, 11}, {1, 70, 4, 4}, {2, 16, 3, 3}, {1, 150, 17, 18}, {3, 32, 8, 24}}) {
    shapes.push_back(more);
  }
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& shape : shapes) {
      for (const std::int64_t outputs : {1, 5, 17, 64, 144}) {
        for (const int form : {0, 1, 2, 3}) {
          const bool normalised = form % 2 == 1;
          const std::int64_t stride = 1 + form / 2;
          const SeedScope seed(7);
          const Input in(shape, normalised);
          const Layer layer(shape[1], outputs, stride);
          CAPTURE(static_cast<int>(isa), shape, outputs, normalised, stride);
          const auto y = layer(in.activation);
          if (shape[1] > 1) REQUIRE(y.parts().table.defined());  // one channel has no layout
          REQUIRE(y.sizes() == std::vector<std::int64_t>{shape[0], outputs, (shape[2] + stride - 1) / stride,
                                                         (shape[3] + stride - 1) / stride});
          REQUIRE_THAT(y.tensor(), IsClose(layer.in_float64(in.wide)).rtol(2e-5).of_largest());
          REQUIRE_THAT(in.computed(), IsClose(in.wide).rtol(2e-5).of_largest());  // after it has been read
        }
      }
    }
  }
}

TEST_CASE("a convolution that upsamples and concatenates while it reads equals the float64 reference", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const torch::NoGradGuard no_grad;
  const ConvolutionScope winograd(Convolution::Winograd);
  struct Sizes {
    std::int64_t deep_channels, h, w, skip_channels, height, width;
  };
  // Twice and more, odd, one pixel, the same size, hardly any larger; deep channels that a vector does not divide.
  const std::vector<Sizes> all{{64, 10, 10, 32, 20, 20}, {16, 5, 6, 8, 9, 12}, {32, 1, 1, 3, 5, 4},
                               {16, 1, 7, 16, 1, 13},    {32, 9, 8, 5, 9, 8},  {16, 8, 9, 1, 9, 10},
                               {16, 3, 2, 20, 31, 29},   {24, 4, 4, 8, 8, 8},  {5, 4, 5, 16, 8, 9},
                               {48, 13, 17, 17, 25, 33}};
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& s : all) {
      for (const auto forms : {0, 1, 2, 3}) {
        const SeedScope seed(7);
        const bool one_pixel = s.h * s.w == 1;  // has no norm
        const Input in(Input({2, s.deep_channels, s.h, s.w}, forms % 2 == 1 && !one_pixel),
                       Input({2, s.skip_channels, s.height, s.width}, forms / 2 == 1));
        const Layer layer(s.deep_channels + s.skip_channels, 21);
        CAPTURE(static_cast<int>(isa), s.deep_channels, s.h, s.w, s.skip_channels, s.height, s.width, forms);
        REQUIRE(in.activation.sizes() == in.wide.sizes().vec());
        REQUIRE_THAT(layer(in.activation).tensor(), IsClose(layer.in_float64(in.wide)).rtol(2e-5).of_largest());
        REQUIRE_THAT(in.computed(), IsClose(in.wide).rtol(2e-5).of_largest());
      }
    }
  }
}

// What is computed while reading is what would have been computed before: both are within the bound of the reference.
TEST_CASE("reading an activation and computing it first give the same, to rounding", "[kernels]") {
  const torch::NoGradGuard no_grad;
  const ConvolutionScope winograd(Convolution::Winograd);
  const SeedScope seed(7);
  const Input in(Input({2, 32, 11, 13}, true), Input({2, 16, 21, 26}, true));
  const Layer layer(48, 32);
  const auto read = layer(in.activation).tensor();
  const Layer strided(48, 32, 2);  // reads no two activations, but what they are together
  REQUIRE_THAT(strided(in.activation).tensor(), IsClose(strided.in_float64(in.wide)).rtol(2e-5).of_largest());
  REQUIRE_THAT(read, IsClose(layer(Activation(in.computed())).tensor()).rtol(2e-5).of_largest());
}

// The outputs are 100 with a deviation of 0.01: squares of float32 would lose it. The convolution itself rounds at
// about 1e-4 there, so the statistics are compared with those of its outputs in float64. A float32 mean of 100, of a
// tile too, is off by up to 4e-6, which is 4e-4 of a deviation, and the float32 shift of 1e4 by as much again. The
// deviation from means that are off so is off by less than half of that.
TEST_CASE("the statistics that come with a convolution keep their digits where the mean is large", "[kernels]") {
  if (instruction_sets().empty()) PAM_SKIP("this processor has no AVX2");
  const torch::NoGradGuard no_grad;
  const ConvolutionScope winograd(Convolution::Winograd);
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& size : std::vector<std::vector<std::int64_t>>{{160, 160}, {33, 26}, {7, 5}, {1, 9}}) {
      const SeedScope seed(7);
      Layer layer(16, 20);
      layer.weight.zero_().select(2, 1).select(2, 1).fill_(1. / 16);
      layer.norm.eps = 1e-9;  // the deviation's square is 1e-4
      const auto x = pixels(torch::randn({2, 16, size[0], size[1]}) * 0.04 + 100);
      CAPTURE(static_cast<int>(isa), size);
      const auto y = layer(Activation(x));
      const auto raw = y.parts().x.to(torch::kDouble).clone();
      REQUIRE_THAT(raw.mean(), IsClose(torch::tensor(100., torch::kDouble)).rtol(1e-3));
      REQUIRE(y.parts().table.defined());
      const auto expected = kernels::reference::instance_norm_relu(raw, layer.norm.weight.to(torch::kDouble),
                                                                   layer.norm.bias.to(torch::kDouble), 1e-9);
      const auto scale = y.parts().table.select(1, 0).to(torch::kDouble);
      const auto rstd = 1 / (raw.var({2, 3}, /*unbiased=*/false) + 1e-9).sqrt();
      REQUIRE_THAT(scale, IsClose(rstd * layer.norm.weight).rtol(2e-4));
      REQUIRE_THAT(y.tensor(), IsClose(expected).rtol(1e-3).of_largest());
    }
  }
}

TEST_CASE("what a convolution reads, and its statistics, depend on neither threads nor batch, bit for bit",
          "[kernels]") {
  const torch::NoGradGuard no_grad;
  const ConvolutionScope winograd(Convolution::Winograd);
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    const SeedScope seed(7);
    const auto deep = pixels(torch::randn({5, 32, 13, 9})), skip = pixels(torch::randn({5, 20, 26, 17}));
    const auto of_deep = norm_of(32), of_skip = norm_of(20);
    const Layer first(52, 40), strided(40, 130, 2), second(130, 24);
    const auto computed = [&](std::int64_t from, std::int64_t to) {
      const auto part = [&](const torch::Tensor& x) { return pixels(x.slice(0, from, to)).clone(); };
      return second(strided(first(Activation(Activation(part(deep), of_deep, Backend::Fused),
                                             Activation(part(skip), of_skip, Backend::Fused), Backend::Fused))))
          .tensor();
    };
    torch::Tensor all;
    for (const int threads : {1, 2, 3, 5}) {
      const ThreadScope many(threads);
      const auto now = computed(0, 5);
      if (!all.defined()) all = now;
      REQUIRE(torch::equal(now, all));
    }
    for (std::int64_t i = 0; i < 5; ++i) REQUIRE(torch::equal(computed(i, i + 1), all.slice(0, i, i + 1)));
  }
}

TEST_CASE("a convolution that normalises while it reads lets NaN through", "[kernels]") {
  const torch::NoGradGuard no_grad;
  const ConvolutionScope winograd(Convolution::Winograd);
  const SeedScope seed(7);
  auto x = pixels(torch::randn({2, 16, 12, 12}));
  x.index_put_({0, 1, 5, 6}, std::nan(""));
  const Layer layer(16, 16);
  const auto y = layer(Activation(x, norm_of(16), Backend::Fused)).tensor();
  REQUIRE(y[0].isnan().all().item<bool>());  // a plane's statistics spread it
  REQUIRE_FALSE(y[1].isnan().any().item<bool>());
}

TEST_CASE("where a convolution cannot read an activation, it reads the tensor, to the bit", "[kernels]") {
  const ConvolutionScope winograd(Convolution::Winograd);
  const SeedScope seed(7);
  const Layer layer(16, 16);
  const auto norm = norm_of(16);
  const auto same = [&](const torch::Tensor& x, Backend backend, bool reads = false) {
    const auto eager = kernels::instance_norm_relu(x, norm.weight, norm.bias, kEps, backend);
    Conv3x3Cache cache;
    const auto z = kernels::conv3x3(eager, layer.weight, {}, cache, backend);
    const auto expected = kernels::instance_norm_relu(z, layer.norm.weight, layer.norm.bias, kEps, backend);
    const Activation in(x.clone(), norm, backend);
    const auto y = layer(in, backend);
    REQUIRE(y.parts().table.defined() == reads);
    if (!reads) REQUIRE(torch::equal(y.tensor(), expected));
  };
  const auto x = torch::randn({2, 16, 12, 12});
  {
    const torch::NoGradGuard no_grad;
    if (!instruction_sets().empty()) same(pixels(x), Backend::Fused, /*reads=*/true);
    same(x, Backend::Fused);
    same(pixels(x), Backend::Reference);
    {
      const AutocastScope narrow(torch::kCPU);
      same(pixels(x), Backend::Fused);
    }
    {
      const IsaScope none(kernels::cpu::Isa::None);
      same(pixels(x), Backend::Fused);
    }
    const ConvolutionScope direct(Convolution::Direct);
    same(pixels(x), Backend::Fused);
  }
  same(pixels(x).requires_grad_(), Backend::Fused);
}

TEST_CASE("gradients pass through activations", "[kernels]") {
  const SeedScope seed(7);
  ConvBlock block(ConvBlockOptions(16, 16));
  const auto x = pixels(torch::randn({2, 16, 12, 12}));
  const auto gradients = [&](const Expression& f) {
    return output_and_gradients(f, {x}, torch::ones({2, 16, 12, 12}));
  };
  const auto lazy = gradients([&](const Tensors& t) { return block->forward_activation(t[0]).tensor(); });
  const auto eager = gradients([&](const Tensors& t) { return block(t[0]); });
  for (std::size_t i = 0; i < lazy.size(); ++i) REQUIRE(torch::equal(lazy[i], eager[i]));
}

TEST_CASE("an activation is computed once, in memory of its own where it has any", "[kernels]") {
  const torch::NoGradGuard no_grad;
  const SeedScope seed(7);
  for (const bool last : {false, true}) {
    auto x = torch::randn({2, 16, 9, 9});
    if (last) x = pixels(x);
    const auto norm = norm_of(16);
    const auto expected = kernels::instance_norm_relu(x, norm.weight, norm.bias, kEps, Backend::Fused);
    {
      auto given = x.clone();
      const auto* memory = given.data_ptr();
      const Activation one(std::move(given), norm, Backend::Fused), other = one;
      const auto y = one.tensor();
      REQUIRE(y.data_ptr() == memory);
      REQUIRE(other.tensor().data_ptr() == memory);
      REQUIRE(torch::equal(other.tensor(), expected));
    }
    const auto kept = x.clone();
    const Activation shared(kept, norm, Backend::Fused);
    REQUIRE(torch::equal(shared.tensor(), expected));
    REQUIRE(torch::equal(kept, x));
    const Activation joined(Activation(x.slice(2, 0, 4).contiguous()), shared, Backend::Fused);
    REQUIRE(torch::equal(joined.tensor(),
                         kernels::upsample_concat(x.slice(2, 0, 4).contiguous(), expected, Backend::Fused)));
    REQUIRE(joined.tensor().is_same(joined.tensor()));
  }
  REQUIRE_FALSE(Activation().tensor().defined());
  REQUIRE(Activation().sizes().empty());
  REQUIRE(Activation(torch::Tensor()).sizes().empty());
}

// 2e-5: as for instance_norm_relu_gate.
TEST_CASE("the gate computes the norm and ReLU of its features with it", "[kernels]") {
  const torch::NoGradGuard no_grad;
  const ConvolutionScope winograd(Convolution::Winograd);
  for (const bool last : {false, true}) {
    for (const bool identity : {false, true}) {
      const SeedScope seed(7);
      const Layer layer(16, 20);
      auto x = torch::randn({2, 16, 10, 7});
      if (last) x = pixels(x);
      const auto logits = torch::randn({2, 20, 10, 7});
      const auto expected =
          kernels::reference::gate(layer.in_float64(x.to(torch::kDouble)), logits.to(torch::kDouble), identity);
      REQUIRE_THAT(kernels::gate(layer(x), logits, identity, Backend::Fused),
                   IsClose(expected).rtol(2e-5).of_largest());
      const auto shared = layer(x);
      REQUIRE_THAT(kernels::gate(shared, logits, identity, Backend::Fused), IsClose(expected).rtol(2e-5).of_largest());
      REQUIRE_THAT(shared.tensor(), IsClose(layer.in_float64(x.to(torch::kDouble))).rtol(2e-5).of_largest());
      const auto one = logits.slice(1, 0, 1);
      const auto broadcast =
          kernels::reference::gate(layer.in_float64(x.to(torch::kDouble)), one.to(torch::kDouble), identity);
      REQUIRE_THAT(kernels::gate(layer(x), one, identity, Backend::Fused), IsClose(broadcast).rtol(2e-5).of_largest());
    }
  }
}

TEST_CASE("a 1x1 convolution computes the norm and ReLU of what it reads with it", "[kernels]") {
  const torch::NoGradGuard no_grad;
  for (const auto isa : instruction_sets()) {
    const IsaScope scope(isa);
    for (const auto& shape : awkward_shapes()) {
      for (const auto outputs : {1, 2, 4, 5}) {
        const SeedScope seed(7);
        const Input in(shape, true);
        const auto weight = torch::randn({outputs, shape[1], 1, 1});
        CAPTURE(static_cast<int>(isa), shape, outputs);
        const auto y = kernels::pointwise(in.activation, weight);
        if (shape[1] > 1) REQUIRE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
        // At most 33 products of numbers of about 1: a few roundings.
        REQUIRE_THAT(y, IsClose(torch::conv2d(in.wide, weight.to(torch::kDouble))).rtol(2e-5).of_largest());
      }
    }
  }
}

// A module without forward_activation gets and returns tensors.
struct HalfImpl final : torch::nn::Module {
  torch::Tensor forward(const torch::Tensor& x) { return x * 0.5; }
};
TORCH_MODULE(Half);

TEST_CASE("a module that knows no activations is run on tensors", "[kernels]") {
  const torch::NoGradGuard no_grad;
  const SeedScope seed(7);
  Half half;
  ConvBlock block(ConvBlockOptions(16, 16));
  const auto x = pixels(torch::randn({1, 16, 8, 8}));
  const auto y = kernels::forward_activation(half, kernels::forward_activation(block, Activation(x)));
  REQUIRE(torch::equal(y.tensor(), block(x) * 0.5));
}

}  // namespace kernels_activation_test

// SPDX-License-Identifier: MIT
#include <pam/core/memory_format.hpp>
#include <pam/core/precision.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/detail/cpu/simd.hpp>
#include <pam/nets/zoo.hpp>

#include "support/catch.hpp"
#include "support/recorded_inputs.hpp"
#include "support/tensor_matchers.hpp"

#include <set>

namespace nets_layout_test {

using namespace pam;

constexpr std::int64_t kBatch = 3;  // no weight has 3 filters or groups: a tensor of 3 samples is an activation

std::string described(const torch::Tensor& x) {
  return fmt::format("{} {} strides [{}]", shape_string(x), c10::toString(x.scalar_type()),
                     fmt::join(x.strides(), ", "));
}

bool is_activation(const torch::Tensor& x) {
  return x.defined() && x.dim() >= 3 && x.size(0) == kBatch && x.numel() >= kBatch * 64;
}

struct Copy {
  std::string what, where;
  std::vector<std::int64_t> of;  ///< its shape
  bool cast = false;             ///< to another type
  bool convolution = false;      ///< part of a convolution, which lays out its own operands
};

/// Every copy of an activation while it lives. All that copies a tensor as a whole (contiguous, clone, to, reshape)
/// ends in aten::copy_, which is what is counted; `where` is the call that it is part of.
class CopyWatch {
 public:
  CopyWatch() {
    log() = {};
    stack() = {};
    handle_ =
        at::addThreadLocalCallback(at::RecordFunctionCallback(
                                       [](const at::RecordFunction& fn) -> std::unique_ptr<at::ObserverContext> {
                                         const std::string name = fn.name();
                                         if (name == "aten::copy_") count(fn);
                                         stack().push_back(name);
                                         return nullptr;
                                       },
                                       [](const at::RecordFunction&, at::ObserverContext*) { stack().pop_back(); })
                                       .needsInputs(true));
  }
  CopyWatch(const CopyWatch&) = delete;
  CopyWatch& operator=(const CopyWatch&) = delete;
  ~CopyWatch() { at::removeCallback(handle_); }

  static std::vector<Copy>& log() {
    static std::vector<Copy> copies;
    return copies;
  }

 private:
  static std::vector<std::string>& stack() {
    static std::vector<std::string> names;
    return names;
  }
  static void count(const at::RecordFunction& fn) {
    const auto inputs = test::recorded_inputs(fn);
    if (inputs.size() < 2 || !inputs[0].isTensor() || !inputs[1].isTensor()) return;
    const auto to = inputs[0].toTensor(), from = inputs[1].toTensor();
    if (!is_activation(to) || from.sizes() != to.sizes()) return;  // (a bias that fills its result is no copy)
    Copy copy;
    copy.what = described(from) + " -> " + described(to);
    copy.where = fmt::format("{}", fmt::join(stack(), " > "));
    copy.of = to.sizes().vec();
    copy.cast = to.scalar_type() != from.scalar_type();
    copy.convolution = copy.where.find("conv") != std::string::npos;
    log().push_back(copy);
  }
  at::CallbackHandle handle_;
};

/// What one pass copies. Training: with the backward pass of the mean of the float32 logits, as `fit` takes them.
std::vector<Copy> copies_of(const Network& net, const torch::Tensor& x, Precision precision, bool train) {
  const CopyWatch watch;
  torch::Tensor logits;
  {
    const torch::AutoGradMode grad(train);
    const auto scope = autocast(torch::kCPU, precision);
    logits = net(x);
  }
  if (train) logits.to(torch::kFloat).mean().backward();
  return CopyWatch::log();
}

TEST_CASE("no net copies an activation between its kernels, in either layout, in float32 and under autocast",
          "[nets]") {
  if (kernels::cpu::isa() == kernels::cpu::Isa::None) PAM_SKIP("no fused CPU kernels for this machine");
  const SeedScope seed(5);
  // 16 channels at level 0: fewer make the strided 1x1 convolutions copy the pixels that they read
  // (kernels/pointwise.hpp says why).
  for (const auto* name : {"unet", "d9unet", "fpa", "fpa_section43", "rfna", "rfna_section33", "aunet", "cscunet",
                           "cbamunet", "gcnunet"}) {
    for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      auto net = build_network({name, 4, 1, 16});
      to_memory_format(*net, format);
      const auto x = torch::randn({kBatch, 4, 72, 80}).contiguous(format);
      for (const auto precision : {Precision::Float32, Precision::Bfloat16}) {
        for (const bool train : {false, true}) {
          const bool nhwc = format == at::MemoryFormat::ChannelsLast;
          CAPTURE(name, to_string(precision), nhwc, train);
          for (const auto& copy : copies_of(net, x, precision, train)) {
            CAPTURE(copy.what, copy.where);
            // Within a convolution LibTorch and oneDNN lay out operands as their implementation wants them (seen: the
            // convolutions with bias of aunet in LibTorch 1.13, which go without oneDNN); not pam's to change.
            if (copy.convolution && !copy.cast) continue;
            // The attention gate's norms and upsampling have no fused kernel: LibTorch's own copy within themselves
            // (its instance norm makes planes of channels-last maps, 2.15's upsampling may do the reverse).
            const bool library = copy.where.find("instance_norm") != std::string::npos ||
                                 copy.where.find("upsample_bilinear2d") != std::string::npos;
            if (std::string(name) == "aunet" && library) continue;
            // The baselines' attentions are LibTorch's functions, some of which compute in float32 under autocast and
            // cast for it (2.15: means, the gradient of a maximum).
            const std::set<std::string> baselines{"aunet", "cscunet", "cbamunet", "gcnunet"};
            if (precision == Precision::Bfloat16 && copy.cast && baselines.count(name) > 0) continue;
            // Autocast casts the image on its way into the first convolution; the loss takes float32 logits.
            const bool ends = copy.of == std::vector<std::int64_t>{kBatch, 4, 72, 80} ||
                              copy.of == std::vector<std::int64_t>{kBatch, 1, 72, 80};
            REQUIRE((precision == Precision::Bfloat16 && copy.cast && ends));
          }
        }
      }
    }
  }
}

TEST_CASE("the paper's nets copy nothing within convolutions either, where weights and images agree", "[nets]") {
  if (kernels::cpu::isa() == kernels::cpu::Isa::None) PAM_SKIP("no fused CPU kernels for this machine");
  const SeedScope seed(6);
  for (const auto* name : {"unet", "fpa", "fpa_section43", "rfna", "rfna_section33"}) {
    auto net = build_network({name, 4, 1, 16});
    to_memory_format(*net, at::MemoryFormat::ChannelsLast);
    const auto x = torch::randn({kBatch, 4, 72, 80}).contiguous(at::MemoryFormat::ChannelsLast);
    for (const bool train : {false, true}) {
      std::string found;
      for (const auto& copy : copies_of(net, x, Precision::Float32, train)) found += copy.what + " in " + copy.where;
      CAPTURE(name, train);
      REQUIRE(found == "");
    }
  }
}

TEST_CASE("the copies are counted: a net of reference expressions makes some", "[nets]") {
  auto net = build_network({"unet", 4, 1, 16});
  kernels::set_backend(*net, kernels::Backend::Reference);
  to_memory_format(*net, at::MemoryFormat::ChannelsLast);
  const auto x = torch::randn({kBatch, 4, 72, 80}).contiguous(at::MemoryFormat::ChannelsLast);
  std::int64_t norms = 0;
  for (const auto& copy : copies_of(net, x, Precision::Float32, false)) {
    norms += copy.where.find("instance_norm") != std::string::npos ? 1 : 0;
  }
  REQUIRE(norms > 0);
}

TEST_CASE("both layouts give the same logits and gradients", "[nets]") {
  const SeedScope seed(7);
  for (const auto* name : {"unet", "fpa", "rfna", "aunet", "cscunet", "cbamunet", "gcnunet"}) {
    // 8 channels: with the strided 1x1 convolutions that kernels/pointwise.hpp computes otherwise.
    auto planes = build_network({name, 4, 1, 8});
    const auto pixels = planes.clone();
    to_memory_format(*pixels, at::MemoryFormat::ChannelsLast);
    const auto x = torch::randn({2, 4, 80, 72});
    const auto expected = planes(x), got = pixels(x.contiguous(at::MemoryFormat::ChannelsLast));
    CAPTURE(name);
    // Some twenty normalised layers of float32 sums in another order.
    REQUIRE_THAT(got, test::IsClose(expected).rtol(1e-3).atol(1e-3).of_largest());
    expected.square().mean().backward();
    got.square().mean().backward();
    const auto a = planes->named_parameters(), b = pixels->named_parameters();
    for (const auto& item : a) {
      CAPTURE(item.key());
      const auto grad = b[item.key()].grad();
      // ReLUs near zero fall either way, and RFNA normalises maps of few pixels: 5 % of the norm. Gradients of a tensor
      // read in the wrong order differ by more than the norm.
      REQUIRE((grad - item.value().grad()).norm().item<float>() <
              0.05 * item.value().grad().norm().item<float>() + 1e-5);
      if (grad.dim() == 4) REQUIRE(grad.is_contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

TEST_CASE("every net of the zoo's kinds computes under autocast, close to float32, and learns float32 gradients",
          "[nets]") {
  const SeedScope seed(8);
  for (const auto* name : {"unet", "d6unet", "fpa", "fpa_section43", "rfna", "rfna_section33", "aunet", "cscunet",
                           "cbamunet", "gcnunet"}) {
    auto net = build_network({name, 4, 1, 8});
    const auto x = torch::randn({2, 4, 72, 72});
    torch::Tensor logits;
    {
      const auto scope = autocast(torch::kCPU, Precision::Bfloat16);
      logits = net(x);
    }
    CAPTURE(name);
    REQUIRE(logits.scalar_type() == torch::kBFloat16);
    // Twenty layers that round to 8 bits: a wrong branch or scale differs by the logits' own size.
    REQUIRE_THAT(logits.detach().to(torch::kFloat), test::IsClose(net(x).detach()).rtol(0.2).atol(0.05).of_largest());
    logits.to(torch::kFloat).square().mean().backward();
    for (const auto& parameter : net->parameters()) {
      REQUIRE(parameter.scalar_type() == torch::kFloat);
      REQUIRE(parameter.grad().scalar_type() == torch::kFloat);
      REQUIRE(torch::isfinite(parameter.grad()).all().item<bool>());
    }
  }
}

}  // namespace nets_layout_test

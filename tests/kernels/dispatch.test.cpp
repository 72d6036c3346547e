// SPDX-License-Identifier: MIT
#include <pam/kernels/detail/dispatch.hpp>
#include <pam/kernels/conv3x3.hpp>
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/pointwise.hpp>
#include <pam/kernels/upsample.hpp>

#include "kernels/kernel_check.hpp"

#include <torch/csrc/autograd/forward_grad.h>

namespace kernels_dispatch_test {

using namespace pam;
using namespace pam::test;
using kernels::Backend;

/// The derivative of f(inputs) along `direction` for input `which`, in forward mode.
torch::Tensor tangent(const Expression& f, Tensors inputs, std::size_t which, const torch::Tensor& direction) {
  using torch::autograd::ForwardADLevel;
  struct Level {
    std::uint64_t index = ForwardADLevel::get_next_idx();
    ~Level() { ForwardADLevel::release_idx(index); }
  };
  const Level level;
  inputs[which] = at::_make_dual(inputs[which], direction, static_cast<std::int64_t>(level.index));
  const auto out = std::get<1>(at::_unpack_dual(f(inputs), static_cast<std::int64_t>(level.index)));
  return out.defined() ? out.clone() : out;
}

TEST_CASE("forward-mode derivatives pass every kernel, whichever input they come from", "[kernels]") {
  torch::manual_seed(6);
  const auto x = torch::randn({2, 3, 6, 8}), row = torch::rand({3}) + 0.5, small = torch::randn({2, 3, 3, 4});
  const auto conv = torch::randn({3, 1, 3, 3}), weight = torch::randn({4, 3, 1, 1});
  const std::vector<std::tuple<const char*, Expression, Tensors>> kernels{
      {"norm",
       [](const Tensors& t) { return kernels::instance_norm_relu(t[0], t[1], t[2], 1e-5, Backend::Fused); },
       {x, row, row}},
      {"norm of an input given away",
       [](const Tensors& t) { return kernels::instance_norm_relu(t[0] * 1, t[1], t[2], 1e-5, Backend::Fused); },
       {x, row, row}},
      {"norm and gate",
       [](const Tensors& t) {
         return kernels::instance_norm_relu_gate(t[0] * 1, t[1], t[2], 1e-5, t[3], true, Backend::Fused);
       },
       {x, row, row, torch::randn_like(x)}},
      {"branch",
       [](const Tensors& t) {
         return kernels::dilated_branch(t[0], {t[1], t[2], t[3]}, {t[4], t[5], t[6]}, 2, 1e-5, Backend::Fused);
       },
       {x, conv, row, row, conv.flip(2), row, row}},
      {"concat", [](const Tensors& t) { return kernels::upsample_concat(t[0], t[1], Backend::Fused); }, {small, x}},
      {"upsampled gate",
       [](const Tensors& t) { return kernels::upsample_gate(t[0], t[1], t[2], true, Backend::Fused); },
       {x, small, torch::randn_like(x)}},
      {"dice",
       [](const Tensors& t) { return kernels::dice_sums(t[0], t[1], Backend::Fused); },
       {x, torch::rand_like(x)}},
      {"1x1 between layouts",
       [](const Tensors& t) { return kernels::pointwise_to(t[0], t[1], 2, at::MemoryFormat::ChannelsLast); },
       {x, weight}},
      {"3x3",
       [](const Tensors& t) {
         kernels::Conv3x3Cache cache;
         return kernels::conv3x3(t[0], t[1], t[2], cache, Backend::Fused);
       },
       {torch::randn({1, 16, 12, 12}).contiguous(at::MemoryFormat::ChannelsLast), torch::randn({16, 16, 3, 3}),
        torch::randn({16})}},
      {"strided 1x1",
       [](const Tensors& t) { return kernels::pointwise(t[0], t[1], 2); },
       {x.contiguous(at::MemoryFormat::ChannelsLast), weight}}};
  for (const auto& [name, f, inputs] : kernels) {
    for (std::size_t which = 0; which < inputs.size(); ++which) {
      for (const bool graph : {false, true}) {
        CAPTURE(name, which, graph);
        const torch::AutoGradMode mode(graph);
        auto own = inputs;
        for (auto& input : own) input = input.clone().requires_grad_(graph);
        const auto direction = torch::randn_like(own[which].detach());
        const auto found = tangent(f, own, which, direction);
        REQUIRE(found.defined());
        // Against central differences in float64; ReLU's kinks lie further away than the step.
        const double step = 1e-6;
        auto more = as_double(inputs), less = more;
        more[which] = more[which] + step * direction.to(torch::kDouble);
        less[which] = less[which] - step * direction.to(torch::kDouble);
        const torch::NoGradGuard no_grad;
        REQUIRE_THAT(found, IsClose((f(more) - f(less)) / (2 * step)).rtol(1e-4).of_largest());
      }
    }
  }
}

}  // namespace kernels_dispatch_test

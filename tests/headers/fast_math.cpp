// SPDX-License-Identifier: MIT
// A user's file compiled with -ffast-math: kernels give float64's results to float32's rounding, saturate, and let NaN
// through. Prints what is wrong and returns 1. (NaN is looked for by LibTorch, whose code has no -ffast-math.)
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/upsample.hpp>

#include <cstdio>
#include <functional>
#include <vector>

using pam::kernels::Backend;
using torch::Tensor;

int main() {
#if !defined(__FAST_MATH__)
#error "this test is about -ffast-math"
#endif
  torch::manual_seed(1);
  // Logits from 0 to far beyond where float32's e^x overflows.
  const auto x = torch::randn({2, 5, 9, 16}), logits = torch::linspace(-200, 200, x.numel()).view(x.sizes());
  const auto row = torch::rand({5}) + 0.5, conv = torch::randn({5, 1, 3, 3});
  using Kernel = std::function<Tensor(const std::vector<Tensor>&, Backend)>;
  const std::vector<std::tuple<const char*, Kernel, std::vector<Tensor>>> kernels{
      {"gate",
       [](const auto& t, Backend b) {
         return pam::kernels::instance_norm_relu_gate(t[0], t[1], t[2], 1e-5, t[3], false, b);
       },
       {x, row, row, logits}},
      {"upsampled gate",
       [](const auto& t, Backend b) { return pam::kernels::upsample_gate(t[0], t[1], t[2], false, b); },
       {x, torch::randn({2, 5, 3, 4}), logits}},
      {"branch",
       [](const auto& t, Backend b) {
         const pam::kernels::DepthwiseStep step{t[1], t[2], t[3]};
         return pam::kernels::dilated_branch(t[0], step, step, 2, 1e-5, b);
       },
       {x, conv, row, row}},
      {"dice",
       [](const auto& t, Backend b) { return pam::kernels::dice_sums(t[0], torch::sigmoid(t[1]), b); },
       {logits, x}}};
  int wrong = 0;
  for (const auto& [name, kernel, inputs] : kernels) {
    for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      const auto run = [&, &f = kernel](const std::vector<Tensor>& from, Backend backend, torch::Dtype type) {
        std::vector<Tensor> leaves;
        for (const auto& t : from) {
          leaves.push_back(
              (t.dim() == 4 && t.size(3) > 3 ? t.contiguous(format) : t).to(type).clone().requires_grad_());
        }
        const auto y = f(leaves, backend);
        auto result = torch::autograd::grad({y.square().sum()}, leaves, {}, {}, {}, /*allow_unused=*/true);
        result.insert(result.begin(), y.detach());
        return result;
      };
      const auto fused = run(inputs, Backend::Fused, torch::kFloat);
      const auto exact = run(inputs, Backend::Reference, torch::kDouble);
      for (std::size_t i = 0; i < fused.size(); ++i) {
        if (!exact[i].defined()) continue;
        const auto bound = 1e-4 * exact[i].abs().max();
        if ((fused[i].to(torch::kDouble) - exact[i]).abs().le(bound).all().item<bool>()) continue;
        std::printf("%s: tensor %zu is wrong, layout %d\n", name, i, static_cast<int>(format)), ++wrong;
      }
      for (const auto type : {torch::kFloat, torch::kBFloat16}) {
        for (std::size_t i = 0; i < inputs.size(); ++i) {
          if (inputs[i].dim() != 4 || (std::string(name) == "dice" && i == 1)) continue;
          auto with_nan = inputs;
          with_nan[i] = torch::where(torch::arange(inputs[i].numel()).view(inputs[i].sizes()) == 7,
                                     torch::log(torch::full({}, -1.0)), inputs[i]);
          const torch::NoGradGuard no_grad;
          for (auto& t : with_nan) t = t.to(t.dim() == 4 && t.size(2) > 3 ? type : torch::kFloat);
          if (kernel(with_nan, Backend::Fused).isnan().any().item<bool>()) continue;
          std::printf("%s: the NaN of input %zu is swallowed, layout %d\n", name, i, static_cast<int>(format)), ++wrong;
        }
      }
    }
  }
  if (wrong == 0) std::puts("-ffast-math: as without");
  return wrong == 0 ? 0 : 1;
}

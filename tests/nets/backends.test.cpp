// SPDX-License-Identifier: MIT
// The fused kernels within whole networks of narrow types, against float64.
#include <pam/core/memory_format.hpp>
#include <pam/core/precision.hpp>
#include <pam/core/seed.hpp>
#include <pam/kernels/backend.hpp>
#include <pam/nets/zoo.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"

namespace nets_backends_test {

using namespace pam;
using kernels::Backend;

/// Output and gradients of the parameters, one after another, in float64.
struct Result {
  torch::Tensor output, gradients;
};

Result result_of(const Network& net, const torch::Tensor& x, const torch::Tensor& direction, Precision autocast_to) {
  torch::Tensor y;
  {
    const auto scope = autocast(x.device(), autocast_to);
    y = net(x);
  }
  for (auto& parameter : net->parameters()) parameter.mutable_grad() = torch::Tensor();
  y.backward(direction.to(y.device(), y.scalar_type()));
  std::vector<torch::Tensor> gradients;
  for (const auto& parameter : net->parameters()) {
    gradients.push_back(parameter.grad().to(torch::kCPU, torch::kDouble).reshape(-1));
  }
  return {y.detach().to(torch::kCPU, torch::kDouble), torch::cat(gradients)};
}

double error(const torch::Tensor& found, const torch::Tensor& exact) {
  return ((found - exact).norm() / exact.norm()).item<double>();
}

TEST_CASE("fused networks of narrow types are as near to float64 as the reference expressions are", "[nets][gpu]") {
  const auto at = test::best_device();
  std::vector<Precision> precisions{Precision::Bfloat16};
  if (at.is_cuda()) precisions.push_back(Precision::Float16);
  for (const auto* name : {"unet", "fpa", "rfna"}) {
    const SeedScope seed(8);
    const auto exact_net = build_network({name, 2, 1, 8});
    kernels::set_backend(*exact_net, Backend::Reference);
    exact_net->to(torch::kDouble);
    const auto x = torch::randn({2, 2, 72, 88}), direction = torch::randn({2, 1, 72, 88});
    const auto exact = result_of(exact_net, x.to(torch::kDouble), direction, Precision::Float32);
    for (const auto precision : precisions) {
      for (const bool cast : {false, true}) {  // weights of the narrow type, or of float32 under autocast
        const auto computed = [&](Backend backend, at::MemoryFormat layout) {
          const auto net = exact_net.clone();
          kernels::set_backend(*net, backend);
          const auto type = cast ? scalar_type(precision) : torch::kFloat;
          net->to(at, type);
          to_memory_format(*net, layout);
          return result_of(net, x.to(at, type).contiguous(layout), direction, cast ? Precision::Float32 : precision);
        };
        for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
          const auto reference = computed(Backend::Reference, layout);
          const auto limit = error(reference.output, exact.output);
          const auto gradient_limit = error(reference.gradients, exact.gradients);
          REQUIRE(gradient_limit < 1);  // that of zeros: a wrong reference would be a limit that nothing exceeds
          const auto fused = computed(Backend::Fused, layout);
          const auto output = error(fused.output, exact.output);
          const auto gradient = error(fused.gradients, exact.gradients);
          CAPTURE(name, to_string(precision), static_cast<int>(layout), cast, output, limit, gradient, gradient_limit);
          // Both round to the same type at about the same places, but not alike: their errors are two draws of the same
          // size. The fused kernels round less often.
          REQUIRE(output < 1.5 * limit);
          REQUIRE(gradient < 1.5 * gradient_limit);
        }
      }
    }
  }
}

}  // namespace nets_backends_test

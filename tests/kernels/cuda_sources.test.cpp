// SPDX-License-Identifier: MIT
// The CUDA kernels without a GPU: NVRTC compiles them (it needs none), and the host runs them.
#include <pam/core/seed.hpp>
#include <pam/kernels/detail/cuda/code_cache.hpp>
#include <pam/kernels/detail/cuda/dice.hpp>
#include <pam/kernels/detail/cuda/dilated_branch.hpp>
#include <pam/kernels/detail/cuda/instance_norm.hpp>
#include <pam/kernels/detail/cuda/nvrtc.hpp>
#include <pam/kernels/detail/cuda/upsample.hpp>
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/upsample.hpp>

#include "kernels/host_launcher.hpp"
#include "kernels/kernel_check.hpp"

namespace kernels_cuda_sources_test {

using namespace pam;
using namespace pam::test;
namespace cuda = pam::kernels::cuda;
namespace reference = pam::kernels::reference;

constexpr double kEps = 1e-5;
const auto kTypes = {torch::kFloat, torch::kBFloat16, torch::kHalf};

/// Of the largest entry: roundings of float32 sums; or of one to three roundings to 8 or 11 bits.
double bound(torch::ScalarType type) { return type == torch::kFloat ? 3e-5 : type == torch::kHalf ? 4e-3 : 2e-2; }

torch::Tensor draw(const std::vector<std::int64_t>& shape, torch::ScalarType type, Storage storage) {
  return stored((torch::randn(shape) + 0.3).to(type), storage);
}

void require_close(const torch::Tensor& actual, const torch::Tensor& expected, torch::ScalarType type) {
  REQUIRE_THAT(actual.to(torch::kFloat), IsClose(expected).rtol(bound(type)).atol(bound(type) * 0.02).of_largest());
}

/// Gradients of `f` on float64 copies of `inputs`.
Tensors expected_of(const Expression& f, const Tensors& inputs, const torch::Tensor& direction) {
  return output_and_gradients(f, as_double(inputs), direction.to(torch::kDouble));
}

TEST_CASE("NVRTC compiles every kernel for sm_80, sm_90 and sm_100", "[kernels]") {
  const auto nvrtc = cuda::Nvrtc::find();
  if (!nvrtc) PAM_SKIP("no libnvrtc on this machine");
  std::vector<std::string> architectures{"sm_80", "sm_90"};
  if (nvrtc->version() >= 1208) architectures.emplace_back("sm_100");  // older compilers do not know it
  for (const auto& architecture : architectures) {
    for (const auto type : kTypes) {
      for (const int pack : {1, type == torch::kFloat ? 4 : 8}) {
        if (pack == 1 && architecture != "sm_90")
          continue;  // a second a build; single elements differ by no instruction set
        const cuda::Build build{type, pack};
        const auto compiled = nvrtc->compile(cuda::kDeviceSource + build.macros() + cuda::all_kernels(), architecture);
        CAPTURE(architecture, static_cast<int>(type), pack, compiled.log);
        REQUIRE(compiled.ok());
        for (const auto& name : kernel_names()) REQUIRE(compiled.code.find(name) != std::string::npos);
      }
    }
  }
}

TEST_CASE("NVRTC's complaint about a broken kernel comes back", "[kernels]") {
  const auto nvrtc = cuda::Nvrtc::find();
  if (!nvrtc) PAM_SKIP("no libnvrtc on this machine");
  const auto compiled = nvrtc->compile("__global__ void broken() { no_such_thing; }", "sm_90");
  REQUIRE_FALSE(compiled.ok());
  REQUIRE(compiled.log.find("no_such_thing") != std::string::npos);
}

TEST_CASE("the CUDA instance norm, run on the host, equals the float64 reference", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to run the kernels with");
  const SeedScope seed(21);
  auto& device = host_launcher();
  for (const auto type : kTypes) {
    // Channels that fill packs and that do not, more than one chunk of pixels, more than 32 packs, one pixel high.
    for (const auto& shape :
         std::vector<std::vector<std::int64_t>>{{2, 8, 4, 6}, {1, 3, 1, 7}, {2, 8, 13, 16}, {1, 264, 3, 3}}) {
      for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
        for (const bool gated : {false, true}) {
          const auto x = draw(shape, type, storage), dy = draw(shape, type, storage);
          const auto logits = gated ? draw(shape, type, storage) : torch::Tensor();
          const auto weight = torch::randn({shape[1]}), bias = torch::randn({shape[1]}) * 0.3;
          CAPTURE(static_cast<int>(type), shape, static_cast<int>(storage), gated);
          const auto y = torch::full_like(x, std::nan(""));
          const auto table = cuda::instance_norm_relu(device, x, logits, weight, bias, kEps, true, y);
          const auto grads = cuda::instance_norm_relu_backward(device, x, logits, true, table, dy);
          Tensors inputs{x, weight, bias}, actual{y, grads.x, grads.weight, grads.bias};
          if (gated) inputs.push_back(logits), actual.push_back(grads.logits);
          const auto expected = expected_of(
              [&](const Tensors& t) {
                return gated ? reference::instance_norm_relu_gate(t[0], t[1], t[2], kEps, t[3], true)
                             : reference::instance_norm_relu(t[0], t[1], t[2], kEps);
              },
              inputs, dy);
          for (std::size_t i = 0; i < actual.size(); ++i) require_close(actual[i], expected[i], type);
        }
      }
    }
  }
}

TEST_CASE("the CUDA upsampling kernels, run on the host, equal the float64 reference", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to run the kernels with");
  const SeedScope seed(22);
  auto& device = host_launcher();
  for (const auto type : kTypes) {
    for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
      for (const auto& s : std::vector<std::array<std::int64_t, 6>>{
               {8, 16, 3, 4, 6, 8}, {3, 5, 2, 3, 7, 5}, {8, 3, 1, 2, 1, 9}, {4, 8, 1, 1, 5, 4}}) {
        const auto x = draw({2, s[0], s[2], s[3]}, type, storage), skip = draw({2, s[1], s[4], s[5]}, type, storage);
        const auto dy = draw({2, s[0] + s[1], s[4], s[5]}, type, storage);
        CAPTURE(static_cast<int>(type), static_cast<int>(storage), s);
        const auto expected =
            expected_of([](const Tensors& t) { return reference::upsample_concat(t[0], t[1]); }, {x, skip}, dy);
        require_close(cuda::upsample_concat(device, x, skip), expected[0], type);
        require_close(cuda::upsample_concat_backward(device, dy, x.sizes(), storage == Storage::ChannelsLast),
                      expected[1], type);

        const auto f = draw({2, s[0], s[4], s[5]}, type, storage), added = draw({2, s[0], s[4], s[5]}, type, storage);
        const auto direction = draw({2, s[0], s[4], s[5]}, type, storage);
        for (const bool same : {false, true}) {
          const auto& shortcut = same ? f : added;
          const auto wanted = expected_of(
              [&](const Tensors& t) { return reference::upsample_gate(t[0], t[1], same ? t[0] : t[2], true); },
              same ? Tensors{f, x} : Tensors{f, x, added}, direction);
          require_close(cuda::upsample_gate(device, f, x, shortcut, true), wanted[0], type);
          const auto grads = cuda::upsample_gate_backward(device, f, x, shortcut, true, same, direction);
          require_close(grads.features, wanted[1], type);
          require_close(grads.logits, wanted[2], type);
          if (!same) require_close(grads.shortcut, wanted[3], type);
        }
      }
    }
  }
}

TEST_CASE("the CUDA dilated branch, run on the host, equals the float64 reference", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to run the kernels with");
  auto& device = host_launcher();
  for (const auto type : {torch::kFloat, torch::kBFloat16, torch::kHalf}) {
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{2, 3, 9, 7}, {1, 2, 1, 11}, {1, 2, 40, 33}}) {
      const SeedScope seed(23);
      const auto c = shape[1];
      Tensors inputs{draw(shape, type, Storage::Contiguous)};
      for (int step = 0; step < 2; ++step) {
        inputs.push_back(torch::randn({c, 1, 3, 3}) * 0.4);
        inputs.push_back(torch::rand({c}) + 0.5);
        inputs.push_back(torch::randn({c}) * 0.3 + 0.2);
      }
      const auto dy = draw(shape, type, Storage::Contiguous);
      const cuda::BranchStep first{inputs[1], inputs[2], inputs[3]}, second{inputs[4], inputs[5], inputs[6]};
      CAPTURE(static_cast<int>(type), shape);
      REQUIRE(cuda::plane_fits(device, inputs[0], true));
      const auto [y, table] = cuda::dilated_branch(device, inputs[0], first, second, 2, kEps);
      const auto [dx, sums] = cuda::dilated_branch_backward(device, inputs[0], first, second, 2, table, dy);
      const auto expected = expected_of(
          [](const Tensors& t) {
            return reference::dilated_branch(t[0], {t[1], t[2], t[3]}, {t[4], t[5], t[6]}, 2, kEps);
          },
          inputs, dy);
      // A ReLU's mask flips where 8 or 11 bits of a hidden value cross zero, so narrow types are held to the norm of
      // the error instead of its largest entry: a few flips in a hundred entries, each of one entry's size.
      const auto near = [&, type = type](const torch::Tensor& a, const torch::Tensor& e) {
        if (type == torch::kFloat) {
          REQUIRE_THAT(a, IsClose(e).rtol(2e-4).atol(2e-5).of_largest());
        } else {
          REQUIRE((a.to(torch::kDouble) - e).norm().item<double>() <
                  (type == torch::kHalf ? 0.03 : 0.15) * std::max(1e-1, e.norm().item<double>()));
        }
      };
      near(y, expected[0]);
      near(dx, expected[1]);
      const auto part = [&, &all = sums](std::int64_t at, std::int64_t count) {
        return all.narrow(0, at * c, count * c);
      };
      near(part(0, 9).reshape({c, 1, 3, 3}), expected[2]);
      near(part(9, 1), expected[3]);
      near(part(10, 1), expected[4]);
      near(part(11, 9).reshape({c, 1, 3, 3}), expected[5]);
      near(part(20, 1), expected[6]);
      near(part(21, 1), expected[7]);
    }
  }
}

TEST_CASE("the CUDA depth-wise convolution, run on the host, equals the float64 reference", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to run the kernels with");
  const SeedScope seed(24);
  auto& device = host_launcher();
  for (const std::int64_t dilation : {1, 3, 30}) {
    const auto x = torch::randn({2, 3, 8, 11}), w = torch::randn({3, 1, 3, 3}), dy = torch::randn({2, 3, 8, 11});
    const auto expected = expected_of(
        [=](const Tensors& t) { return torch::conv2d(t[0], t[1], {}, 1, dilation, dilation, 3); }, {x, w}, dy);
    require_close(cuda::depthwise(device, x, w, dilation, false), expected[0], torch::kFloat);
    require_close(cuda::depthwise(device, dy, w, dilation, true), expected[1], torch::kFloat);
    require_close(cuda::depthwise_weights(device, dy, x, dilation).reshape({3, 1, 3, 3}), expected[2], torch::kFloat);
  }
}

TEST_CASE("the CUDA Dice sums, run on the host, equal the float64 reference", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to run the kernels with");
  const SeedScope seed(25);
  auto& device = host_launcher();
  for (const auto type : kTypes) {
    const auto logits = (torch::randn({2, 1, 33, 41}) * 3).to(type), target = torch::rand({2, 1, 33, 41});
    const auto direction = torch::tensor({0.5f, -1.5f, 2.f});
    const auto expected = expected_of(
        [&](const Tensors& t) { return reference::dice_sums(t[0], target.to(torch::kDouble)); }, {logits}, direction);
    REQUIRE_THAT(cuda::dice_sums(device, logits, target), IsClose(expected[0]).rtol(1e-5));
    require_close(cuda::dice_sums_backward(device, logits, target, direction), expected[1], type);
  }
}

TEST_CASE("the cache of compiled kernels gives back what was written, and nothing that is damaged", "[kernels]") {
  const TempDir folder;
  const cuda::CodeCache cache(folder.path() / "deep" / "pam");
  REQUIRE_FALSE(cache.read("key").has_value());
  const std::string code("code\0with\nanything", 18);
  cache.write("key", code);
  REQUIRE(cache.read("key") == code);
  REQUIRE_FALSE(cache.read("another key").has_value());
  cache.write("key", "newer");
  REQUIRE(cache.read("key") == std::string("newer"));
  REQUIRE(std::distance(std::filesystem::directory_iterator(folder.path() / "deep" / "pam"), {}) == 1);  // no part left
  const auto path = cache.path_of("key");
  const auto size = std::filesystem::file_size(path);
  for (const auto bytes : {size - 1, size / 2, std::uintmax_t{0}}) {
    cache.write("key", "newer");
    std::filesystem::resize_file(path, bytes);
    REQUIRE_FALSE(cache.read("key").has_value());
  }
  cuda::CodeCache("/proc/no/such/place").write("key", code);  // a folder that cannot be made is no error
  cuda::CodeCache("").write("key", code);
  REQUIRE_FALSE(cuda::CodeCache("").read("key").has_value());
}

}  // namespace kernels_cuda_sources_test

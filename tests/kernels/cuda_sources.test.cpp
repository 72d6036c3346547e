// SPDX-License-Identifier: MIT
// The CUDA kernels against float64: run by the host, compiled by its C++ compiler, and by a GPU where there is one.
#include <pam/core/seed.hpp>
#include <pam/kernels/detail/cuda/code_cache.hpp>
#include <pam/kernels/detail/cuda/depthwise.hpp>
#include <pam/kernels/detail/cuda/dice.hpp>
#include <pam/kernels/detail/cuda/dilated_branch.hpp>
#include <pam/kernels/detail/cuda/instance_norm.hpp>
#include <pam/kernels/detail/cuda/nvrtc.hpp>
#include <pam/kernels/detail/cuda/upsample.hpp>
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/upsample.hpp>

#include "kernels/kernel_check.hpp"
#include "kernels/places.hpp"

namespace kernels_cuda_sources_test {

using namespace pam;
using namespace pam::test;
namespace cuda = pam::kernels::cuda;
namespace reference = pam::kernels::reference;

constexpr double kEps = 1e-5;
const auto kTypes = {torch::kFloat, torch::kBFloat16, torch::kHalf};

/// Of the largest entry: roundings of float32 sums; or of one to three roundings to 8 or 11 bits.
double bound(torch::ScalarType type) { return type == torch::kFloat ? 3e-5 : type == torch::kHalf ? 4e-3 : 2e-2; }

// The same numbers on every device.
using Shape = std::vector<std::int64_t>;
torch::Tensor normal(const Shape& shape, torch::Device at) { return torch::randn(shape).to(at); }
torch::Tensor uniform(const Shape& shape, torch::Device at) { return torch::rand(shape).to(at); }
torch::Tensor draw(const Shape& shape, torch::ScalarType type, Storage storage, torch::Device at) {
  return stored((normal(shape, at) + 0.3).to(type), storage);
}

void require_close(const torch::Tensor& actual, const torch::Tensor& expected, torch::ScalarType type) {
  const auto apart = (actual.to(torch::kCPU, torch::kDouble) - expected).abs().max() / expected.abs().max();
  LargestErrors::note(type, apart.item<double>());
  REQUIRE_THAT(actual.to(torch::kFloat), IsClose(expected).rtol(bound(type)).atol(bound(type) * 0.02).of_largest());
}

/// Gradients of `f` on float64 copies of `inputs`.
Tensors expected_of(const Expression& f, const Tensors& inputs, const torch::Tensor& direction) {
  return output_and_gradients(f, as_double(inputs), direction.to(torch::kDouble));
}

TEST_CASE("NVRTC's complaint about a broken kernel comes back", "[kernels]") {
  const auto nvrtc = cuda::Nvrtc::find();
  if (!nvrtc) PAM_SKIP("no libnvrtc on this machine");
  const auto compiled = nvrtc->compile("__global__ void broken() { no_such_thing; }", "sm_90");
  REQUIRE_FALSE(compiled.ok());
  REQUIRE(compiled.log.find("no_such_thing") != std::string::npos);
}

TEMPLATE_TEST_CASE("the CUDA instance norm equals the float64 reference", "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(21);
  cuda::Launcher& device = TestType::launcher();
  const torch::Device at = TestType::device();
  const NanFilledMemory filled;
  for (const auto type : kTypes) {
    // Channels that fill packs and that do not, more than 32 packs, one pixel high; maps that fit a block's shared
    // memory and maps that do not, of one pack, of three (no power of two) and of more than 32.
    std::vector<Shape> shapes{{2, 8, 4, 6},   {1, 3, 1, 7},    {2, 16, 13, 16}, {1, 264, 3, 3},
                              {1, 8, 41, 80}, {2, 24, 40, 41}, {1, 40, 1, 50}};
    if (type == torch::kFloat) shapes.push_back({1, 136, 42, 39});
    // The networks' own, which a GPU cuts otherwise than the host.
    if (TestType::all_sizes()) {
      shapes.insert(shapes.end(), {{3, 32, 160, 160}, {2, 64, 80, 80}, {2, 2048, 5, 5}, {50, 8, 20, 20}});
    }
    for (const auto& shape : shapes) {
      for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
        for (const bool gated : {false, true}) {
          const auto x = draw(shape, type, storage, at), dy = draw(shape, type, storage, at);
          const auto logits = gated ? draw(shape, type, storage, at) : torch::Tensor();
          const auto weight = normal({shape[1]}, at), bias = normal({shape[1]}, at) * 0.3;
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

TEMPLATE_TEST_CASE("the CUDA upsampling kernels equal the float64 reference", "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(22);
  cuda::Launcher& device = TestType::launcher();
  const torch::Device at = TestType::device();
  const NanFilledMemory filled;
  for (const auto type : kTypes) {
    for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
      std::vector<std::array<std::int64_t, 6>> cases{{8, 16, 3, 4, 6, 8},  {3, 5, 2, 3, 7, 5},   {8, 3, 1, 2, 1, 9},
                                                     {4, 8, 1, 1, 5, 4},   {8, 8, 4, 3, 33, 40}, {2, 3, 9, 24, 10, 24},
                                                     {8, 16, 19, 7, 20, 8}};
      if (TestType::all_sizes()) cases.insert(cases.end(), {{64, 32, 80, 80, 160, 160}, {256, 8, 5, 5, 40, 40}});
      for (const auto& s : cases) {
        const auto x = draw({2, s[0], s[2], s[3]}, type, storage, at);
        const auto skip = draw({2, s[1], s[4], s[5]}, type, storage, at);
        const auto dy = draw({2, s[0] + s[1], s[4], s[5]}, type, storage, at);
        CAPTURE(static_cast<int>(type), static_cast<int>(storage), s);
        const auto expected =
            expected_of([](const Tensors& t) { return reference::upsample_concat(t[0], t[1]); }, {x, skip}, dy);
        require_close(cuda::upsample_concat(device, x, skip), expected[0], type);
        require_close(cuda::upsample_concat_backward(device, dy, x.sizes(), storage == Storage::ChannelsLast),
                      expected[1], type);

        const Shape large{2, s[0], s[4], s[5]};
        const auto f = draw(large, type, storage, at), added = draw(large, type, storage, at);
        const auto direction = draw(large, type, storage, at);
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

TEMPLATE_TEST_CASE("the CUDA dilated branch equals the float64 reference", "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  cuda::Launcher& device = TestType::launcher();
  const torch::Device at = TestType::device();
  const NanFilledMemory filled;
  struct Case {
    Shape shape;
    std::int64_t dilation;
  };
  // Odd planes and planes that fill packs; an odd number of channels, whose last has no partner; one row; several
  // planes a block; three and four planes in shared memory, and (bfloat16, 100 x 90) two channels that do not fit
  // beside each other; a dilation that leaves a single row, and one beyond the plane.
  const std::vector<Case> everywhere{{{2, 3, 9, 7}, 2},   {{1, 2, 1, 11}, 2},   {{1, 2, 40, 33}, 2},
                                     {{3, 5, 8, 12}, 3},  {{2, 4, 20, 20}, 9},  {{1, 2, 60, 60}, 9},
                                     {{1, 1, 70, 72}, 6}, {{1, 2, 100, 90}, 5}, {{1, 3, 6, 8}, 40}};
  for (const auto type : kTypes) {
    auto cases = everywhere;
    // Just below 48 KB of shared memory, which a block gets only by asking, since it also has static memory (now 48 x
    // 64 backward and 64 x 96 forward; before there were kernels for pairs 64 x 64 in float32, 64 x 128 in bfloat16),
    // and the largest. In float32 one channel: of 10^7 values of a norm one or two are so near 0 that float32 and
    // float64 see another ReLU mask.
    const std::int64_t channels = type == torch::kFloat ? 1 : 3;
    const std::vector<std::array<std::int64_t, 2>> sides{{48, 64}, {64, 64},  {64, 96},   {64, 128},
                                                         {90, 90}, {96, 128}, {128, 120}, {200, 230}};
    for (const auto& [h, w] : sides) {
      if (TestType::all_sizes()) cases.push_back({{1, channels, h, w}, 9});
    }
    if (TestType::all_sizes() && type != torch::kFloat) cases.push_back({{2, 64, 80, 80}, 9});
    for (const auto& [shape, dilation] : cases) {
      const SeedScope seed(23);
      const auto c = shape[1];
      Tensors inputs{draw(shape, type, Storage::Contiguous, at)};
      for (int step = 0; step < 2; ++step) {
        const auto taps = normal({c, 1, 3, 3}, at);  // none near 0: tests/kernels/dilated_branch.test.cpp says why
        inputs.push_back(taps * 0.4 + taps.sign() * 0.2);
        inputs.push_back(uniform({c}, at) + 0.5);
        inputs.push_back(normal({c}, at) * 0.3 + 0.2);
      }
      const auto dy = draw(shape, type, Storage::Contiguous, at);
      const cuda::BranchStep first{inputs[1], inputs[2], inputs[3]}, second{inputs[4], inputs[5], inputs[6]};
      CAPTURE(static_cast<int>(type), shape, dilation);
      if (!cuda::plane_fits(device, inputs[0], true)) continue;  // float32, 100 x 90 on the host
      const auto [y, table] = cuda::dilated_branch(device, inputs[0], first, second, dilation, kEps);
      const auto [dx, sums] = cuda::dilated_branch_backward(device, inputs[0], first, second, dilation, table, dy);
      // The kernels round what they keep between the steps to x's type, so the reference does, too: then both have the
      // same ReLU masks (up to the few values at which a float32 sum and a float64 one round apart), and what remains
      // is the rounding of the gradients.
      const auto rounded = [type = type](const torch::Tensor& t) {
        return type == torch::kFloat ? t : t + (t.to(type).to(torch::kDouble) - t).detach();
      };
      const auto expected = expected_of(
          [&, d = dilation](const Tensors& t) {
            const auto step = [&](const torch::Tensor& in, std::size_t at) {
              const auto z = rounded(torch::conv2d(in, t[at], {}, 1, d, d, c));
              return rounded(reference::instance_norm_relu(z, t[at + 1], t[at + 2], kEps));
            };
            return step(step(t[0], 1), 4);
          },
          inputs, dy);
      // A gradient may be a sum of `terms` numbers of size 1 that cancels, so its error has their scale.
      const auto terms = static_cast<double>(inputs[0].numel()) / static_cast<double>(c);
      const auto near = [&, type = type](const torch::Tensor& a, const torch::Tensor& e) {
        if (type == torch::kFloat) {
          LargestErrors::note(type, ((a.to(torch::kCPU) - e).abs().max() / (e.abs().max() + 0.1)).item<double>());
          REQUIRE_THAT(a, IsClose(e).rtol(2e-4).atol(2e-5).of_largest());
        } else {
          const auto scale = std::max(e.norm().item<double>(), std::sqrt(terms));
          const auto error = (a.to(torch::kCPU, torch::kDouble) - e).norm().item<double>() / scale;
          LargestErrors::note(type, error);
          REQUIRE(error < (type == torch::kHalf ? 4e-3 : 3e-2));
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

TEMPLATE_TEST_CASE("the CUDA depth-wise convolution equals the float64 reference", "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(24);
  cuda::Launcher& device = TestType::launcher();
  const torch::Device at = TestType::device();
  const NanFilledMemory filled;
  for (const std::int64_t dilation : {1, 3, 30}) {
    const auto x = normal({2, 3, 8, 11}, at), w = normal({3, 1, 3, 3}, at), dy = normal({2, 3, 8, 11}, at);
    const auto expected = expected_of(
        [=](const Tensors& t) { return torch::conv2d(t[0], t[1], {}, 1, dilation, dilation, 3); }, {x, w}, dy);
    require_close(cuda::depthwise(device, x, w, dilation, false), expected[0], torch::kFloat);
    require_close(cuda::depthwise(device, dy, w, dilation, true), expected[1], torch::kFloat);
    require_close(cuda::depthwise_weights(device, dy, x, dilation).reshape({3, 1, 3, 3}), expected[2], torch::kFloat);
  }
}

TEMPLATE_TEST_CASE("the CUDA depth-wise steps of channels-last tensors equal the float64 reference", "[kernels][gpu]",
                   OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(26);
  cuda::Launcher& device = TestType::launcher();
  const torch::Device at = TestType::device();
  const NanFilledMemory filled;
  struct Case {
    Shape shape;
    std::int64_t stride, dilation;
  };
  // Odd and even sides, packs and single channels, more than 8 packs, one row, an output too large for shared memory.
  std::vector<Case> cases{{{2, 8, 9, 7}, 2, 1},  {{1, 3, 10, 6}, 2, 1}, {{2, 72, 5, 6}, 2, 1},
                          {{1, 8, 1, 13}, 2, 1}, {{1, 16, 7, 8}, 1, 2}, {{1, 8, 80, 84}, 2, 1}};
  if (TestType::all_sizes()) cases.insert(cases.end(), {{{2, 512, 40, 40}, 2, 1}, {{3, 2048, 10, 10}, 2, 1}});
  for (const auto& [shape, stride, dilation] : cases) {
    for (const auto type : kTypes) {
      const auto c = shape[1];
      const auto x = draw(shape, type, Storage::ChannelsLast, at), conv = normal({c, 1, 3, 3}, at);
      const auto weight = uniform({c}, at) + 0.5, bias = normal({c}, at) * 0.3;
      CAPTURE(static_cast<int>(type), shape, stride, dilation);
      const auto out = cuda::depthwise_norm(device, x, conv, weight, bias, stride, dilation, kEps, /*keep=*/true);
      const auto fresh = cuda::depthwise_norm(device, x, conv, weight, bias, stride, dilation, kEps, /*keep=*/false);
      REQUIRE(torch::equal(out.output, fresh.output));
      const auto dz = draw(out.conv.sizes().vec(), type, Storage::ChannelsLast, at);
      const auto [dx, dconv] = cuda::depthwise_backward(device, x, conv, stride, dilation, dz);
      const auto expected = expected_of(
          [&, s = stride, d = dilation](const Tensors& t) { return torch::conv2d(t[0], t[1], {}, s, d, d, c); },
          {x, conv}, dz);
      require_close(out.conv, expected[0], type);
      require_close(dx, expected[1], type);
      require_close(dconv, expected[2], type);
      // The norm sees what was rounded, so it is compared with the norm of the rounded convolution.
      const auto z = as_double({out.conv, weight, bias});
      require_close(out.output, reference::instance_norm_relu(z[0], z[1], z[2], kEps), type);
    }
  }
}

/// The address at which a tensor of which only the last elements exist, in `last`, would begin.
void* beginning_of(const torch::Tensor& last, std::int64_t elements) {
  const auto before = static_cast<std::uintptr_t>((elements - last.numel()) * last.element_size());
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(last.data_ptr()) - before);
}

TEST_CASE("the last pixels of a sample of almost 2^31 numbers are reached, and nothing beyond them", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to run the kernels with");
  const SeedScope seed(28);
  auto& device = host_launcher();
  constexpr int channels = 2, pixels = (1 << 30) - 1, chunks = 64, chunk = (pixels - 7) / (chunks - 1);
  const auto last = std::int64_t{pixels} - std::int64_t{chunk} * (chunks - 1), total = std::int64_t{pixels} * channels;
  REQUIRE((last >= 7 && last < 100));
  const auto x = torch::randn({last, channels}), y = torch::full_like(x, std::nan(""));
  // Sums that say: mean 0.5, variance 4 around the first pixel's value 0.25.
  auto parts = torch::zeros({2 * chunks + 1, channels});
  parts[0].fill_(0.25F * static_cast<float>(pixels));
  parts[1].fill_((4.F + 0.0625F) * static_cast<float>(pixels));
  parts[2 * chunks].fill_(0.25F);
  const auto weight = torch::tensor({1.F, -2.F}), bias = torch::tensor({0.5F, 0.25F}),
             table = torch::empty({4, channels});
  device.first_block = chunks - 1;
  device.run({torch::kFloat, 1}, "norm_pixel_apply", {{chunks, 1, 1}, device.block(), 0}, beginning_of(x, total),
             static_cast<void*>(nullptr), parts.data_ptr(), weight.data_ptr(), bias.data_ptr(), 0, table.data_ptr(),
             beginning_of(y, total), pixels, channels, chunk, chunks, 0.F, 0.F);
  device.first_block = 0;
  REQUIRE_THAT(y, IsClose(torch::relu((x.to(torch::kDouble) - 0.5) / 2 * weight + bias)).rtol(1e-6).atol(1e-6));
}

TEST_CASE("planes beyond the 65,535th are normalised where they lie", "[kernels]") {
  if (HostLauncher::compiler().empty()) PAM_SKIP("no C++ compiler to run the kernels with");
  const SeedScope seed(29);
  auto& device = host_launcher();
  constexpr int channels = 7, n = 1 << 16, planes = 70007;  // the last planes begin beyond 2^32 elements
  const auto x = torch::randn({2, n}), y = torch::empty_like(x), weight = torch::rand({channels}) + 0.5F;
  const auto bias = torch::randn({channels}), table = torch::empty({4, planes});
  const auto all = std::int64_t{planes} * n;
  device.first_block = planes - 2;
  device.run({torch::kFloat, 4}, "norm_plane", {{planes, 1, 1}, device.block(), 0}, beginning_of(x, all),
             static_cast<void*>(nullptr), beginning_of(y, all), weight.data_ptr(), bias.data_ptr(), 0, table.data_ptr(),
             n, channels, 1e-5F, 0.F, 0);
  device.first_block = 0;
  for (int row = 0; row < 2; ++row) {
    const auto c = (planes - 2 + row) % channels;
    const auto plane = x[row].to(torch::kDouble);
    const auto normed = (plane - plane.mean()) / (plane.var(/*unbiased=*/false) + 1e-5).sqrt();
    REQUIRE_THAT(y[row], IsClose(torch::relu(normed * weight[c] + bias[c])).rtol(1e-5).atol(1e-5));
    REQUIRE(std::abs(table[2][planes - 2 + row].item<double>() - plane.mean().item<double>()) < 1e-6);
  }
}

TEMPLATE_TEST_CASE("the CUDA kernels read parameters of the tensors' own type", "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(27);
  cuda::Launcher& device = TestType::launcher();
  const torch::Device at = TestType::device();
  const NanFilledMemory filled;
  for (const auto type : {torch::kBFloat16, torch::kHalf}) {
    for (const auto storage : {Storage::Contiguous, Storage::ChannelsLast}) {
      const auto x = draw({1, 8, 5, 6}, type, storage, at);
      const auto weight = normal({8}, at).to(type), bias = normal({8}, at).to(type);
      const auto own = torch::empty_like(x), wide = torch::empty_like(x);
      cuda::instance_norm_relu(device, x, {}, weight, bias, kEps, false, own);
      cuda::instance_norm_relu(device, x, {}, weight.to(torch::kFloat), bias.to(torch::kFloat), kEps, false, wide);
      REQUIRE(torch::equal(own, wide));
    }
  }
}

TEMPLATE_TEST_CASE("the CUDA Dice sums equal the float64 reference", "[kernels][gpu]", OnHost, OnGpu) {
  if (const auto missing = TestType::missing(); !missing.empty()) PAM_SKIP(missing);
  const SeedScope seed(25);
  cuda::Launcher& device = TestType::launcher();
  const torch::Device at = TestType::device();
  const NanFilledMemory filled;
  for (const auto type : kTypes) {
    const auto logits = (normal({2, 1, 33, 41}, at) * 3).to(type), target = uniform({2, 1, 33, 41}, at);
    const auto direction = torch::tensor({0.5f, -1.5f, 2.f}).to(at);
    const auto expected = expected_of(
        [&](const Tensors& t) { return reference::dice_sums(t[0], target.to(torch::kCPU, torch::kDouble)); }, {logits},
        direction);
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

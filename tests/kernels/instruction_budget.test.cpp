// SPDX-License-Identifier: MIT
// What the CUDA kernels cost, without a GPU: they are compiled for sm_80, sm_90 and sm_100, and on sm_90 their
// registers, and the instructions and bytes per output, are held to a budget (docs/performance.md has the table).
#include <pam/kernels/detail/cuda/depthwise.hpp>
#include <pam/kernels/detail/cuda/dilated_branch.hpp>
#include <pam/kernels/detail/cuda/instance_norm.hpp>
#include <pam/kernels/detail/cuda/upsample.hpp>

#include "kernels/host_launcher.hpp"
#include "kernels/launch_counter.hpp"
#include "kernels/machine_code.hpp"
#include "support/catch.hpp"

#include <functional>
#include <iomanip>
#include <iostream>

namespace kernels_instruction_budget_test {

using namespace pam;
using namespace pam::test;
namespace cuda = pam::kernels::cuda;

cuda::Compiled compile(const cuda::Nvrtc& nvrtc, const cuda::Build& build, const std::string& architecture) {
  return nvrtc.compile(std::string(cuda::kDeviceSource) + build.macros() + cuda::all_kernels(), architecture,
                       {"--ptxas-options=-v"});
}

/// Compiled once: bfloat16, packs of 8, sm_90.
const cuda::Compiled& usual_code(const cuda::Nvrtc& nvrtc) {
  static const auto compiled = compile(nvrtc, {torch::kBFloat16, 8}, "sm_90");
  return compiled;
}

TEST_CASE("every CUDA kernel compiles for sm_80, sm_90 and sm_100, and keeps its registers", "[kernels]") {
  const auto nvrtc = cuda::Nvrtc::find();
  if (!nvrtc) PAM_SKIP("no libnvrtc on this machine");
  struct Case {
    torch::ScalarType type;
    int pack;
    std::string architecture;
  };
  std::vector<std::string> architectures{"sm_80", "sm_90"};
  if (nvrtc->version() >= 1208) architectures.emplace_back("sm_100");  // older compilers do not know it
  std::vector<Case> cases{{torch::kBFloat16, 1, "sm_90"}};  // a build takes seconds: of single elements one is enough
  for (const auto& architecture : architectures) {
    for (const auto type : {torch::kFloat, torch::kBFloat16, torch::kHalf}) {
      cases.push_back({type, type == torch::kFloat ? 4 : 8, architecture});
    }
  }
  for (const auto& [type, pack, architecture] : cases) {
    const bool usual = type == torch::kBFloat16 && pack == 8 && architecture == "sm_90";
    const auto compiled = usual ? usual_code(*nvrtc) : compile(*nvrtc, {type, pack}, architecture);
    CAPTURE(architecture, static_cast<int>(type), pack, compiled.log);
    REQUIRE(compiled.ok());
    const auto codes = kernel_codes(compiled, "");
    for (const auto& name : kernel_names()) {
      INFO(name);
      REQUIRE(codes.count(name) == 1);
      REQUIRE(codes.at(name).spilled == 0);
      REQUIRE(codes.at(name).registers <= 128);  // at least two blocks of 256 threads a processor
    }
  }
}

/// A loop and how many outputs one pass through it makes.
struct Inner {
  const Loop* loop = nullptr;
  double outputs = 1;
  [[nodiscard]] double each() const { return loop->size() / outputs; }
};

/// The loop with the most outputs of those that `outputs` recognises (above 0).
Inner find(const std::vector<Loop>& loops, const std::function<double(const Loop&)>& outputs) {
  Inner best;
  for (const auto& loop : loops) {
    const auto count = outputs(loop);
    if (count > 0 && (best.loop == nullptr || count > best.outputs)) best = {&loop, count};
  }
  return best;
}

TEST_CASE("the inner loops of the CUDA kernels keep to their budget of instructions", "[kernels]") {
  const auto nvrtc = cuda::Nvrtc::find();
  if (!nvrtc) PAM_SKIP("no libnvrtc on this machine");
  const auto tool = disassembler();
  if (tool.empty())
    PAM_SKIP("no nvdisasm: set PAM_NVDISASM to the CUDA toolkit's, or pip install nvidia-cuda-nvdisasm");
  REQUIRE(usual_code(*nvrtc).ok());
  const auto codes = kernel_codes(usual_code(*nvrtc), tool);
  const auto row = [&](const char* kernel, const char* unit, double instructions, double budget) {
    std::cout << std::left << std::setw(22) << kernel << std::right << std::setw(4) << codes.at(kernel).registers
              << " registers" << std::setw(7) << std::fixed << std::setprecision(1) << instructions << " instructions "
              << unit << " (budget " << std::setprecision(0) << budget << ")\n";
    INFO(kernel << " " << unit);
    CHECK(instructions <= budget);
  };
  // A pack is 16 bytes, 8 elements; loops of the gated variants have exponentials (MUFU).
  const auto pack_loop = [&](const char* kernel, const std::string& marker, int loads, int stores) {
    const auto loops = loops_of(codes.at(kernel));
    const auto inner = find(loops, [&](const Loop& l) {
      const int packs = l.count(marker) / (marker == "STG" ? stores : loads);
      const bool fits = l.count("LDG") == loads * packs && l.count("STG") == stores * packs && l.count("MUFU") == 0 &&
                        l.count("LDS") == 0 && l.count("FFMA") >= 8 * packs;
      return fits ? packs : 0;
    });
    REQUIRE(inner.loop != nullptr);
    return inner.each();
  };
  row("norm_pixel_sums", "a pack", pack_loop("norm_pixel_sums", "LDG", 1, 0), 50);
  row("norm_pixel_apply", "a pack", pack_loop("norm_pixel_apply", "STG", 1, 1), 50);
  row("norm_pixel_grad_sums", "a pack", pack_loop("norm_pixel_grad_sums", "LDG", 2, 0), 100);
  row("norm_pixel_grad_apply", "a pack", pack_loop("norm_pixel_grad_apply", "STG", 2, 1), 100);

  // Per output of one channel: a word of shared memory holds two. Three words a row are read, one is written.
  const auto convolution = [&](const char* kernel, int more_loads) {
    const auto loops = loops_of(codes.at(kernel));
    double worst = 0;
    for (const auto& l : loops) {
      const int words = l.count("STS");
      if (words > 0 && l.count("LDS") == (3 + more_loads) * words && l.count("FFMA") >= 12 * words &&
          l.size() < 200 * words)
        worst = std::max(worst, l.size() / 2. / words);
    }
    REQUIRE(worst > 0);
    return worst;
  };
  row("branch_pair", "an output (convolution)", convolution("branch_pair", 0), 30);
  row("branch_pair_backward", "an output (convolution)", convolution("branch_pair_backward", 0), 30);
  row("branch_pair_backward", "an output (its gradient, masked)", convolution("branch_pair_backward", 1), 40);
  {
    const auto loops = loops_of(codes.at("branch_pair_backward"));
    const auto taps = find(loops, [](const Loop& l) {
      const int words = l.count("LDS") / 4;
      return l.innermost && words > 0 && l.count("LDS") == 4 * words && l.count("STS") == 0 &&
                     l.count("FFMA") == 18 * words
                 ? 2. * words
                 : 0.;
    });
    REQUIRE(taps.loop != nullptr);
    row("branch_pair_backward", "an output (sums of taps)", taps.each(), 25);
  }
  // One pass of the outer loop blends a row of the small map, which serves two rows of a map twice as large.
  const auto upsampled = [&](const char* kernel) {
    const auto loops = loops_of(codes.at(kernel));
    const auto inner = find(loops, [](const Loop& l) {
      return l.count("STG") == 1 && l.count("LDG") == 0 && l.count("FFMA") >= 8 ? 1. : 0.;
    });
    REQUIRE(inner.loop != nullptr);
    const auto outer = find(loops, [&](const Loop& l) { return l.count("STG") == 1 && l.count("LDG") == 2 ? 1. : 0.; });
    REQUIRE(outer.loop != nullptr);
    return inner.each() + (outer.each() - inner.each()) / 2;
  };
  const auto loops = loops_of(codes.at("upsample_concat"));
  const auto copied = find(loops, [](const Loop& l) { return l.count("LDG") == l.count("STG") ? l.count("STG") : 0.; });
  REQUIRE(copied.loop != nullptr);
  row("upsample_concat", "an upsampled pack", upsampled("upsample_concat"), 75);
  row("upsample_concat", "a pack copied", copied.each(), 20);
  row("upsample_concat", "a pack (64 channels to 32)", (2 * upsampled("upsample_concat") + copied.each()) / 3, 60);
  row("upsample_concat_normed", "an upsampled pack", upsampled("upsample_concat_normed"), 90);
  {
    // One output channel: a multiply-add an element for the norm and one for the head.
    const auto head_loops = loops_of(codes.at("norm_pixel_head"));
    const auto head = find(head_loops, [](const Loop& l) {
      const int packs = l.count("LDG");
      return l.innermost && packs > 0 && l.count("STG") == 0 && l.count("FFMA") == 16 * packs ? packs : 0.;
    });
    REQUIRE(head.loop != nullptr);
    row("norm_pixel_head", "a pack", head.each(), 50);
  }
}

TEST_CASE("the CUDA kernels move little more than each tensor once", "[kernels]") {
  const RecordingLauncher device;  // an H200
  const cuda::Build build{torch::kBFloat16, 8};
  const auto empty = [](std::int64_t n, std::int64_t c, std::int64_t h) {
    return torch::empty({n, c, h, h},
                        torch::TensorOptions(torch::kBFloat16).memory_format(at::MemoryFormat::ChannelsLast));
  };
  const auto bytes = [](const torch::Tensor& x) { return static_cast<double>(x.numel() * x.element_size()); };
  const auto row = [](const char* kernel, std::int64_t side, double moved, double least) {
    std::cout << std::left << std::setw(22) << kernel << std::right << std::setw(4) << side << " a side" << std::fixed
              << std::setprecision(1) << std::setw(8) << moved / 1e6 << " MB, at least" << std::setw(7) << least / 1e6
              << ": " << std::setprecision(3) << moved / least << "\n";
    INFO(kernel << " " << side);
    CHECK(moved <= 1.15 * least);
  };
  // The levels of the paper's networks, batch 50 of 160 x 160.
  for (const auto& [channels, side] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{32, 160}, {64, 80}, {128, 40}, {256, 20}}) {
    const auto x = empty(50, channels, side);
    const auto t = bytes(x), c = static_cast<double>(channels) * 4;
    const auto slabs = cuda::detail::slabs_of(device, x, build, 1, 8),
               back = cuda::detail::slabs_of(device, x, build, 2, 16);
    if (slabs.wide > 0) {
      row("norm_slab", side, 2 * t + 50 * 4 * c, 2 * t);
    } else {
      const cuda::detail::PixelChunks cut(x, build, device, 4);
      const auto rows = 50. * static_cast<double>(2 * cut.chunks + 1) * c;
      row("norm_pixel_sums", side, t + rows, t);
      row("norm_pixel_apply", side, 2 * t + rows * static_cast<double>(cut.chunks), 2 * t);  // every block reads them
    }
    if (back.wide > 0) {
      row("norm_slab_backward", side, 3 * t + 50 * 6 * c, 3 * t);
    } else {
      const cuda::detail::PixelChunks cut(x, build, device, 3);
      const auto chunks = static_cast<double>(cut.chunks), rows = 50 * chunks * 2 * c;
      row("norm_pixel_grad_sums", side, 2 * t + rows, 2 * t);
      row("norm_pixel_grad_apply", side, 3 * t + rows * (chunks + 1), 3 * t);
    }
  }
  {
    const auto x = empty(50, 32, 160), y = empty(50, 1, 160);
    const cuda::detail::PixelChunks cut(x, build, device, 4);
    const auto sums = 50. * static_cast<double>(cut.chunks * (2 * cut.chunks + 1) * 32 * 4);
    row("norm_pixel_head", 160, bytes(x) + bytes(y) + sums, bytes(x) + bytes(y));
  }
  // Upsampling: a block of rows reads the rows of the small map between them and one more.
  for (const auto& [deep, skip, side] :
       std::vector<std::array<std::int64_t, 3>>{{64, 32, 160}, {128, 64, 80}, {256, 128, 40}}) {
    const auto small = empty(50, deep, side / 2), beside = empty(50, skip, side), y = empty(50, deep + skip, side);
    const cuda::detail::Columns cut(device, side * (deep + skip) / 8, side, 50, 1);
    const auto rows_read = static_cast<double>(side) / 2 + static_cast<double>(cut.launch.grid[1]);
    const auto least = bytes(small) + bytes(beside) + bytes(y);
    const auto read = bytes(small) * rows_read / (static_cast<double>(side) / 2) + bytes(beside) + bytes(y);
    row("upsample_concat", side, read, least);
    if (!cuda::norm_reads_once(device, small)) {
      const cuda::detail::PixelChunks chunks(small, build, device, 4);
      const auto sums = static_cast<double>((2 * chunks.chunks + 1) * deep * 4);  // of a sample; every block reads them
      row("upsample_concat_normed", side,
          read + 50 * sums * static_cast<double>(cut.launch.grid[0] * cut.launch.grid[1]), least);
    }
    const auto dy = empty(50, deep, side);
    const cuda::detail::Columns back(device, side / 2 * deep / 8, side / 2, 50, 2);
    const auto rows_back = static_cast<double>(side + 2 * back.launch.grid[1]);
    row("upsample_backward", side, bytes(dy) * rows_back / static_cast<double>(side) + bytes(small),
        bytes(dy) + bytes(small));
  }
  // RFNA's gate: eight times fewer pixels a side; the gradient's rows, summed down but not across, go out and come
  // back.
  for (const auto& [channels, side] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{64, 80}, {128, 40}, {256, 20}}) {
    const auto f = empty(50, channels, side), low = empty(50, channels, (side + 7) / 8);
    const cuda::detail::Columns cut(device, side * channels / 8, low.size(2), 50, 2);
    const auto columns =
        bytes(f) * static_cast<double>(low.size(2) + cut.launch.grid[1] - 1) / static_cast<double>(side);
    row("upsample_gate", side, 2 * bytes(f) + bytes(low), 2 * bytes(f) + bytes(low));
    row("upsample_gate_backward", side, 3 * bytes(f) + 2 * bytes(low) + 2 * columns, 3 * bytes(f) + 2 * bytes(low));
  }
  // The branch's kernels are compiled for blocks of at most 384 threads and 16 warps, whatever the plane.
  for (const std::int64_t side : {1, 5, 20, 40, 64, 80, 100, 120, 137, 160, 170}) {
    for (const auto type : {torch::kFloat, torch::kBFloat16}) {
      for (const auto& [samples, channels] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 3}, {50, 256}}) {
        for (const bool backward : {false, true}) {
          const auto x = torch::empty({samples, channels, side, side}, torch::TensorOptions(type).device(torch::kMeta));
          for (const std::int64_t dilation : {1, 9, 200}) {
            const auto plan = cuda::detail::branch_plan(device, x, dilation, backward);
            if (!plan) continue;
            CAPTURE(side, samples, backward, dilation, plan->threads, plan->launch.block);
            REQUIRE(plan->launch.block <= 384);
            REQUIRE(plan->threads % 32 == 0);
            REQUIRE(plan->launch.block / plan->threads <= 8);
            REQUIRE(plan->launch.shared + 4096 <= device.shared_limit());
          }
        }
      }
    }
  }
  // FPA's branch: planes are read once, and once more where shared memory holds no fourth.
  for (const auto& [channels, side] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{256, 80}, {512, 40}, {1024, 20}}) {
    const auto x = torch::empty({50, channels, side, side}, torch::kBFloat16);
    const auto plan = cuda::detail::branch_plan(device, x, 9, true);
    REQUIRE(plan.has_value());
    REQUIRE(plan->planes_a_word == 2);
    row("branch_pair", side, 2 * bytes(x), 2 * bytes(x));
    row("branch_pair_backward", side, (plan->kept == 4 ? 3 : 4) * bytes(x), 3 * bytes(x));
  }
}

}  // namespace kernels_instruction_budget_test

// SPDX-License-Identifier: MIT
// Times every fused kernel against its reference expression, and against the time in which a copy would move the bytes
// that it must move (measured in the same run). `kernels_bench --help` lists the options; examples:
//   kernels_bench --device cuda --dtype bfloat16 float16 float32      kernels_bench --layout nhwc --only norm
// A copy, the fused kernel and the reference run alternately, so that other load on the machine affects all three, and
// the copy empties the caches between them. Medians are printed. On the CPU: wall time, and beside it the ratio of
// processor time over all threads, which other processes disturb less. On a GPU: CUDA events; the copy before each
// keeps the device busy while the host queues the work, so that launches are not measured.
#include "bench_device.hpp"

#include <pam/core/allocation.hpp>
#include <pam/core/autocast.hpp>
#include <pam/kernels/conv3x3.hpp>
#include <pam/kernels/depthwise_step.hpp>
#include <pam/kernels/detail/cpu/simd.hpp>
#include <pam/kernels/dice.hpp>
#include <pam/kernels/dilated_branch.hpp>
#include <pam/kernels/instance_norm.hpp>
#include <pam/kernels/inverted_bottleneck.hpp>
#include <pam/kernels/upsample.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#if defined(PAM_WITH_CUDA)
#include <ATen/cuda/CUDAEvent.h>
#endif

namespace {

using pam::kernels::Backend;
using Tensors = std::vector<torch::Tensor>;
constexpr double kMiB = 1024 * 1024;

struct Settings {
  std::string device = "cpu", only;
  std::vector<std::string> dtypes{"float32"}, layouts{"nchw", "nhwc"};
  int threads = 2, runs = 11;
  double mebibytes = 0;
  bool json = false, avx2 = false, errors = false;

  [[nodiscard]] bool on_gpu() const { return device == "cuda"; }
};

struct Time {
  double wall = 0, processor = 0;
};

double processor_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

Time on_cpu(const std::function<void()>& work) {
  const auto processor = processor_ms();
  const auto wall = std::chrono::steady_clock::now();
  work();
  return {std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - wall).count(),
          processor_ms() - processor};
}

/// `before` is queued first and not measured.
Time on_gpu([[maybe_unused]] const std::function<void()>& before, [[maybe_unused]] const std::function<void()>& work) {
#if defined(PAM_WITH_CUDA)
  at::cuda::CUDAEvent start(cudaEventDefault), end(cudaEventDefault);
  before();
  start.record();
  work();
  end.record();
  end.synchronize();
  return {start.elapsed_time(end), 0};
#else
  throw std::runtime_error("built without pam's component cuda");
#endif
}

Time median(const std::vector<Time>& times) {
  std::vector<double> wall, processor;
  for (const auto& time : times) wall.push_back(time.wall), processor.push_back(time.processor);
  return {pam::bench::quantile(wall, 0.5), pam::bench::quantile(processor, 0.5)};
}

/// One kernel at one size: `run(backend, inputs)`; every input gets a gradient in training. The bytes are those that
/// must be read or written once, counted by hand beside each kernel; weights and tables of sums are left out.
struct Case {
  std::string name, size;
  Tensors inputs;
  std::function<torch::Tensor(Backend, const Tensors&)> run;
  double forward_bytes = 0, backward_bytes = 0;
};

/// A copy between two large buffers of float32.
class Copy {
 public:
  Copy(const torch::TensorOptions& options, double mebibytes)
      : from_(torch::zeros({static_cast<std::int64_t>(mebibytes * kMiB / 4)}, options)),
        to_(torch::zeros_like(from_)) {}
  void operator()() { to_.copy_(from_); }
  [[nodiscard]] double bytes() const { return 2 * static_cast<double>(from_.nbytes()); }

 private:
  torch::Tensor from_, to_;
};

struct Row {
  const Case& measured;
  std::string layout, dtype;
  bool train;
  Time fused, reference, copy;
  double copy_bytes;

  [[nodiscard]] double bytes() const { return measured.forward_bytes + (train ? measured.backward_bytes : 0); }
  [[nodiscard]] double bandwidth() const { return bytes() / fused.wall * 1e-6; }  // GB/s
  [[nodiscard]] double copy_bandwidth() const { return copy_bytes / copy.wall * 1e-6; }
  /// 1: as fast as the memory allows.
  [[nodiscard]] double over_bound() const { return copy_bandwidth() / bandwidth(); }
};

constexpr const char* kHeader = "{:<24} {:<18} {:<5} {:<9} {:<9} {:>9} {:>9} {:>8} {:>9} {:>8} {:>7} {:>8} {:>8}\n";

void print_header() {
  fmt::print(kHeader, "kernel", "size", "", "type", "pass", "ref ms", "fused ms", "fus/ref", "cpu ratio", "MiB", "GB/s",
             "copy", "x bound");
}

void print_row(const Row& r, bool json) {
  const auto* pass = r.train ? "fwd + bwd" : "fwd";
  const bool timed = r.reference.processor > 0;
  if (json) {
    nlohmann::json line{{"kernel", r.measured.name},
                        {"size", r.measured.size},
                        {"layout", r.layout},
                        {"dtype", r.dtype},
                        {"pass", pass},
                        {"reference_ms", r.reference.wall},
                        {"ms", r.fused.wall},
                        {"ratio", r.fused.wall / r.reference.wall},
                        {"bytes", r.bytes()},
                        {"gb_per_s", r.bandwidth()},
                        {"copy_gb_per_s", r.copy_bandwidth()},
                        {"over_bound", r.over_bound()}};
    if (timed) line["processor_ratio"] = r.fused.processor / r.reference.processor;
    fmt::print("{}\n", line.dump());
    return;
  }
  const auto number = [](double value) { return fmt::format("{:.2f}", value); };
  fmt::print(kHeader, r.measured.name, r.measured.size, r.layout, r.dtype, pass, number(r.reference.wall),
             number(r.fused.wall), number(r.fused.wall / r.reference.wall),
             timed ? number(r.fused.processor / r.reference.processor) : "-", fmt::format("{:.0f}", r.bytes() / kMiB),
             fmt::format("{:.1f}", r.bandwidth()), fmt::format("{:.1f}", r.copy_bandwidth()), number(r.over_bound()));
}

void measure(const Case& c, const std::string& layout, const std::string& dtype, bool train, const Settings& settings,
             Copy& copy) {
  const auto format = layout == "nhwc" ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  Tensors leaves;
  for (const auto& input : c.inputs) leaves.push_back(input.detach().requires_grad_(train));
  const torch::AutoGradMode mode(train);
  // Weights stay float32 and activations are narrow, as in training; autocast makes the reference take both.
  std::optional<pam::AutocastScope> autocast;
  if (dtype != "float32") autocast.emplace(leaves[0].device(), leaves[0].scalar_type());
  // In the layout that a network would send it back in (the reference of instance norm drops channels-last), and of the
  // output's type: autocast makes the reference of upsampling float32.
  const auto direction_of = [&](Backend backend) {
    const auto y = c.run(backend, leaves).detach();
    return y.dim() == 4 ? torch::randn_like(y).contiguous(format) : torch::randn_like(y);
  };
  const auto fused_direction = direction_of(Backend::Fused), reference_direction = direction_of(Backend::Reference);
  const auto work = [&](Backend backend) {
    const auto y = c.run(backend, leaves);
    if (train) {
      torch::autograd::grad({y}, leaves, {backend == Backend::Fused ? fused_direction : reference_direction});
    }
  };
  const auto once = [&](const std::function<void()>& task) {
    return settings.on_gpu() ? on_gpu([&] { copy(); }, task) : on_cpu(task);
  };
  std::vector<Time> copies, reference, fused;
  for (int i = 0; i < settings.runs + 2; ++i) {
    const auto m = once([&] { copy(); });
    const auto f = once([&] { work(Backend::Fused); });
    if (!settings.on_gpu()) copy();  // so that both start with the same caches
    const auto r = once([&] { work(Backend::Reference); });
    if (i < 2) continue;  // first touch of memory, oneDNN's primitives, compiled kernels
    copies.push_back(m), reference.push_back(r), fused.push_back(f);
  }
  print_row({c, layout, dtype, train, median(fused), median(reference), median(copies), copy.bytes()}, settings.json);
}

/// The largest errors against float64, divided by the largest entry: of the output and of the gradient of each input.
void print_errors(const Case& c, const std::string& layout) {
  const auto format = layout == "nhwc" ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  torch::Tensor direction;
  const auto results = [&](Backend backend, torch::ScalarType type) {
    Tensors leaves;
    for (const auto& input : c.inputs) leaves.push_back(input.detach().to(type).requires_grad_(true));
    Tensors all{c.run(backend, leaves)};
    if (!direction.defined()) direction = torch::randn_like(all[0]).contiguous(format);
    for (auto& gradient : torch::autograd::grad({all[0]}, leaves, {direction.to(type)})) all.push_back(gradient);
    return all;
  };
  const auto exact = results(Backend::Reference, torch::kDouble);
  std::array<std::string, 2> errors;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto found = results(i == 0 ? Backend::Reference : Backend::Fused, torch::kFloat);
    for (std::size_t j = 0; j < exact.size(); ++j) {
      errors[i] += fmt::format(" {:>8.1e}", ((found[j] - exact[j]).abs().max() / exact[j].abs().max()).item<double>());
    }
  }
  fmt::print("{:<24} {:<22} {:<5} ref{}  fused{}\n", c.name, c.size, layout, errors[0], errors[1]);
}

std::string size_name(const torch::Tensor& x) { return fmt::format("{}", pam::joined(x.sizes(), "x")); }

double bytes_of(const torch::Tensor& x) { return static_cast<double>(x.nbytes()); }

/// The kernels at the levels of the U-Net, FPA and RFNA for inputs of 160 x 160, with batches that make the largest
/// tensor at least `mebibytes` large.
class Cases {
 public:
  Cases(at::MemoryFormat layout, torch::TensorOptions options, double mebibytes)
      : layout_(layout), options_(options), mebibytes_(mebibytes) {}

  /// Makers, so that one case's tensors fill the memory at a time.
  [[nodiscard]] std::vector<std::function<Case()>> all() const {
    std::vector<std::function<Case()>> makers;
    for (const auto& [c, side] : std::vector<std::array<std::int64_t, 2>>{{32, 160}, {64, 80}, {128, 40}, {256, 20}}) {
      makers.emplace_back([this, c = c, side = side] { return norm(c, side); });
      makers.emplace_back([this, c = c, side = side] { return norm_gate(c, side); });
    }
    for (const auto& [c, side] : std::vector<std::array<std::int64_t, 2>>{{256, 80}, {512, 40}, {1024, 20}}) {
      makers.emplace_back([this, c = c, side = side] { return branch(c, side); });
    }
    for (const auto& [c, side] : std::vector<std::array<std::int64_t, 2>>{{512, 40}, {1024, 20}, {2048, 10}}) {
      makers.emplace_back([this, c = c, side = side] { return depthwise(c, side); });
    }
    for (const auto& [c, k, side, stride] : std::vector<std::array<std::int64_t, 4>>{
             {32, 64, 160, 2}, {64, 128, 80, 2}, {128, 256, 40, 2}, {256, 256, 20, 1}}) {
      makers.emplace_back(
          [this, c = c, k = k, side = side, stride = stride] { return bottleneck(c, k, side, stride); });
    }
    for (const auto& [c, skip, side] :
         std::vector<std::array<std::int64_t, 3>>{{256, 128, 20}, {128, 64, 40}, {64, 32, 80}}) {
      makers.emplace_back([this, c = c, skip = skip, side = side] { return concat(c, skip, side); });
    }
    for (const auto& [c, side] : std::vector<std::array<std::int64_t, 2>>{{64, 80}, {128, 40}, {256, 24}}) {
      makers.emplace_back([this, c = c, side = side] { return gate(c, side); });
    }
    makers.emplace_back([this] { return dice(); });
    if (options_.device().is_cuda() || options_.dtype() != torch::kFloat) return makers;
    for (const auto& [c, k, side] : std::vector<std::array<std::int64_t, 3>>{{4, 32, 160},
                                                                             {16, 16, 160},
                                                                             {32, 32, 160},
                                                                             {96, 32, 160},
                                                                             {64, 64, 80},
                                                                             {192, 64, 80},
                                                                             {128, 128, 40},
                                                                             {384, 128, 40},
                                                                             {256, 256, 20}}) {
      for (const std::int64_t n : {4, 1}) {
        makers.emplace_back([this, n = n, c = c, k = k, side = side] { return conv(n, c, k, side); });
      }
    }
    return makers;
  }

 private:
  /// Samples of `c` channels and `side` squared pixels that fill the wanted size.
  [[nodiscard]] std::int64_t batch(std::int64_t c, std::int64_t side) const {
    const auto sample = static_cast<double>(c * side * side) * static_cast<double>(options_.dtype().itemsize());
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(mebibytes_ * kMiB / sample)));
  }
  [[nodiscard]] torch::Tensor random(std::int64_t n, std::int64_t c, std::int64_t side) const {
    return torch::randn({n, c, side, side}, options_).contiguous(layout_);
  }
  [[nodiscard]] torch::Tensor row(std::int64_t c) const { return torch::rand({c}, options_.dtype(torch::kFloat)); }

  [[nodiscard]] Case norm(std::int64_t c, std::int64_t side) const {
    const auto x = random(batch(c, side), c, side);
    // Forward: x in, y out. Backward: x and dy in, dx out.
    return {"instance_norm_relu",
            size_name(x),
            {x, row(c), row(c)},
            [](Backend b, const Tensors& t) { return pam::kernels::instance_norm_relu(t[0], t[1], t[2], 1e-5, b); },
            2 * bytes_of(x),
            3 * bytes_of(x)};
  }

  [[nodiscard]] Case norm_gate(std::int64_t c, std::int64_t side) const {
    const auto n = batch(c, side);
    const auto x = random(n, c, side), logits = random(n, c, side);
    // Forward: x and the logits in, y out. Backward: x, the logits and dy in, dx and the logits' gradient out.
    return {"instance_norm_relu_gate",
            size_name(x),
            {x, row(c), row(c), logits},
            [](Backend b, const Tensors& t) {
              return pam::kernels::instance_norm_relu_gate(t[0], t[1], t[2], 1e-5, t[3], true, b);
            },
            3 * bytes_of(x),
            5 * bytes_of(x)};
  }

  [[nodiscard]] Case branch(std::int64_t c, std::int64_t side) const {
    const auto x = random(batch(c, side), c, side);
    const auto conv = torch::randn({c, 1, 3, 3}, options_.dtype(torch::kFloat));
    // Forward: x in, y out: two convolutions, norms and ReLUs in between. Backward: x and dy in, dx out.
    return {"dilated_branch",
            size_name(x),
            {x, conv, row(c), row(c)},
            [](Backend b, const Tensors& t) {
              const pam::kernels::DepthwiseStep step{t[1], t[2], t[3]};
              return pam::kernels::dilated_branch(t[0], step, step, /*dilation=*/9, 1e-5, b);
            },
            2 * bytes_of(x),
            3 * bytes_of(x)};
  }

  /// RFNA's depth-wise convolution of stride 2 with norm and ReLU. Fused on a GPU, for channels-last tensors.
  [[nodiscard]] Case depthwise(std::int64_t c, std::int64_t side) const {
    const auto x = random(batch(c, side), c, side);
    const auto conv = torch::randn({c, 1, 3, 3}, options_.dtype(torch::kFloat));
    // Forward: x in, y out; in training also the convolution's output out. Backward: x, that output and dy in, dx out.
    return {"depthwise_step",
            size_name(x),
            {x, conv, row(c), row(c)},
            [](Backend b, const Tensors& t) {
              return pam::kernels::depthwise_step(t[0], {t[1], t[2], t[3]}, /*stride=*/2, /*dilation=*/1, 1e-5, b);
            },
            1.25 * bytes_of(x),
            2.75 * bytes_of(x)};
  }

  /// FPA's whole branch from C to K channels, with 4 K in between, on 4 images.
  [[nodiscard]] Case bottleneck(std::int64_t c, std::int64_t k, std::int64_t side, std::int64_t stride) const {
    const auto x = random(4, c, side), expanded = torch::empty({4, 4 * k, side / stride, side / stride}, options_);
    const auto weights = options_.dtype(torch::kFloat);
    const auto in = bytes_of(x) / static_cast<double>(stride * stride), out = bytes_of(expanded) / 4;
    // Forward: x in, y out. Backward: x, E(x) and dy in, dx out; the forward pass also writes E(x).
    return {"inverted_bottleneck",
            fmt::format("{}>{}", size_name(x), k),
            {x, torch::randn({4 * k, c, 1, 1}, weights) / std::sqrt(static_cast<double>(c)),
             torch::randn({4 * k, 1, 3, 3}, weights), row(4 * k), row(4 * k),
             torch::randn({k, 4 * k, 1, 1}, weights) / std::sqrt(static_cast<double>(4 * k))},
            [stride](Backend b, const Tensors& t) {
              const pam::kernels::DepthwiseStep step{t[2], t[3], t[4]};
              return pam::kernels::inverted_bottleneck(t[0], {t[1], stride, step, step, /*dilation=*/9, t[5]}, 1e-5, b);
            },
            in + out,
            2 * in + out + 2 * bytes_of(expanded)};
  }

  [[nodiscard]] Case concat(std::int64_t c, std::int64_t skip, std::int64_t side) const {
    const auto n = batch(c + skip, 2 * side);
    const auto x = random(n, c, side), beside = random(n, skip, 2 * side);
    const auto small = bytes_of(x), up = 4 * small, k = bytes_of(beside);
    // Forward: x and the skip in, both parts out. Backward: the upsampled part's gradient in, dx out; the skip's
    // gradient is a view of what came in.
    return {
        "upsample_concat",  size_name(x),
        {x, beside},        [](Backend b, const Tensors& t) { return pam::kernels::upsample_concat(t[0], t[1], b); },
        small + k + up + k, up + small};
  }

  [[nodiscard]] Case gate(std::int64_t c, std::int64_t side) const {
    const auto n = batch(c, side);
    const auto features = random(n, c, side), logits = random(n, c, side / 8);
    const auto s = bytes_of(features), small = bytes_of(logits);
    // The shortcut is the features. Forward: features and logits in, y out. Backward: features, logits and dy in, the
    // gradients of features and logits out.
    return {"upsample_gate",
            size_name(features),
            {features, logits},
            [](Backend b, const Tensors& t) {
                        return pam::kernels::upsample_gate(t[0], t[1], t[0], true, b); },
            2 * s + small,
            3 * s + 2 * small};
  }

  /// A 3x3 convolution of stride 1 by Winograd's method, and LibTorch's: of the U-Net, at one size of batch.
  [[nodiscard]] Case conv(std::int64_t n, std::int64_t c, std::int64_t k, std::int64_t side) const {
    const auto x = random(n, c, side).relu();
    const auto weight =
        (torch::randn({k, c, 3, 3}, options_) / std::sqrt(9.0 * static_cast<double>(c))).contiguous(layout_);
    const auto in = bytes_of(x), out = in * static_cast<double>(k) / static_cast<double>(c);
    const auto cache = std::make_shared<pam::kernels::Conv3x3Cache>();
    // Forward: x in, y out. Backward: x and dy in, dx out.
    return {
        "conv3x3",   fmt::format("{}>{}", size_name(x), k),
        {x, weight}, [cache](Backend b, const Tensors& t) { return pam::kernels::conv3x3(t[0], t[1], {}, *cache, b); },
        in + out,    2 * in + out};
  }

  [[nodiscard]] Case dice() const {
    const auto logits = random(batch(1, 160), 1, 160);
    const auto target = (torch::rand(logits.sizes(), options_.dtype(torch::kFloat)) > 0.9).to(torch::kFloat);
    const auto s = bytes_of(logits), t = bytes_of(target);
    // Forward: logits and target in. Backward: both in again, the gradient out.
    return {"dice_sums",
            size_name(logits),
            {logits},
            [target](Backend b, const Tensors& inputs) {
                        return pam::kernels::dice_sums(inputs[0], target, b); },
            s + t,
            2 * s + t};
  }

  at::MemoryFormat layout_;
  torch::TensorOptions options_;
  double mebibytes_;
};

torch::ScalarType type_of(const std::string& name) {
  return name == "float32" ? torch::kFloat : name == "bfloat16" ? torch::kBFloat16 : torch::kHalf;
}

void run(const Settings& settings) {
  const auto device = settings.on_gpu() ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  const auto options = torch::TensorOptions(device);
  // A GPU's cache holds 50 MiB, and the copy before must last longer than the host needs to queue the work.
  const double mebibytes = settings.mebibytes > 0 ? settings.mebibytes : settings.on_gpu() ? 128 : 40;
  Copy copy(options, settings.on_gpu() ? 2048 : 128);
  if (settings.errors) {
    fmt::print("Largest errors against float64, as shares of the largest entry: output, then each input's gradient\n");
  } else if (!settings.json) {
    fmt::print("LibTorch {}, {}, {} threads, {} runs, tensors of {} MiB; copies of {:.0f} MiB\n", TORCH_VERSION,
               device.str(), settings.threads, settings.runs, mebibytes, copy.bytes() / 2 / kMiB);
    print_header();
  }
  for (const auto& dtype : settings.dtypes) {
    for (const auto& layout : settings.layouts) {
      const auto format = layout == "nhwc" ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
      torch::manual_seed(0);
      const Cases cases(format, options.dtype(type_of(dtype)), mebibytes);
      for (const auto& make : cases.all()) {
        const auto c = make();
        if (c.name.find(settings.only) == std::string::npos) continue;
        if (settings.errors) {
          print_errors(c, layout);
          continue;
        }
        for (const bool train : {false, true}) measure(c, layout, dtype, train, settings, copy);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Times pam's fused kernels against their reference expressions and the memory's bandwidth");
  app.add_option("--device", settings.device)->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str();
  app.add_option("--dtype", settings.dtypes, "of the activations; weights are float32")
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}))
      ->capture_default_str();
  app.add_option("--layout", settings.layouts)->check(CLI::IsMember({"nchw", "nhwc"}))->capture_default_str();
  app.add_option("--only", settings.only, "part of the names of the kernels to measure");
  app.add_option("--mib", settings.mebibytes, "size of the largest tensor; 40 on the CPU, 128 on a GPU");
  app.add_option("--threads", settings.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--runs", settings.runs)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_flag("--avx2", settings.avx2,
               "pam's kernels for AVX2, also where there is AVX-512 (for LibTorch's operations set "
               "ONEDNN_MAX_CPU_ISA=AVX2 and ATEN_CPU_CAPABILITY=avx2)");
  app.add_flag("--errors", settings.errors, "errors against float64 instead of times");
  app.add_flag("--json", settings.json, "one JSON line per measurement instead of the table");
  CLI11_PARSE(app, argc, argv);
  pam::keep_freed_memory();
  at::set_num_threads(settings.threads);
  if (settings.avx2) pam::kernels::cpu::isa() = std::min(pam::kernels::cpu::isa().load(), pam::kernels::cpu::Isa::Avx2);
  pam::kernels::set_default_convolution(pam::kernels::Convolution::Winograd);  // where it does not pay, too
  try {
#if !defined(PAM_WITH_CUDA)
    pam::check(!settings.on_gpu(), "kernels_bench: built without pam's component cuda; measure on the CPU");
#endif
    pam::check(!settings.on_gpu() || torch::cuda::is_available(), "kernels_bench: there is no GPU here");
    pam::check(settings.on_gpu() ||
                   std::find(settings.dtypes.begin(), settings.dtypes.end(), "float16") == settings.dtypes.end(),
               "kernels_bench: pam's CPU kernels take float32 and bfloat16; float16 is for --device cuda");
    run(settings);
  } catch (const pam::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}

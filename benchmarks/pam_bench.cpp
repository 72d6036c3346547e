// SPDX-License-Identifier: MIT
// pam_bench: the size and speed of pam's modules, and the speed of the same networks in PyTorch and other engines.
//   pam_bench --list [--json]                       parameters and multiply-accumulates of every module
//   pam_bench --nets unet fpa --tasks infer train   milliseconds, medians of repeats
//   pam_bench --nets fpa --peer ~/venv/bin/python   the same network in PyTorch, torch.compile, ONNX Runtime … beside it
//   pam_bench --nets fpa --json > old.jsonl; pam_bench --nets fpa --baseline old.jsonl   what has changed since
// Things that are compared are timed alternately, one round each, so that other load on the machine affects all of
// them. A wrong command line ends with exit code 2. Milliseconds depend on the machine: compare ratios.
#include "bench_machine.hpp"
#include "bench_report.hpp"
#include "bench_rivals.hpp"
#include "bench_step.hpp"

#include <pam/core/allocation.hpp>
#include <pam/core/nearest.hpp>
#include <pam/kernels/detail/cpu/simd.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <thread>

#include <unistd.h>

#ifndef PAM_BENCH_PEER
#define PAM_BENCH_PEER "benchmarks/peer.py"
#endif

namespace {

using namespace pam;
using bench::BenchSetting;
using bench::BenchStep;

struct Arguments {
  bool list = false, json = false, csv = false, markdown = false;
  std::vector<std::string> nets;
  std::vector<std::string> tasks{"infer", "train"}, devices, dtypes{"float32"}, layouts, backends{"fused"},
      convolutions;
  std::vector<std::int64_t> batches{4}, size{160, 160};
  bench::BenchShape shape;
  int threads = 0, repeats = 9;
  std::string baseline;
  bool peer = false, no_graphs = false, no_cudnn_benchmark = false, avx2 = false;
  std::string peer_python = "python3";
  std::vector<std::string> peer_modes;
  double peer_limit = 120;  ///< seconds
};

/// The entries that were asked for, or all. Throws for a name that nothing has.
std::vector<bench::BenchEntry> chosen(const std::vector<std::string>& names) {
  const auto all = bench::bench_entries();
  if (names.empty()) return all;
  std::vector<std::string> known;
  for (const auto& entry : all) known.push_back(entry.name);
  std::vector<bench::BenchEntry> list;
  for (const auto& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      fail("pam_bench: there is no module '{}'; did you mean {}?", name, joined(nearest_names(name, known, 3), ", "));
    }
    list.push_back(all[static_cast<std::size_t>(found - known.begin())]);
  }
  return list;
}

/// The work of one image's forward pass.
bench::Work work_of(const bench::BenchEntry& entry, const bench::BenchShape& shape) {
  torch::NoGradGuard no_grad;
  auto item = entry.make(shape);
  item.module->eval();
  auto dims = item.input;
  dims.insert(dims.begin(), 1);
  const auto x = torch::randn(dims);
  return bench::count_work([&] { item.run(x); });
}

void list_modules(const Arguments& arguments) {
  if (!arguments.json) {
    fmt::print("{:<32} {:<10} {:>12} {:>15}   counted at\n", "name", "kind", "parameters", "MACs");
  }
  for (const auto& entry : chosen(arguments.nets)) {
    auto item = entry.make(arguments.shape);
    std::int64_t parameters = 0;
    for (const auto& p : item.module->parameters()) parameters += p.numel();
    const auto macs = work_of(entry, arguments.shape).macs;
    if (arguments.json) {
      const nlohmann::json line{{"name", entry.name},
                                {"kind", entry.kind},
                                {"parameters", parameters},
                                {"macs", macs},
                                {"input", item.input}};
      std::cout << line.dump() << std::endl;
    } else {
      fmt::print("{:<32} {:<10} {:>12} {:>15}   {}\n", entry.name, entry.kind, parameters, macs,
                 joined(item.input, " x "));
      std::fflush(stdout);
    }
  }
}

/// A BenchStep with its times.
struct Contestant {
  explicit Contestant(std::unique_ptr<BenchStep> step_) : step(std::move(step_)) {}

  /// The first runs fill caches, choose algorithms and compile kernels; the next measures memory, and the last how many
  /// runs make a round of 20 ms.
  void warm_up() {
    const auto device = step->setting().device;
    for (int i = 0; i < 3; ++i) step->step();
    peak = bench::peak_growth(device, [&] { step->step(); });
    step->record();
    step->step();
    const double ms = bench::milliseconds(device, [&] { step->step(); });
    steps = std::clamp(static_cast<int>(std::ceil(20 / std::max(ms, 1e-3))), 1, 200);
  }

  void round() {
    const double ms = bench::milliseconds(step->setting().device, [&] {
      for (int i = 0; i < steps; ++i) step->step();
    });
    times.push_back(ms / steps);
  }

  std::unique_ptr<BenchStep> step;
  std::optional<std::int64_t> peak;
  int steps = 1;
  std::vector<double> times;
};

class Benchmark {
 public:
  Benchmark(const Arguments& arguments, const std::string& facts)
      : arguments_(arguments),
        report_(arguments.json       ? bench::Format::Json
                : arguments.csv      ? bench::Format::Csv
                : arguments.markdown ? bench::Format::Markdown
                                     : bench::Format::Table,
                facts) {
    if (!arguments.baseline.empty()) baseline_.emplace(arguments.baseline);
    if (!arguments.peer) return;
    const char* script = std::getenv("PAM_PEER");
    rivals_.emplace(arguments.peer_python, script != nullptr ? script : PAM_BENCH_PEER, peer_modes(),
                    torch::get_num_threads(), arguments.peer_limit);
  }

  void run() {
    std::vector<std::string> names = arguments_.nets;
    if (names.empty()) names = {"unet", "fpa", "rfna_section33"};
    const auto entries = chosen(names);  // a wrong name is refused before anything is printed
    if (!arguments_.json && !arguments_.csv && !arguments_.markdown) {
      fmt::print("{} x {} x {} (networks), {} threads, LibTorch {}; milliseconds, median of {}\n",
                 arguments_.shape.channels, arguments_.shape.height, arguments_.shape.width, torch::get_num_threads(),
                 TORCH_VERSION, arguments_.repeats);
    }
    for (const auto& entry : entries) {
      const auto work = work_of(entry, arguments_.shape);
      for (const auto& device : arguments_.devices) {
        for (const auto& dtype : arguments_.dtypes) {
          for (const auto batch : arguments_.batches) {
            for (const auto& task : arguments_.tasks) {
              measure(entry, work, setting(entry.name, device, dtype == "auto" ? "bfloat16" : dtype, batch, task),
                      dtype == "auto");
            }
          }
        }
      }
    }
    report_.finish();
  }

 private:
  /// Those asked for, or what the devices offer.
  [[nodiscard]] std::vector<std::string> peer_modes() const {
    if (!arguments_.peer_modes.empty()) return arguments_.peer_modes;
    const auto is_cuda = [](const auto& name) { return torch::Device(name).is_cuda(); };
    if (std::any_of(arguments_.devices.begin(), arguments_.devices.end(), is_cuda)) {
      return {"eager", "compile", "max-autotune-no-cudagraphs", "reduce-overhead"};
    }
    if (arguments_.avx2) return {"eager", "compile"};
    return {"eager", "compile", "openvino", "onnxruntime", "ncnn"};
  }

  static BenchSetting setting(const std::string& name, const std::string& device, const std::string& dtype,
                              std::int64_t batch, const std::string& task) {
    BenchSetting s;
    s.name = name, s.device = torch::Device(device), s.batch = batch, s.task = task;
    check(from_string(dtype, s.precision), "pam_bench: --dtype must be {}, got '{}'", option_names(s.precision), dtype);
    check_precision(s.precision, s.device);
    return s;
  }

  /// The reference's convolutions are always LibTorch's.
  [[nodiscard]] std::vector<kernels::Convolution> convolutions_of(kernels::Backend backend) const {
    if (backend == kernels::Backend::Reference) return {kernels::Convolution::Direct};
    std::vector<kernels::Convolution> chosen_ones;
    for (const auto choice :
         {kernels::Convolution::Direct, kernels::Convolution::Auto, kernels::Convolution::Winograd}) {
      const auto& names = arguments_.convolutions;
      if (std::find(names.begin(), names.end(), name_of(choice)) != names.end()) chosen_ones.push_back(choice);
    }
    return chosen_ones;
  }

  /// Every layout, backend and convolution of one measurement, and the peers, in turns. `both`: pam in float32 too.
  void measure(const bench::BenchEntry& entry, const bench::Work& work, BenchSetting setting, bool both) {
    std::vector<Contestant> contestants;
    auto layouts = arguments_.layouts;
    if (layouts.empty()) layouts = {"nhwc"};
    for (const auto& layout : layouts) {
      for (const auto& backend : arguments_.backends) {
        setting.channels_last = layout == "nhwc";
        setting.graphs = !arguments_.no_graphs && backend == "fused";
        setting.backend = backend == "fused" ? kernels::Backend::Fused : kernels::Backend::Reference;
        for (const auto convolution : convolutions_of(setting.backend)) {
          setting.convolution = convolution;
          contestants.emplace_back(std::make_unique<BenchStep>(entry, setting, arguments_.shape));
          if (!both) continue;
          auto wide = setting;
          wide.precision = Precision::Float32;
          contestants.emplace_back(std::make_unique<BenchStep>(entry, wide, arguments_.shape));
        }
      }
    }
    auto rivals = load_rivals(*contestants[0].step);
    for (auto& c : contestants) c.warm_up();
    for (int i = 0; i < arguments_.repeats; ++i) {
      for (auto& c : contestants) {
        pause_for(rivals, setting.device);
        c.round();
      }
      for (auto& rival : rivals) {
        pause_for(rivals, setting.device);
        rivals_->round(rival, contestants[0].steps);
      }
    }
    for (const auto& c : contestants) add_row(c, work, rivals, to_string(setting.precision));
  }

  /// On a CPU, waits until the threads of the process that had the turn before sleep: some OpenMP runtimes let them spin
  /// for 200 ms.
  static void pause_for(const std::vector<bench::Rival>& rivals, torch::Device device) {
    if (!rivals.empty() && device.is_cpu()) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }

  std::vector<bench::Rival> load_rivals(const BenchStep& step) {
    if (!rivals_ || step.net().is_null()) return {};
    const auto& s = step.setting();
    bench::PeerCase given;
    given.weights = state_dict(step.module());
    given.metadata = {{"pam.net", step.net().dump()},
                      {"pam.reversed", step.net().value("reversed", false) ? "true" : "false"}};
    given.input = step.images();
    given.expected = step.output();
    given.task = s.task;
    given.device = s.device.is_cuda() ? "cuda" : "cpu";
    given.dtype = to_string(s.precision);
    if (s.precision != Precision::Float32 || s.device.is_cuda()) given.bound = 0.1;  // PyTorch there: TensorFloat-32
    return rivals_->load(given);
  }

  void add_row(const Contestant& c, const bench::Work& work, const std::vector<bench::Rival>& rivals,
               const std::string& peer_dtype) {
    const auto& s = c.step->setting();
    const auto& input = c.step->input();
    const double ms = bench::quantile(c.times, 0.5), images = 1e3 * static_cast<double>(s.batch) / ms;
    // A training step runs each product three times: forward, for the input's gradient and for the weights'.
    const double passes = s.task == "train" ? 3 : 1;
    const auto& ceilings = ceilings_of(s);
    const double bytes = static_cast<double>(work.values) * (s.precision == Precision::Float32 ? 4 : 2);
    bench::Row row;
    row["name"] = s.name;
    row["task"] = s.task;
    row["device"] = s.device.str();
    row["dtype"] = to_string(s.precision);
    row["layout"] = s.channels_last ? "nhwc" : "nchw";
    row["backend"] = s.backend == kernels::Backend::Fused ? "fused" : "reference";
    row["batch"] = s.batch;
    row["ms"] = ms;
    row["p10"] = bench::quantile(c.times, 0.1);
    row["p90"] = bench::quantile(c.times, 0.9);
    row["images_per_s"] = images;
    row["parameters"] = c.step->parameters();
    row["macs"] = work.macs;
    row["peak_bytes"] = c.peak ? nlohmann::json(*c.peak) : nlohmann::json();
    row["matrix_share"] = passes * images * static_cast<double>(work.macs) / ceilings.macs_per_s;
    row["copy_share"] = passes * images * bytes / ceilings.copy_bytes_per_s;
    row["channels"] = input[0];
    row["size"] = {input[1], input[2]};
    // The fused backend too leaves other types, and GPUs, to LibTorch.
    row["convolution"] = s.precision == Precision::Float32 && s.device.is_cpu() ? name_of(s.convolution) : "direct";
    row["graphs"] = c.step->graphed();
    row["threads"] = torch::get_num_threads();
    row["repeats"] = c.times.size();
    row["libtorch"] = TORCH_VERSION;
    if (rivals_) {
      row["peer_dtype"] = peer_dtype;
      bench::add_rivals(row, rivals);
    }
    if (baseline_) baseline_->compare(row);
    report_.add(row);
  }

  const bench::Ceilings& ceilings_of(const BenchSetting& s) {
    const auto key = s.device.str() + " " + to_string(s.precision);
    const auto found = ceilings_.find(key);
    if (found != ceilings_.end()) return found->second;
    return ceilings_[key] = bench::measure_ceilings(s.device, scalar_type(s.precision));
  }

  const Arguments& arguments_;
  bench::Report report_;
  std::optional<bench::Baseline> baseline_;
  std::optional<bench::Rivals> rivals_;
  std::map<std::string, bench::Ceilings> ceilings_;
};

/// Starts this program again in an environment that holds LibTorch, on both sides, to AVX2: its libraries look at it when
/// they are loaded.
void hold_libraries_to_avx2(char** argv) {
  if (const auto* held = std::getenv("ATEN_CPU_CAPABILITY"); held != nullptr && std::string(held) == "avx2") return;
  for (const auto& [name, value] : {std::pair{"ATEN_CPU_CAPABILITY", "avx2"},
                                    {"ONEDNN_MAX_CPU_ISA", "AVX2"},
                                    {"MKL_ENABLE_INSTRUCTIONS", "AVX2"},
                                    {"OPENBLAS_CORETYPE", "Haswell"}}) {
    setenv(name, value, 1);
  }
  execv("/proc/self/exe", argv);
  fail("pam_bench: --avx2: this program cannot start itself again; set ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2");
}

int run(Arguments& arguments, int argc, char** argv) {
  check(static_cast<int>(arguments.json) + arguments.csv + arguments.markdown <= 1,
        "pam_bench: --json, --csv and --markdown exclude each other");
  if (arguments.avx2) {
    for (const auto& mode : arguments.peer_modes) {
      check(!bench::Rivals::is_engine(mode),
            "pam_bench: --avx2: {} cannot be held to AVX2; compare with --peer-modes eager compile", mode);
    }
    hold_libraries_to_avx2(argv);
    kernels::cpu::isa() = std::min(kernels::cpu::isa().load(), kernels::cpu::Isa::Avx2);
  }
  keep_freed_memory();
  // LibTorch takes half of the processors where they are threads of one core.
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  torch::set_num_threads(arguments.threads > 0 ? arguments.threads : cores);
  arguments.shape.height = arguments.size[0], arguments.shape.width = arguments.size[1];
  if (arguments.list) {
    list_modules(arguments);
    return 0;
  }
  if (arguments.convolutions.empty()) arguments.convolutions = {name_of(kernels::default_convolution())};
  at::globalContext().setBenchmarkCuDNN(!arguments.no_cudnn_benchmark);  // as the rival's torch.backends.cudnn.benchmark
  if (arguments.devices.empty()) arguments.devices = {torch::cuda::is_available() ? "cuda" : "cpu"};
  for (const auto& name : arguments.devices) {
    check(!torch::Device(name).is_cuda() || torch::cuda::is_available(),
          "pam_bench: --device {}: this LibTorch sees no CUDA device", name);
  }
  Benchmark(arguments, bench::measurement_facts(argc, argv, std::filesystem::path(PAM_BENCH_PEER).parent_path())).run();
  return 0;
}

void add_options(CLI::App& app, Arguments& a) {
  app.add_flag(
      "--list", a.list,
      "parameters and multiply-accumulates of one image: networks at 4 x 160 x 160 by default, blocks from 64 to 128 "
      "channels, stride 2, at 80 x 80, attentions with 128 channels at 40 x 40");
  app.add_flag("--json", a.json, "one JSON object per line");
  app.add_flag("--csv", a.csv, "comma-separated values");
  app.add_flag("--markdown", a.markdown, "one table per task, with command, machine, versions and commit");
  app.add_option("--nets,names", a.nets,
                 "modules by name, as --list shows them (default: unet fpa rfna_section33; for --list: all)");
  app.add_option("--tasks", a.tasks, "infer, train or both")->check(CLI::IsMember({"infer", "train"}));
  app.add_option("--device", a.devices, "cpu, cuda, cuda:1 … (default: CUDA if there is a GPU)");
  app.add_option("--dtype", a.dtypes,
                 "float32, bfloat16, float16, or auto: pam in bfloat16 and in float32, both against bfloat16 rivals")
      ->transform(CLI::Transformer(std::map<std::string, std::string>{
          {"fp32", "float32"}, {"bf16", "bfloat16"}, {"fp16", "float16"}, {"half", "float16"}}));
  app.add_option("--layout", a.layouts, "nhwc (channels last, the default), nchw or both")
      ->check(CLI::IsMember({"nchw", "nhwc"}));
  app.add_option("--backend", a.backends, "fused, reference or both")->check(CLI::IsMember({"fused", "reference"}));
  app.add_option("--convolution", a.convolutions,
                 "3x3 convolutions of the fused backend on a CPU: direct (LibTorch's), auto (Winograd's where that is "
                 "faster), winograd (wherever possible), or several (default: PAM_CONVOLUTION, else auto)")
      ->check(CLI::IsMember({"direct", "auto", "winograd"}));
  app.add_option("--batch", a.batches, "images at once")->check(CLI::Range(1, 4096));
  app.add_option("--channels", a.shape.channels, "input channels of networks")->check(CLI::Range(1, 4096));
  app.add_option("--size", a.size, "height and width of networks' inputs")->expected(2)->check(CLI::Range(1, 65536));
  app.add_option("--classes", a.shape.classes, "output channels; 1 is binary")->check(CLI::Range(1, 4096));
  app.add_option("--width", a.shape.net_width, "channels of level 0, instead of the network's own")
      ->check(CLI::Range(1, 4096));
  app.add_option("--repeats", a.repeats, "rounds; the median is reported")->check(CLI::Range(1, 10000));
  app.add_option("--threads", a.threads, "CPU threads; 0: one per core")->check(CLI::Range(0, 1024));
  app.add_flag("--no-graphs", a.no_graphs, "no CUDA graphs; otherwise the fused backend replays one on a GPU");
  app.add_flag("--no-cudnn-benchmark", a.no_cudnn_benchmark,
               "cuDNN guesses its algorithms instead of measuring them; with --no-graphs, since graphs measure")
      ->needs("--no-graphs");
  app.add_option("--baseline", a.baseline, "JSON lines of an earlier run: adds its milliseconds and the speed-up");
  app.add_flag("--avx2", a.avx2, "no AVX-512, neither in pam's kernels nor in LibTorch's and PyTorch's");
  const auto* peer = app.add_option("--peer", a.peer_python,
                                    "this Python (default: python3) runs the same networks, with the same weights, in "
                                    "PyTorch and other engines; their outputs are compared with pam's, each is timed "
                                    "alternately with pam, and the ratio is to the fastest")
                         ->expected(0, 1);
  app.add_option("--peer-modes", a.peer_modes,
                 "eager, compile or another mode of torch.compile (the fastest of its layouts, or one: \"compile nhwc\"), "
                 "openvino, onnxruntime, ncnn (default: all of these; on CUDA eager compile "
                 "max-autotune-no-cudagraphs reduce-overhead). The engines only infer.");
  app.add_option("--peer-limit", a.peer_limit,
                 "seconds that a layout of a peer's mode may take to compile its network and to be tried (default 120)")
      ->check(CLI::Range(1.0, 1e5));
  app.parse_complete_callback([&a, peer] { a.peer = peer->count() > 0; });
}

}  // namespace

int main(int argc, char** argv) {
  setenv("KMP_BLOCKTIME", "0", 0);  // clang's OpenMP threads spin for 200 ms otherwise, in the peer's turn
  Arguments arguments;
  CLI::App app("How large pam's modules are, how long they take, and how long the same takes in Python.");
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
    return run(arguments, argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const c10::Error& error) {
    std::cerr << "pam_bench: " << error.what_without_backtrace() << "\n";
    return 2;
  } catch (const pam::Error& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}

// SPDX-License-Identifier: MIT
// pam_bench: the size and speed of pam's modules, and the speed of the same networks in Python.
//   pam_bench --list [--json]                       parameters and multiply-accumulates of every module
//   pam_bench --nets unet fpa --tasks infer train   milliseconds, medians of repeats
//   pam_bench --nets fpa --peer ~/venv/bin/python   the same in Python beside it, in its fastest mode and layout
//   pam_bench --nets fpa --json > old.jsonl; pam_bench --nets fpa --baseline old.jsonl   what has changed since
// Things that are compared are timed alternately, one round each, so that other load on the machine affects all of
// them. A wrong command line ends with exit code 2. Milliseconds depend on the machine: compare ratios.
#include "bench_peer.hpp"
#include "bench_report.hpp"
#include "bench_step.hpp"

#include <pam/core/allocation.hpp>
#include <pam/core/nearest.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <thread>

#ifndef PAM_BENCH_PEER
#define PAM_BENCH_PEER "benchmarks/torch_peer.py"
#endif

namespace {

using namespace pam;
using bench::BenchSetting;
using bench::BenchStep;

struct Arguments {
  bool list = false, json = false, csv = false;
  std::vector<std::string> nets;
  std::vector<std::string> tasks{"infer", "train"}, devices, dtypes{"float32"}, layouts, backends{"fused"},
      convolutions;
  std::vector<std::int64_t> batches{4}, size{160, 160};
  bench::BenchShape shape;
  int threads = 0, repeats = 9;
  std::string baseline;
  bool peer = false, no_graphs = false;
  std::string peer_python = "python3";
  std::vector<std::string> peer_modes;
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
  explicit Benchmark(const Arguments& arguments)
      : arguments_(arguments),
        report_(arguments.json  ? bench::Format::Json
                : arguments.csv ? bench::Format::Csv
                                : bench::Format::Table) {
    if (!arguments.baseline.empty()) baseline_.emplace(arguments.baseline);
    if (arguments.peer) {
      const char* script = std::getenv("PAM_TORCH_PEER");
      peer_ = std::make_unique<bench::Peer>(arguments.peer_python, script != nullptr ? script : PAM_BENCH_PEER,
                                            torch::get_num_threads());
    }
  }

  void run() {
    std::vector<std::string> names = arguments_.nets;
    if (names.empty()) names = {"unet", "fpa", "rfna_section33"};
    const auto entries = chosen(names);  // a wrong name is refused before anything is printed
    if (!arguments_.json && !arguments_.csv) {
      fmt::print("{} x {} x {} (networks), {} threads, LibTorch {}{}; milliseconds, median of {}\n",
                 arguments_.shape.channels, arguments_.shape.height, arguments_.shape.width, torch::get_num_threads(),
                 TORCH_VERSION,
                 peer_ ? ", peer: Python's torch " + peer_->version() + ", torch.compile for " + peer_->isa() : "",
                 arguments_.repeats);
    }
    for (const auto& entry : entries) {
      const auto work = work_of(entry, arguments_.shape);
      for (const auto& device : arguments_.devices) {
        for (const auto& dtype : arguments_.dtypes) {
          for (const auto batch : arguments_.batches) {
            for (const auto& task : arguments_.tasks)
              measure(entry, work, setting(entry.name, device, dtype, batch, task));
          }
        }
      }
    }
  }

 private:
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

  /// Every layout, backend and convolution of one measurement, and the peer, in turns.
  void measure(const bench::BenchEntry& entry, const bench::Work& work, BenchSetting setting) {
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
        }
      }
    }
    const auto peer = load_peer(contestants[0]);
    for (auto& c : contestants) c.warm_up();
    std::vector<double> peer_times;
    const int peer_steps = contestants[0].steps;
    for (int i = 0; i < arguments_.repeats; ++i) {
      for (auto& c : contestants) c.round();
      if (peer.is_string())
        peer_times.push_back(peer_->ask({{"op", "run"}, {"steps", peer_steps}}).at("ms").get<double>());
    }
    for (const auto& c : contestants) add_row(c, work, peer, peer_times);
  }

  /// The peer's fastest mode, or null where there is none.
  nlohmann::json load_peer(const Contestant& like) {
    if (!peer_ || like.step->net().is_null()) return nullptr;
    const auto& s = like.step->setting();
    auto modes = arguments_.peer_modes;
    if (modes.empty()) {
      modes = {"eager", "compile"};
      if (s.device.is_cuda()) modes.insert(modes.end(), {"max-autotune-no-cudagraphs", "reduce-overhead"});
    }
    const auto answer = peer_->ask({{"op", "load"},
                                    {"net", like.step->net()},
                                    {"task", s.task},
                                    {"device", s.device.is_cuda() ? "cuda" : "cpu"},
                                    {"dtype", to_string(s.precision)},
                                    {"batch", s.batch},
                                    {"size", arguments_.size},
                                    {"modes", modes},
                                    {"repeats", 5}});
    for (const auto& [mode, took] : answer.at("ms").items()) {
      if (took.is_string()) {
        std::cerr << "peer: " << s.name << " " << s.task << ", " << mode << ": " << took.get<std::string>() << "\n";
      }
    }
    peer_modes_ = answer.at("ms");
    return answer.at("mode");
  }

  void add_row(const Contestant& c, const bench::Work& work, const nlohmann::json& peer,
               const std::vector<double>& peer_times) {
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
    if (peer_) {
      for (const auto* field : {"peer_ms", "peer_mode", "ratio"}) row[field] = nullptr;
      row["peer_torch"] = peer_->version();
      row["peer_isa"] = peer_->isa();
      if (!peer_times.empty()) {
        const double peer_ms = bench::quantile(peer_times, 0.5);
        row["peer_ms"] = peer_ms;
        row["peer_mode"] = peer;
        row["ratio"] = peer_ms / ms;
        row["peer_tried"] = peer_modes_;
      }
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
  std::unique_ptr<bench::Peer> peer_;
  nlohmann::json peer_modes_;
  std::map<std::string, bench::Ceilings> ceilings_;
};

int run(Arguments& arguments) {
  check(!(arguments.json && arguments.csv), "pam_bench: --json and --csv exclude each other");
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
  at::globalContext().setBenchmarkCuDNN(true);  // as the rival's torch.backends.cudnn.benchmark
  if (arguments.devices.empty()) arguments.devices = {torch::cuda::is_available() ? "cuda" : "cpu"};
  for (const auto& name : arguments.devices) {
    check(!torch::Device(name).is_cuda() || torch::cuda::is_available(),
          "pam_bench: --device {}: this LibTorch sees no CUDA device", name);
  }
  Benchmark(arguments).run();
  return 0;
}

void add_options(CLI::App& app, Arguments& a) {
  app.add_flag(
      "--list", a.list,
      "parameters and multiply-accumulates of one image: networks at 4 x 160 x 160 by default, blocks from 64 to 128 "
      "channels, stride 2, at 80 x 80, attentions with 128 channels at 40 x 40");
  app.add_flag("--json", a.json, "one JSON object per line");
  app.add_flag("--csv", a.csv, "comma-separated values");
  app.add_option("--nets,names", a.nets,
                 "modules by name, as --list shows them (default: unet fpa rfna_section33; for --list: all)");
  app.add_option("--tasks", a.tasks, "infer, train or both")->check(CLI::IsMember({"infer", "train"}));
  app.add_option("--device", a.devices, "cpu, cuda, cuda:1 … (default: CUDA if there is a GPU)");
  app.add_option("--dtype", a.dtypes, "float32, bfloat16, float16")
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
  app.add_option("--baseline", a.baseline, "JSON lines of an earlier run: adds its milliseconds and the speed-up");
  const auto* peer = app.add_option("--peer", a.peer_python,
                                    "this Python (default: python3) runs the same networks, eager and under "
                                    "torch.compile, in both layouts; the fastest is timed alternately with pam")
                         ->expected(0, 1);
  app.add_option("--peer-modes", a.peer_modes,
                 "eager, compile, or a mode of torch.compile (default: eager compile; on CUDA also "
                 "max-autotune-no-cudagraphs reduce-overhead)");
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
    return run(arguments);
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

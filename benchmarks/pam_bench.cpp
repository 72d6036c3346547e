// SPDX-License-Identifier: MIT
// pam_bench: how large pam's modules are and how long they take.
//   pam_bench --list [--json] [NAME...]                   parameters and multiply-accumulates of every network and
//   block pam_bench --time [--json] [--tasks infer train] NET... milliseconds, the median of repeats
// Exit code 2 where the command line is wrong. Figures of one machine do not carry over to another: compare ratios.
#include "bench_modules.hpp"
#include "bench_timing.hpp"
#include "mac_counter.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace {

using namespace pam;

struct Arguments {
  bool list = false, time = false, json = false, reference = false;
  std::vector<std::string> names;
  std::vector<std::string> tasks{"infer", "train"};
  std::vector<std::int64_t> size{160, 160};
  std::string device = "cpu";
  int threads = 0;
  std::int64_t classes = 1, net_width = 0;
  bench::TimingOptions timing;
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
      fail("pam_bench: there is no module '{}'; did you mean {}?", name,
           fmt::join(nearest_names(name, known, 3), ", "));
    }
    list.push_back(all[static_cast<std::size_t>(found - known.begin())]);
  }
  return list;
}

void list_modules(const Arguments& arguments) {
  if (!arguments.json) {
    fmt::print("{:<32} {:<10} {:>12} {:>15}   counted at\n", "name", "kind", "parameters", "MACs");
  }
  torch::NoGradGuard no_grad;
  for (const auto& entry : chosen(arguments.names)) {
    auto item = entry.make();
    item.module->eval();
    std::int64_t parameters = 0;
    for (const auto& p : item.module->parameters()) parameters += p.numel();
    const auto x = torch::zeros(item.input);
    const auto macs = bench::count_macs([&] { item.run(x); });
    if (arguments.json) {
      const nlohmann::json line{{"name", entry.name},
                                {"kind", entry.kind},
                                {"parameters", parameters},
                                {"macs", macs},
                                {"input", item.input}};
      std::cout << line.dump() << std::endl;
    } else {
      fmt::print("{:<32} {:<10} {:>12} {:>15}   {}\n", entry.name, entry.kind, parameters, macs,
                 fmt::join(item.input, " x "));
      std::fflush(stdout);
    }
  }
}

void time_networks(const Arguments& arguments) {
  const auto& t = arguments.timing;
  if (!arguments.json) {
    fmt::print("{} x {} x {} x {}, {}, {} threads, LibTorch {}, {} kernels{}; milliseconds, median of {}\n", t.batch,
               t.in_channels, t.height, t.width, arguments.device, torch::get_num_threads(), TORCH_VERSION,
               arguments.reference ? "reference" : "fused", t.channels_last ? ", channels last" : "", t.repeats);
    fmt::print("{:<20} {:<6} {:>10} {:>10} {:>10} {:>12}\n", "net", "task", "median", "fastest", "slowest", "images/s");
  }
  for (const auto& name : arguments.names) {
    for (const auto& task : arguments.tasks) {
      torch::manual_seed(0);
      NetworkSpec spec{name, t.in_channels, arguments.classes};
      if (arguments.net_width > 0) spec.width = arguments.net_width;
      const auto ms = bench::time_network(build_network(spec), task, t);
      if (arguments.json) {
        const nlohmann::json line{{"net", name},
                                  {"task", task},
                                  {"ms", ms.median},
                                  {"fastest_ms", ms.fastest},
                                  {"slowest_ms", ms.slowest},
                                  {"batch", t.batch},
                                  {"size", {t.height, t.width}},
                                  {"channels_last", t.channels_last},
                                  {"device", arguments.device},
                                  {"threads", torch::get_num_threads()},
                                  {"kernels", arguments.reference ? "reference" : "fused"},
                                  {"libtorch", TORCH_VERSION},
                                  {"repeats", t.repeats}};
        std::cout << line.dump() << std::endl;
      } else {
        fmt::print("{:<20} {:<6} {:>10.2f} {:>10.2f} {:>10.2f} {:>12.2f}\n", name, task, ms.median, ms.fastest,
                   ms.slowest, 1e3 * static_cast<double>(t.batch) / ms.median);
        std::fflush(stdout);
      }
    }
  }
}

int run(Arguments& arguments) {
  check(arguments.list != arguments.time, "pam_bench: say --list or --time; --help explains both");
#if defined(__GLIBC__)
  // Large blocks stay with the process: unmapped activations cost a page fault for each page at their next use.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  mallopt(M_TOP_PAD, 256 << 20);
#endif
  if (arguments.threads > 0) torch::set_num_threads(arguments.threads);
  if (arguments.list) {
    list_modules(arguments);
    return 0;
  }
  check(!arguments.names.empty(), "pam_bench: --time needs the names of networks; --list shows them");
  arguments.timing.device = torch::Device(arguments.device);
  arguments.timing.height = arguments.size[0], arguments.timing.width = arguments.size[1];
  if (arguments.reference) kernels::set_default_backend(kernels::Backend::Reference);
  time_networks(arguments);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("How large pam's modules are and how long they take.");
  app.add_flag("--list", arguments.list,
               "parameters and multiply-accumulates: nets at 1 x 4 x 160 x 160, blocks at 64 to 128 "
               "channels, stride 2, 80 x 80, attentions at 128 channels, 40 x 40");
  app.add_flag("--time", arguments.time, "milliseconds of the networks that are named");
  app.add_flag("--json", arguments.json, "one JSON object a line");
  app.add_option("names", arguments.names, "modules to list (all where none is named), or networks to time");
  app.add_option("--tasks", arguments.tasks, "infer, train or both")->check(CLI::IsMember({"infer", "train"}));
  app.add_option("--batch", arguments.timing.batch, "images at once")->check(CLI::Range(1, 4096));
  app.add_option("--channels", arguments.timing.in_channels, "input channels")->check(CLI::Range(1, 4096));
  app.add_option("--size", arguments.size, "height and width")->expected(2)->check(CLI::Range(1, 65536));
  app.add_option("--classes", arguments.classes, "output channels; 1 is binary")->check(CLI::Range(1, 4096));
  app.add_option("--width", arguments.net_width, "channels of level 0, instead of the network's own")
      ->check(CLI::Range(1, 4096));
  app.add_option("--repeats", arguments.timing.repeats, "timed runs, of which the median counts")
      ->check(CLI::Range(1, 10000));
  app.add_option("--threads", arguments.threads, "CPU threads; 0: LibTorch's own choice")->check(CLI::Range(0, 1024));
  app.add_option("--device", arguments.device, "cpu, cuda, cuda:1 …");
  app.add_flag("--channels-last", arguments.timing.channels_last, "the input in channels-last layout");
  app.add_flag("--reference", arguments.reference, "pam's reference expressions instead of its fused kernels");
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

// SPDX-License-Identifier: MIT
/// pam_bench's rivals in one measurement: in every mode of the peers (bench_peer.hpp) the fastest variant whose output is
/// pam's, or why there is none.
#pragma once

#include "bench_device.hpp"
#include "bench_peer.hpp"
#include "bench_report.hpp"

#include <pam/weights/safetensors.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace pam::bench {

/// A mode of the peers in one measurement.
struct Rival {
  std::string asked;    ///< as --peer-modes names it: "eager", "openvino", "compile nhwc" …
  std::string variant;  ///< the fastest of a mode of PyTorch, such as "nhwc"; empty for engines
  std::string version;
  std::string failed;         ///< why there is no time; empty where there is one
  double difference = 0;      ///< of its output from pam's: the largest, over pam's largest output
  std::vector<double> times;  ///< milliseconds of each round
  Peer* peer = nullptr;

  [[nodiscard]] std::string name() const {
    return variant.empty() || asked.find(' ') != std::string::npos ? asked : asked + " " + variant;
  }
  [[nodiscard]] double ms() const { return quantile(times, 0.5); }
};

/// The fastest of those that did not fail; null where all did.
inline const Rival* fastest(const std::vector<Rival>& rivals) {
  const Rival* best = nullptr;
  for (const auto& rival : rivals) {
    if (rival.failed.empty() && !rival.times.empty() && (best == nullptr || rival.ms() < best->ms())) best = &rival;
  }
  return best;
}

/// Adds to a row with pam's "ms": every rival, the fastest one, and how many times as fast as that pam is.
inline void add_rivals(Row& row, const std::vector<Rival>& rivals) {
  for (const auto* field : {"peer_ms", "peer_mode", "ratio"}) row[field] = nullptr;
  if (const auto* best = fastest(rivals)) {
    row["peer_ms"] = best->ms();
    row["peer_mode"] = best->name();
    row["ratio"] = best->ms() / row["ms"].get<double>();
  }
  row["rivals"] = Row::object();
  for (const auto& rival : rivals) {
    auto& entry = row["rivals"][rival.asked] = {{"version", rival.version}};
    if (!rival.failed.empty()) {
      entry["failed"] = rival.failed;
      continue;
    }
    entry["variant"] = rival.variant;
    entry["ms"] = rival.ms();
    entry["p10"] = quantile(rival.times, 0.1);
    entry["p90"] = quantile(rival.times, 0.9);
    entry["difference"] = rival.difference;
  }
}

/// The largest difference of `output` from `expected`, over the largest entry of `expected`. NaN where one has NaN. Throws
/// `Error` where the shapes differ.
inline double output_difference(const torch::Tensor& output, const torch::Tensor& expected) {
  check(output.defined() && output.sizes() == expected.sizes(), "has shape {}, pam's {}", shape_string(output),
        shape_string(expected));
  return ((output - expected).abs().max() / expected.abs().max()).item<double>();
}

/// What pam computes, for the peers to compute too.
struct PeerCase {
  StateDict weights;
  Metadata metadata;             ///< of the weights: "pam.net"
  torch::Tensor input;           ///< (batch, channels, height, width)
  torch::Tensor expected;        ///< pam's output
  std::string task, device, dtype;
  /// The largest difference of a right output. Rounding alone differs: by about 1e-5 of the largest output in float32
  /// (1e-4 is pam's own bound for whole networks), and by some percent with the 8 significant bits of bfloat16; a network
  /// with another weight, norm or order of channels differs by tens of percent.
  double bound = 1e-3;

  /// The variants of a mode of PyTorch: both layouts and, where that differs from autocast, weights of the narrow type.
  [[nodiscard]] std::vector<std::string> variants() const {
    if (dtype == "float32" || task == "train") return {"nchw", "nhwc"};
    return {"nchw", "nhwc", "nchw cast", "nhwc cast"};
  }
};

/// A folder of files for the peers, removed in the end.
class PeerFolder {
 public:
  PeerFolder() {
    auto name = (std::filesystem::temp_directory_path() / "pam_bench.XXXXXX").string();
    check(mkdtemp(name.data()) != nullptr, "pam_bench: cannot make the folder {} for the peers' files", name);
    path_ = name;
  }
  PeerFolder(const PeerFolder&) = delete;
  PeerFolder& operator=(const PeerFolder&) = delete;
  ~PeerFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// The peers, each of which lives as long as this.
class Rivals {
 public:
  /// `modes`: names of modes, or of one variant of a mode such as "compile nhwc". Each variant may take `limit` seconds to
  /// compile its network and to be tried. Throws `Error` where there is no `script`.
  Rivals(const std::string& python, const std::string& script, const std::vector<std::string>& modes, int threads,
         double limit)
      : limit_(limit) {
    for (const auto& name : modes) {
      modes_.push_back({name, std::make_unique<Peer>(python, script, name.substr(0, name.find(' ')), threads)});
    }
  }

  /// Loads `given` in every mode that knows its task, and checks the outputs.
  std::vector<Rival> load(const PeerCase& given) {
    const auto weights = folder_ / fmt::format("net{}.safetensors", ++cases_), input = folder_ / "input.safetensors";
    write_safetensors(weights, given.weights, given.metadata);
    write_safetensors(input, {{"x", given.input}});
    request_ = {{"op", "load"},         {"weights", weights.string()}, {"input", input.string()},
                {"task", given.task},   {"device", given.device},      {"dtype", given.dtype},
                {"output", output_of()}, {"repeats", 3}};
    std::vector<Rival> rivals;
    for (const auto& mode : modes_) {
      if (!is_engine(mode.peer->mode()) || given.task == "infer") rivals.push_back(best_of(mode, given));
    }
    return rivals;
  }

  /// One round of `rival`: the mean of `steps` steps. A failure is noted in it.
  void round(Rival& rival, int steps) const {
    if (!rival.failed.empty()) return;
    if (const auto ms = asked(rival, {{"op", "run"}, {"variant", rival.variant}, {"steps", steps}})) {
      rival.times.push_back(*ms);
    }
  }

  /// Engines only compute outputs; all other modes are of PyTorch, and train too.
  static bool is_engine(const std::string& mode) {
    return mode == "onnxruntime" || mode == "openvino" || mode == "ncnn";
  }

 private:
  struct Mode {
    std::string asked;
    std::unique_ptr<Peer> peer;
  };

  [[nodiscard]] std::string output_of() const { return (folder_ / "output.safetensors").string(); }

  Rival best_of(const Mode& mode, const PeerCase& given) const {
    Rival best;
    best.asked = mode.asked;
    best.peer = mode.peer.get();
    std::optional<double> least;
    int starts = 0;
    for (const auto& variant : variants_of(mode, given)) {
      auto tried = best;
      tried.failed.clear();
      tried.variant = variant;
      const auto ms = loaded(tried, given);
      if (!ms) {
        std::cerr << fmt::format("peer: {}, {}: {}\n", given.task, tried.name(), tried.failed);
        if (!least) best.failed = tried.failed;
      } else if (!least || *ms < *least) {
        least = ms, best = tried;
        starts = mode.peer->starts();
      }
    }
    // A variant that took too long ended the process, and with it what was loaded before.
    if (least && starts != mode.peer->starts()) static_cast<void>(loaded(best, given));
    best.version = mode.peer->version();
    return best;
  }

  static std::vector<std::string> variants_of(const Mode& mode, const PeerCase& given) {
    const auto space = mode.asked.find(' ');
    if (space != std::string::npos) return {mode.asked.substr(space + 1)};
    return is_engine(mode.asked) ? std::vector<std::string>{""} : given.variants();
  }

  /// The milliseconds of a step of `rival`'s variant, or nothing and the reason in it.
  std::optional<double> loaded(Rival& rival, const PeerCase& given) const {
    std::filesystem::remove(output_of());
    auto request = request_;
    request["variant"] = rival.variant;
    const auto ms = asked(rival, request);
    if (!ms) return std::nullopt;
    try {
      rival.difference = output_difference(find_tensor(read_safetensors(output_of()).tensors, "y"), given.expected);
      check(rival.difference <= given.bound, "differs from pam's by {:.2g} of its largest value",
            std::abs(rival.difference));  // a NaN has a sign
    } catch (const Error& error) {
      rival.failed = std::string("wrong output: ") + error.what();
      return std::nullopt;
    }
    return ms;
  }

  /// The "ms" of the answer, or nothing and the reason in `rival`.
  std::optional<double> asked(Rival& rival, const nlohmann::json& request) const {
    const auto answer = rival.peer->ask(request, limit_);
    const auto ms = answer.find("ms");
    if (ms != answer.end() && ms->is_number()) return ms->get<double>();
    rival.failed = answer.value("failed", "answered without a time");
    return std::nullopt;
  }

  double limit_;
  PeerFolder folder_;
  int cases_ = 0;
  nlohmann::json request_;
  std::vector<Mode> modes_;
};

}  // namespace pam::bench

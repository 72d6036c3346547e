// SPDX-License-Identifier: MIT
/// What a reader of a measurement must know: the command, the machine, the versions and the commit.
#pragma once

#include <pam/core/torch.hpp>
#include <pam/kernels/conv3x3.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace pam::bench {

/// The value behind "key : value" in /proc/cpuinfo; empty where there is none.
inline std::string cpu_info(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(": ");
    if (colon != std::string::npos && line.rfind(key, 0) == 0) return line.substr(colon + 2);
  }
  return "";
}

/// What `command` prints, without the end of the line; empty where it fails.
inline std::string printed_by(const std::string& command) {
  std::string text;
  if (auto* pipe = popen((command + " 2>/dev/null").c_str(), "r")) {
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
    pclose(pipe);
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

/// The command and one paragraph, as Markdown. `sources`: a folder of pam's checkout, whose commit is named.
inline std::string measurement_facts(int argc, char** argv, const std::filesystem::path& sources) {
  std::string command = "pam_bench";
  for (const auto* variable : {"ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "PAM_CONVOLUTION"}) {
    if (const auto* value = std::getenv(variable)) command = fmt::format("{}={} ", variable, value) + command;
  }
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    const auto* home = std::getenv("HOME");
    if (home != nullptr && word.rfind(std::string(home) + "/", 0) == 0) word = "~" + word.substr(std::string(home).size());
    command += word.find(' ') == std::string::npos ? " " + word : " \"" + word + "\"";
  }
  std::string vectors;
  std::istringstream flags(cpu_info("flags"));
  for (std::string flag; flags >> flag;) {
    for (const auto* known : {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}) {
      if (flag == known) vectors += ", " + flag;
    }
  }
  auto cpu = cpu_info("model name");
  if (cpu.empty()) cpu = "unknown processor";
  double load = 0;
  static_cast<void>(getloadavg(&load, 1));
  const auto now = std::time(nullptr);
  std::tm day{};
  gmtime_r(&now, &day);
  char date[16];
  std::strftime(date, sizeof date, "%Y-%m-%d", &day);
  auto commit = printed_by(fmt::format("git -C '{}' describe --always --dirty --abbrev=7", sources.string()));
  if (commit.empty()) commit = "unknown";
#if defined(__clang__)
  const std::string compiler = fmt::format("clang {}", __clang_major__);
#else
  const std::string compiler = fmt::format("g++ {}", __GNUC__);
#endif
  return fmt::format(
      "```sh\n{}\n```\n\n{}, {} cores ({}), {} threads, load {:.1f} at the start, {}; pam at commit {}, LibTorch {}, {}, "
      "convolution {}.",
      command, cpu, std::thread::hardware_concurrency(), vectors.empty() ? "no vectors known" : vectors.substr(2),
      torch::get_num_threads(), load, date, commit, TORCH_VERSION, compiler, kernels::convolution_in_use());
}

}  // namespace pam::bench

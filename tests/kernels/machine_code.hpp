// SPDX-License-Identifier: MIT
/// The machine code that the CUDA kernels become: registers and spills as the compiler reports them, and the
/// instructions of the inner loops as NVIDIA's disassembler shows them.
#pragma once

#include <pam/core/error.hpp>
#include <pam/kernels/detail/cuda/launcher.hpp>
#include <pam/kernels/detail/cuda/nvrtc.hpp>

#include "support/files.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

namespace pam::test {

struct KernelCode {
  int registers = 0, spilled = 0;         ///< spilled: bytes of registers stored to memory and of stack frame
  std::vector<std::string> instructions;  ///< in order; labels end in ':'
};

/// NVIDIA's nvdisasm: $PAM_NVDISASM, the search path's, or the CUDA toolkit's (`pip install nvidia-cuda-nvdisasm` has
/// it, too); empty where there is none.
inline std::string disassembler() {
  std::vector<std::string> candidates{"nvdisasm", "/usr/local/cuda/bin/nvdisasm"};
  if (const char* named = std::getenv("PAM_NVDISASM")) candidates.insert(candidates.begin(), named);
  for (const auto& candidate : candidates) {
    if (std::system((candidate + " --version >/dev/null 2>&1").c_str()) == 0) return candidate;
  }
  return {};
}

/// All kernels of a build, by name: what the compiler says (`log` of --ptxas-options=-v) and, with a disassembler,
/// their instructions.
inline std::map<std::string, KernelCode> kernel_codes(const kernels::cuda::Compiled& compiled,
                                                      const std::string& nvdisasm) {
  std::map<std::string, KernelCode> result;
  const std::regex report(
      "entry function '(\\w+)'[^\\n]*\\n[^\\n]*\\n\\D*(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) "
      "bytes "
      "spill loads[^\\n]*\\n[^\\n]*Used (\\d+) registers");
  for (std::sregex_iterator at(compiled.log.begin(), compiled.log.end(), report), end; at != end; ++at) {
    auto& code = result[(*at)[1]];
    code.spilled = std::stoi((*at)[2]) + std::stoi((*at)[3]) + std::stoi((*at)[4]);
    code.registers = std::stoi((*at)[5]);
  }
  if (nvdisasm.empty()) return result;
  const TempDir folder;
  const auto cubin = folder.path() / "kernels.cubin", text = folder.path() / "kernels.sass";
  std::ofstream(cubin, std::ios::binary) << compiled.code;
  check(std::system((nvdisasm + " " + cubin.string() + " > " + text.string()).c_str()) == 0, "{} failed", nvdisasm);
  std::ifstream lines(text);
  KernelCode* current = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(".text.", 0) == 0) {
      current = &result[line.substr(6, line.size() - 7)];
    } else if (line.rfind("\t.section", 0) == 0) {
      current = nullptr;
    } else if (current != nullptr && line.rfind(".L_", 0) == 0) {
      current->instructions.push_back(line);
    } else if (const auto at = line.find("*/"); current != nullptr && at != std::string::npos) {
      current->instructions.push_back(line.substr(at + 2));
    }
  }
  return result;
}

/// The instructions between a label and a branch back to it.
struct Loop {
  std::size_t first, last;
  std::vector<std::string> body;
  bool innermost = true;  ///< contains no other loop
  /// How many instructions begin with `name` ("STG", "LDS"), behind a predicate or not.
  [[nodiscard]] int count(const std::string& name) const {
    const std::regex starts("^\\s*(@!?U?P\\w+\\s+)?" + name + "\\b");
    return static_cast<int>(
        std::count_if(body.begin(), body.end(), [&](const auto& line) { return std::regex_search(line, starts); }));
  }
  [[nodiscard]] int size() const { return static_cast<int>(body.size()); }
};

inline std::vector<Loop> loops_of(const KernelCode& code) {
  std::map<std::string, std::size_t> labels;
  std::vector<Loop> result;
  const std::regex branch("BRA\\S* .*`\\((\\.L_\\w+)\\)");
  for (std::size_t i = 0; i < code.instructions.size(); ++i) {
    const auto& line = code.instructions[i];
    if (line.back() == ':') labels[line.substr(0, line.size() - 1)] = i;
    std::smatch found;
    if (!std::regex_search(line, found, branch)) continue;
    const auto target = labels.find(found[1]);
    if (target == labels.end() || target->second + 1 >= i) continue;  // forwards, or the trap at a kernel's end
    Loop loop{target->second, i, {}, true};
    for (const auto& other : result) loop.innermost = loop.innermost && other.first < loop.first;
    for (auto k = target->second; k <= i; ++k) {
      if (code.instructions[k].back() != ':') loop.body.push_back(code.instructions[k]);
    }
    result.push_back(std::move(loop));
  }
  return result;
}

}  // namespace pam::test

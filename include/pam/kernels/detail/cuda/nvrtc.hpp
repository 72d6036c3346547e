// SPDX-License-Identifier: MIT
/// NVRTC, CUDA's run-time compiler, loaded with dlopen: building this needs no header or library of CUDA, and a program
/// starts without one. NVRTC needs no GPU either.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pam::kernels::cuda {

/// Either a compiled program (machine code for sm_XX, or PTX for compute_XX) or the compiler's messages.
struct Compiled {
  std::string code, log;
  [[nodiscard]] bool ok() const { return !code.empty(); }
};

class Nvrtc {
 public:
  /// Where it is looked for, the first place first: in `folders` (those of LibTorch's own CUDA libraries), where the
  /// system keeps libraries, and in CUDA's usual folders; at each place version `major`, LibTorch's own, before others:
  /// code of a newer compiler than the driver's is refused by it.
  static std::vector<std::string> places(const std::vector<std::string>& folders, int major) {
    std::vector<std::string> names{"libnvrtc.so." + std::to_string(major)}, result;
    for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}) {
      if (name != names.front()) names.emplace_back(name);
    }
    auto all = folders;
    for (const char* folder : {"", "/usr/local/cuda/lib64", "/usr/local/cuda/lib"}) all.emplace_back(folder);
    for (const auto& folder : all) {
      for (const auto& name : names) result.push_back(folder.empty() ? name : folder + "/" + name);
    }
    return result;
  }

  /// The first that can be loaded, or with `skipped` a later one: another library, not another name. Empty if there is
  /// none.
  static std::optional<Nvrtc> find(const std::vector<std::string>& folders = {}, int major = 13, int skipped = 0) {
    std::vector<void*> seen;
    for (const auto& place : places(folders, major)) {
      void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr || std::find(seen.begin(), seen.end(), library) != seen.end()) continue;
      Nvrtc nvrtc;
      if (nvrtc.load(library)) seen.push_back(library);
      if (static_cast<int>(seen.size()) > skipped) return nvrtc;
    }
    return std::nullopt;
  }

  /// major * 100 + minor, such as 1300.
  [[nodiscard]] int version() const {
    int major = 0, minor = 0;
    version_(&major, &minor);
    return major * 100 + minor;
  }

  /// `architecture` as NVRTC takes it: "sm_90", or "compute_90" for PTX.
  [[nodiscard]] Compiled compile(const std::string& source, const std::string& architecture,
                                 std::vector<std::string> options = {}) const {
    options.push_back("--gpu-architecture=" + architecture);
    options.emplace_back("--std=c++17");
    std::vector<const char*> flags;
    for (const auto& option : options) flags.push_back(option.c_str());
    Program program = nullptr;
    Compiled result;
    if (create_(&program, source.c_str(), "pam.cu", 0, nullptr, nullptr) != 0) {
      result.log = "nvrtcCreateProgram failed";
      return result;
    }
    const int status = compile_(program, static_cast<int>(flags.size()), flags.data());
    result.log = read(program, log_size_, log_);
    const bool machine_code = architecture.rfind("sm_", 0) == 0;
    if (status == 0) result.code = machine_code ? read(program, cubin_size_, cubin_) : read(program, ptx_size_, ptx_);
    destroy_(&program);
    return result;
  }

 private:
  using Program = void*;  // NVRTC's own type is a pointer to an unnamed struct
  using Size = int (*)(Program, std::size_t*);
  using Read = int (*)(Program, char*);

  static std::string read(Program program, Size size, Read content) {
    std::size_t bytes = 0;
    if (size(program, &bytes) != 0 || bytes == 0) return {};
    std::string result(bytes, '\0');
    return content(program, result.data()) == 0 ? result : std::string();
  }

  bool load(void* library) {
    const auto entry = [&](const char* name, auto& f) {
      f = reinterpret_cast<std::decay_t<decltype(f)>>(dlsym(library, name));
      return f != nullptr;
    };
    return entry("nvrtcVersion", version_) && entry("nvrtcCreateProgram", create_) &&
           entry("nvrtcCompileProgram", compile_) && entry("nvrtcDestroyProgram", destroy_) &&
           entry("nvrtcGetProgramLogSize", log_size_) && entry("nvrtcGetProgramLog", log_) &&
           entry("nvrtcGetCUBINSize", cubin_size_) && entry("nvrtcGetCUBIN", cubin_) &&
           entry("nvrtcGetPTXSize", ptx_size_) && entry("nvrtcGetPTX", ptx_);
  }

  int (*version_)(int*, int*) = nullptr;
  int (*create_)(Program*, const char*, const char*, int, const char* const*, const char* const*) = nullptr;
  int (*compile_)(Program, int, const char* const*) = nullptr;
  int (*destroy_)(Program*) = nullptr;
  Size log_size_ = nullptr, cubin_size_ = nullptr, ptx_size_ = nullptr;
  Read log_ = nullptr, cubin_ = nullptr, ptx_ = nullptr;
};

}  // namespace pam::kernels::cuda

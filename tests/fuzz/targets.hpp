// SPDX-License-Identifier: MIT
/// What is fuzzed: for each kind of input one function that takes any bytes and may end in two ways only, done or
/// pam::Error. Anything else (another exception, a signal, a sanitizer's report, endless memory) is a bug.
#pragma once

#include <pam/images/nifti.hpp>
#include <pam/weights/safetensors.hpp>
#include <pam/weights/torch_zip.hpp>

#include <array>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace pam::fuzz {

using Bytes = std::vector<std::uint8_t>;

/// Reads every element of what was loaded: a tensor that reaches beyond its file is then a crash.
inline void touch(const torch::Tensor& tensor) {
  if (tensor.numel() > 0 && tensor.numel() <= 100'000) tensor.to(torch::kDouble).sum();
}
inline void touch(const StateDict& tensors) {
  for (const auto& [name, tensor] : tensors) touch(tensor);
}

inline void safetensors(const Bytes& bytes) {
  touch(pam::detail::parse_safetensors(FileBytes::own(bytes, "input")).tensors);
}

inline void zip(const Bytes& bytes) { touch(pam::detail::parse_torch_zip(FileBytes::own(bytes, "input"), "").tensors); }

/// The records data/0 … data/9 that a fuzzed pickle finds: 64 zero bytes each, which every element type allows.
inline const pam::detail::ZipArchive& pickle_records() {
  static const auto* const archive = [] {
    std::ostringstream out;
    pam::detail::ZipWriter writer(out);
    const std::string record(64, '\0');
    for (int i = 0; i < 10; ++i) writer.add("a/data/" + std::to_string(i), record.data(), record.size());
    writer.finish();
    const auto text = out.str();
    return new pam::detail::ZipArchive(FileBytes::own(Bytes(text.begin(), text.end()), "records"));
  }();
  return *archive;
}

/// The input is data.pkl alone: in an archive its checksum would hide it from the fuzzer.
inline void pickle(const Bytes& bytes) {
  const auto data = pam::detail::Unpickler("input", bytes.data(), bytes.size()).run();
  pam::detail::PickledTensors maker(pickle_records(), "a/", data);
  touch(pam::detail::named_tensors("input", data, pam::detail::find_weights("input", data, "").dict, maker));
}

/// A file that lives in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(const Bytes& bytes) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::runtime_error("memfd_create failed");
    for (std::size_t done = 0; done < bytes.size();) {
      const auto written = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
      if (written <= 0) throw std::runtime_error("writing to memory failed");
      done += static_cast<std::size_t>(written);
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(descriptor_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

inline void nifti(const Bytes& bytes) {
  const MemoryFile file(bytes);
  touch(read_nifti(file.path()).voxels);
}

/// Options of a network as JSON (json_target.cpp, by itself because the zoo takes minutes to compile with sanitizers).
void json(const Bytes& bytes);
/// Valid inputs for it.
std::vector<std::string> json_seeds();

struct Target {
  const char* name;
  void (*run)(const Bytes&);
};

/// The targets that read files.
inline constexpr std::array<Target, 4> kReaders{
    {{"safetensors", safetensors}, {"zip", zip}, {"pickle", pickle}, {"nifti", nifti}}};

}  // namespace pam::fuzz

// SPDX-License-Identifier: MIT
/// One libFuzzer program for everything that pam reads from strangers. The environment chooses what it does:
///
///     PAM_FUZZ_SEEDS=corpus pam_fuzz                        writes the seed corpus to corpus/TARGET/ and ends
///     PAM_FUZZ=safetensors pam_fuzz corpus/safetensors      fuzzes; TARGET is safetensors, zip, pickle, nifti or json
///
/// ctest runs every target for PAM_FUZZ_SECONDS in the preset "sanitize" (run.cmake). An input that crashes goes to
/// tests/fuzz/crashes/TARGET/, which replay.test.cpp runs ever after.
#include "fuzz/seeds.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void (*target)(const pam::fuzz::Bytes&) = nullptr;

/// Writes the seeds to `folder`/TARGET/seed-N.
void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  auto seeds = pam::fuzz::reader_seeds(folder);
  for (const auto& text : pam::fuzz::json_seeds()) seeds["json"].emplace_back(text.begin(), text.end());
  for (const auto& [name, inputs] : seeds) {
    std::filesystem::create_directories(folder / name);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::ofstream(folder / name / ("seed-" + std::to_string(i)), std::ios::binary)
          .write(reinterpret_cast<const char*>(inputs[i].data()), static_cast<std::streamsize>(inputs[i].size()));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  torch::set_num_threads(1);
  if (const char* folder = std::getenv("PAM_FUZZ_SEEDS")) {
    write_seeds(folder);
    std::exit(0);
  }
  const char* set = std::getenv("PAM_FUZZ");
  const std::string name = set == nullptr ? "" : set;
  if (name == "json") target = pam::fuzz::json;
  for (const auto& reader : pam::fuzz::kReaders) {
    if (name == reader.name) target = reader.run;
  }
  if (target == nullptr) {
    std::fprintf(stderr, "pam_fuzz: set PAM_FUZZ to safetensors, zip, pickle, nifti or json; got '%s'\n", name.c_str());
    std::exit(2);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    target(pam::fuzz::Bytes(data, data + size));
  } catch (const pam::Error&) {  // a refusal is a good end; every other exception aborts
  }
  return 0;
}

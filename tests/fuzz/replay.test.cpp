// SPDX-License-Identifier: MIT
// Every input that once crashed a reader (fuzz/crashes/TARGET/), and every seed, through the fuzz targets: each must be
// read or refused. Finding new ones takes pam_fuzz, which needs clang's libFuzzer (preset "sanitize").
#include "fuzz/seeds.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

namespace fuzz_replay_test {
using namespace pam;

/// True where `bytes` was read, false where it was refused; anything else ends the test.
bool reads(const fuzz::Target& target, const fuzz::Bytes& bytes) {
  try {
    target.run(bytes);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// The readers and what fuzz.cpp has beside them.
std::vector<fuzz::Target> all_targets() {
  std::vector<fuzz::Target> all(fuzz::kReaders.begin(), fuzz::kReaders.end());
  all.push_back({"json", fuzz::json});
  return all;
}

TEST_CASE("every seed of the fuzzer is a valid file", "[fuzz]") {
  const test::TempDir folder;
  const auto seeds = fuzz::reader_seeds(folder.path());
  CHECK(std::filesystem::is_empty(folder.path()));
  for (const auto& target : fuzz::kReaders) {
    INFO(target.name);
    REQUIRE(seeds.count(target.name) == 1);
    for (const auto& seed : seeds.at(target.name)) CHECK_NOTHROW(target.run(seed));
  }
}

TEST_CASE("what once crashed a reader is read or refused", "[fuzz]") {
  std::size_t inputs = 0;
  for (const auto& target : all_targets()) {
    const auto folder = std::filesystem::path(PAM_SOURCE_DIR) / "tests/fuzz/crashes" / target.name;
    if (!std::filesystem::exists(folder)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      INFO(entry.path());
      CHECK_NOTHROW(reads(target, fuzz::file_bytes(entry.path())));
      ++inputs;
    }
  }
  INFO("replayed " << inputs << " inputs");
  SUCCEED();
}

TEST_CASE("seeds cut short at any length are refused or read, never worse", "[fuzz]") {
  const test::TempDir folder;
  const auto seeds = fuzz::reader_seeds(folder.path());
  for (const auto& target : fuzz::kReaders) {
    for (const auto& seed : seeds.at(target.name)) {
      const std::size_t step = 1 + seed.size() / 200;
      for (std::size_t size = 0; size < seed.size(); size += step) {
        INFO(target.name << " of " << seed.size() << " bytes cut to " << size);
        CHECK_NOTHROW(reads(target, fuzz::Bytes(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size))));
      }
    }
  }
}
}  // namespace fuzz_replay_test

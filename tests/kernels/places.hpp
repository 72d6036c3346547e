// SPDX-License-Identifier: MIT
/// Where the tests of the CUDA kernels run: TEMPLATE_TEST_CASE(name, tags, OnHost, OnGpu) runs one body in both places.
/// `gpu_tests "[gpu]~*OnHost"` runs what needs a GPU.
#pragma once

#include <pam/kernels/detail/cuda/device.hpp>

#include "kernels/host_launcher.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

namespace pam::test {

/// The host's processor: host_launcher.hpp.
struct OnHost {
  /// Why nothing can run here; empty if it can.
  static std::string missing() {
    return HostLauncher::compiler().empty() ? "no C++ compiler to run the kernels with" : "";
  }
  static kernels::cuda::Launcher& launcher() { return host_launcher(); }
  static torch::Device device() { return torch::kCPU; }
  /// Whether shapes as large as the networks' are tested, too: for the host they take too long.
  static bool all_sizes() { return false; }
};

/// The first GPU.
struct OnGpu {
  static std::string missing() {
#ifdef PAM_WITH_CUDA
    return torch::cuda::is_available() ? "" : "no GPU";
#else
    return "built without component cuda";
#endif
  }
  static kernels::cuda::Launcher& launcher() { return *kernels::cuda::launcher_of(torch::empty({1}, device())); }
  static torch::Device device() { return {torch::kCUDA, 0}; }
  /// Under compute-sanitizer, which is slow, PAM_SMALL_TESTS=1 leaves them out.
  static bool all_sizes() { return std::getenv("PAM_SMALL_TESTS") == nullptr; }
};

/// During its lifetime LibTorch (2.2 and newer) fills with NaN what torch::empty gives, so that an element which a
/// kernel has left out shows.
class NanFilledMemory {
 public:
  NanFilledMemory() { at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true); }
  NanFilledMemory(const NanFilledMemory&) = delete;
  NanFilledMemory& operator=(const NanFilledMemory&) = delete;
  ~NanFilledMemory() { at::globalContext().setDeterministicAlgorithms(false, false); }
};

/// The largest error of each test case and type, printed when the program ends.
class LargestErrors {
 public:
  static void note(torch::ScalarType type, double error) {
    static LargestErrors all;
    auto& largest = all.errors_[{Catch::getResultCapture().getCurrentTestName(), c10::toString(type)}];
    largest = std::max(largest, error);
  }

 private:
  ~LargestErrors() {
    for (const auto& [what, error] : errors_) fmt::print("error {:.1e}, {}: {}\n", error, what.second, what.first);
  }
  std::map<std::pair<std::string, std::string>, double> errors_;
};

}  // namespace pam::test

// SPDX-License-Identifier: MIT
#include <pam/core/cudnn_benchmark.hpp>

#include "support/catch.hpp"

namespace core_cudnn_benchmark_test {

using namespace pam;

TEST_CASE("cuDNN's benchmark mode is on within its scope, and as before after it", "[core]") {
  const auto on = [] { return at::globalContext().benchmarkCuDNN(); };
  const bool before = on();
  {
    const CudnnBenchmark outer;
    REQUIRE(on());
    {
      const CudnnBenchmark inner;
      REQUIRE(on());
    }
    REQUIRE(on());
  }
  REQUIRE(on() == before);
}

}  // namespace core_cudnn_benchmark_test

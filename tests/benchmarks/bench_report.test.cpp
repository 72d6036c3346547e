// SPDX-License-Identifier: MIT
#include "../../benchmarks/bench_report.hpp"

#include "../../benchmarks/bench_device.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/memory_limit.hpp"

namespace benchmarks_bench_report_test {

using namespace pam;

TEST_CASE("quantiles lie between the values as numpy's do", "[benchmarks]") {
  REQUIRE(bench::quantile({3, 1, 2}, 0.5) == 2);
  REQUIRE(bench::quantile({4, 1, 2, 3}, 0.5) == 2.5);
  REQUIRE(bench::quantile({10, 20, 30, 40, 50}, 0.1) == Approx(14));
  REQUIRE(bench::quantile({7}, 0.9) == 7);
}

TEST_CASE("a baseline is compared with the same measurement alone", "[benchmarks]") {
  const test::TempDir dir;
  const auto path = (dir / "old.jsonl").string();
  bench::Row old{{"name", "fpa"}, {"task", "infer"}, {"batch", 4}, {"size", {160, 160}}, {"ms", 300.0}};
  test::write_file(path, old.dump() + "\n");
  const bench::Baseline baseline(path);
  auto same = old;
  same["ms"] = 200.0;
  baseline.compare(same);
  REQUIRE(same["baseline_ms"] == 300.0);
  REQUIRE(same["speedup"].get<double>() == Approx(1.5));
  auto other = old;
  other["batch"] = 1;
  baseline.compare(other);
  REQUIRE(other["baseline_ms"].is_null());
  REQUIRE(other["speedup"].is_null());
}

TEST_CASE("a baseline that is none is refused by file and line", "[benchmarks]") {
  const test::TempDir dir;
  const auto path = (dir / "old.jsonl").string();
  REQUIRE_THROWS_WITH(bench::Baseline(path), Catch::Contains("old.jsonl") && Catch::Contains("cannot be read"));
  test::write_file(path, "");
  REQUIRE_THROWS_WITH(bench::Baseline(path), Catch::Contains("no measurement"));
  test::write_file(path, "{\"ms\": 1}\nname,ms\n");
  REQUIRE_THROWS_WITH(bench::Baseline(path), Catch::Contains("line 2"));
}

TEST_CASE("memory that a step takes and gives back is counted", "[benchmarks]") {
  const auto idle = bench::peak_growth(torch::kCPU, [] {});
  if (!idle || !test::kMemoryIsLimited)
    PAM_SKIP("no /proc/self/clear_refs here, or a sanitizer keeps memory of its own");
  const auto grown = bench::peak_growth(torch::kCPU, [] { torch::ones({16 << 20}).sum(); });  // 64 MiB
  // The kernel counts resident pages a thread at a time and in batches: 4 MiB either way, and the sum's own buffers.
  REQUIRE(*idle < (8 << 20));
  REQUIRE(*grown > (60 << 20));
  REQUIRE(*grown < (80 << 20));
}

}  // namespace benchmarks_bench_report_test

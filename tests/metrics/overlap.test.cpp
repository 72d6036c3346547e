// SPDX-License-Identifier: MIT
#include <pam/metrics/overlap.hpp>

#include "support/catch.hpp"

namespace metrics_overlap_test {
using namespace pam;

TEST_CASE("overlap scores follow from the counts", "[metrics]") {
  const Confusion c{6, 2, 4, 88};
  REQUIRE(*iou(c) == Approx(6.0 / 12));
  REQUIRE(*dice(c) == Approx(12.0 / 18));
  REQUIRE(*miou(c) == Approx((6.0 / 12 + 88.0 / 94) / 2));
  REQUIRE(*mdice(c) == Approx((12.0 / 18 + 176.0 / 182) / 2));
  REQUIRE(*fp_rate(c) == Approx(2.0 / 90));
  REQUIRE(*fn_rate(c) == Approx(4.0 / 10));
}

TEST_CASE("empty masks follow the rules: undefined is not a number", "[metrics]") {
  SECTION("a false alarm: truth empty, prediction not") {
    const Confusion c{0, 5, 0, 95};
    REQUIRE(iou(c) == 0.0);
    REQUIRE(dice(c) == 0.0);
    REQUIRE(*miou(c) == Approx(95.0 / 100 / 2));
    REQUIRE(*mdice(c) == Approx(190.0 / 195 / 2));
    REQUIRE(*fp_rate(c) == Approx(0.05));
    REQUIRE_FALSE(fn_rate(c).has_value());
  }
  SECTION("missed: prediction empty, truth not") {
    const Confusion c{0, 0, 5, 95};
    REQUIRE(iou(c) == 0.0);
    REQUIRE(dice(c) == 0.0);
    REQUIRE(fp_rate(c) == 0.0);
    REQUIRE(fn_rate(c) == 1.0);
  }
  SECTION("both empty") {
    const Confusion c{0, 0, 0, 100};
    for (const auto& score : {iou(c), dice(c), miou(c), mdice(c), fn_rate(c)}) REQUIRE_FALSE(score.has_value());
    REQUIRE(fp_rate(c) == 0.0);
  }
  SECTION("no background") {
    const Confusion c{100, 0, 0, 0};
    REQUIRE(iou(c) == 1.0);
    REQUIRE(fn_rate(c) == 0.0);
    for (const auto& score : {miou(c), mdice(c), fp_rate(c)}) REQUIRE_FALSE(score.has_value());
  }
  SECTION("every pixel ignored") {
    const Confusion c;
    for (const auto& score : {iou(c), dice(c), miou(c), mdice(c), fp_rate(c), fn_rate(c)}) {
      REQUIRE_FALSE(score.has_value());
    }
  }
}

TEST_CASE("counts beyond 32 bits keep their digits", "[metrics]") {
  const std::int64_t large = std::int64_t{1} << 40;
  REQUIRE(*iou(Confusion{large, large, 2 * large, 1}) == Approx(0.25));
}

}  // namespace metrics_overlap_test

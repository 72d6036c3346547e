// SPDX-License-Identifier: MIT
#include <pam/metrics/detectable_difference.hpp>

#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <vector>

namespace metrics_detectable_difference_test {
using namespace pam;
using Catch::Contains;

TEST_CASE("the detectable difference is the one at which scipy's noncentral t has the power", "[metrics]") {
  nlohmann::json designs;
  std::vector<double> found;
  for (const std::int64_t pairs : {2, 3, 5, 10, 48, 208, 2000}) {
    for (const double alpha : {0.05, 0.05 / 6, 0.001}) {
      for (const double power : {0.8, 0.95}) {
        if (pairs == 2 && alpha < 0.01) continue;  // the t of one degree of freedom: scipy's own tail gets inexact
        found.push_back(detectable_difference(pairs, 2.5, alpha, power));
        designs.push_back({pairs, alpha, power, found.back() / 2.5 * std::sqrt(static_cast<double>(pairs))});
      }
    }
  }
  const auto answer = test::ask_python("scipy.stats, scipy.special", R"(
import math
from scipy.stats import nct, t
def power_of(n, alpha, shift):
    critical = t.isf(alpha / 2, n - 1)
    lower = nct.cdf(-critical, n - 1, shift)
    return float(nct.sf(critical, n - 1, shift) + (0 if math.isnan(lower) else lower))
answer = [power_of(n, alpha, shift) for n, alpha, power, shift in data])",
                                       designs);
  if (!answer) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(designs[i]);
    // scipy's noncentral t is good to some 1e-8; Simpson's rule here is better.
    REQUIRE((*answer)[i].get<double>() == Approx(designs[i][2].get<double>()).epsilon(1e-6));
  }
}

TEST_CASE("the detectable difference of many cases is the normal one, and scales with the deviation", "[metrics]") {
  // z(0.975) + z(0.8) = 1.959964 + 0.841621, with the t distribution of 100000 cases: closer than 1e-4.
  REQUIRE(detectable_difference(100000, 3) == Approx(3 * 2.801585 / std::sqrt(100000.0)).epsilon(1e-4));
  REQUIRE(detectable_difference(20, 4) == Approx(2 * detectable_difference(20, 2)).epsilon(1e-12));
  REQUIRE(detectable_difference(20, 0) == 0);
  REQUIRE(detectable_difference(20, 1, 0.01) > detectable_difference(20, 1, 0.05));
}

TEST_CASE("Student's quantiles are those of printed tables", "[metrics]") {
  CHECK(student_t_quantile(0.975, 1) == Approx(12.7062047).epsilon(1e-8));
  CHECK(student_t_quantile(0.975, 4) == Approx(2.7764451).epsilon(1e-7));
  CHECK(student_t_quantile(0.95, 30) == Approx(1.6972609).epsilon(1e-7));
  CHECK(student_t_quantile(0.5, 3) == Approx(0).margin(1e-9));
  CHECK_THROWS_WITH(student_t_quantile(0.4, 3), Contains("share must be 0.5 or more"));
  CHECK_THROWS_WITH(student_t_quantile(0.9, 0), Contains("freedom must be at least 1"));
}

TEST_CASE("designs that cannot be are refused", "[metrics]") {
  REQUIRE_THROWS_WITH(detectable_difference(1, 1), Contains("at least 2 pairs, got 1"));
  REQUIRE_THROWS_WITH(detectable_difference(5, -1), Contains("not negative, got -1"));
  REQUIRE_THROWS_WITH(detectable_difference(5, std::nan("")), Contains("finite"));
  for (const double alpha : {0.0, 0.8, 1.0}) {
    REQUIRE_THROWS_WITH(detectable_difference(5, 1, alpha), Contains("alpha must be above 0"));
  }
  REQUIRE_THROWS_WITH(detectable_difference(5, 1, 0.05, 1), Contains("below 1"));
}

}  // namespace metrics_detectable_difference_test

// SPDX-License-Identifier: MIT
#include <pam/metrics/bootstrap_interval.hpp>
#include <pam/metrics/score_summary.hpp>

#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace metrics_bootstrap_interval_test {
using namespace pam;
using Catch::Contains;

double mean_of(const std::vector<double>& values) { return *mean_and_std(values).mean; }

TEST_CASE("the interval of a mean is that of all equally likely resamples", "[metrics]") {
  // Three values have 27 resamples. With the mean's 27 values sorted, the 95 % interval runs between the extreme ones:
  // P(0, 0, 0) = P(9, 9, 9) = 1 / 27 = 3.7 %, more than 2.5 %.
  const auto wide = bootstrap_interval({0, 3, 9}, mean_of);
  REQUIRE(wide.low == 0);
  REQUIRE(wide.high == 9);
  // At 80 % the ends are the quantiles 0.1 and 0.9: sums of resamples in order 0 (1), 3 (3), 6 (3), 9 (4), 12 (6),
  // 15 (3), 18 (3), 21 (3), 27 (1): cumulated shares 0.037, 0.148 … and 0.852, 0.963: sums 3 and 21.
  BootstrapOptions options;
  options.level = 0.8;
  const auto narrow = bootstrap_interval({0, 3, 9}, mean_of, options);
  REQUIRE(narrow.low == Approx(1).epsilon(1e-12));
  REQUIRE(narrow.high == Approx(7).epsilon(1e-12));
}

TEST_CASE("the interval of a mean of many values is the normal one", "[metrics]") {
  torch::manual_seed(4);
  const auto drawn = torch::randn({400}, torch::kDouble) * 2 + 1;
  const std::vector<double> values(drawn.data_ptr<double>(), drawn.data_ptr<double>() + 400);
  const auto summary = mean_and_std(values);
  const double error = *summary.std * std::sqrt(399.0 / 400) / std::sqrt(400.0);
  const auto interval = bootstrap_interval(values, mean_of);
  // The quantile of 10000 draws at 2.5 % has a standard error of sqrt(0.025 0.975 / 10000) / density(1.96) = 0.027 of
  // the mean's error; four of those.
  REQUIRE(interval.low == Approx(*summary.mean - 1.959964 * error).margin(0.11 * error));
  REQUIRE(interval.high == Approx(*summary.mean + 1.959964 * error).margin(0.11 * error));
}

TEST_CASE("the interval of a skewed statistic equals scipy's percentile bootstrap", "[metrics]") {
  torch::manual_seed(5);
  const auto drawn = torch::randn({60}, torch::kDouble).exp();
  const std::vector<double> values(drawn.data_ptr<double>(), drawn.data_ptr<double>() + 60);
  BootstrapOptions options;
  options.resamples = 40000;
  const auto deviation = [](const std::vector<double>& sample) { return *mean_and_std(sample).std; };
  const auto interval = bootstrap_interval(values, deviation, options);
  const auto answer = test::ask_python("numpy, scipy.stats", R"(
found = scipy.stats.bootstrap((numpy.array(data),), lambda x, axis: numpy.std(x, axis=axis, ddof=1), n_resamples=40000,
                              method='percentile', random_state=1).confidence_interval
answer = [float(found.low), float(found.high)])",
                                       values);
  if (!answer) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  // Two independent sets of 40000 draws: each end has a standard error of about 0.014 of the statistic's own deviation
  // (some quarter of the interval), more on the long side; five times both together.
  const double margin = 0.03 * (interval.high - interval.low);
  REQUIRE(interval.low == Approx((*answer)[0].get<double>()).margin(margin));
  REQUIRE(interval.high == Approx((*answer)[1].get<double>()).margin(margin));
}

TEST_CASE("the seed decides, and bad values are refused", "[metrics]") {
  const std::vector<double> values{1, 4, 2, 8, 5, 7};
  BootstrapOptions options;
  options.resamples = 200;
  const auto first = bootstrap_interval(values, mean_of, options), again = bootstrap_interval(values, mean_of, options);
  REQUIRE((first.low == again.low && first.high == again.high));
  options.seed = 1;
  const auto other = bootstrap_interval(values, mean_of, options);
  REQUIRE((first.low != other.low || first.high != other.high));
  const auto one = bootstrap_interval({3}, mean_of);
  REQUIRE((one.low == 3 && one.high == 3));
  REQUIRE_THROWS_WITH(bootstrap_interval({}, mean_of), Contains("no values"));
  REQUIRE_THROWS_WITH(bootstrap_interval({1, std::nan("")}, mean_of), Contains("finite, value 1"));
  REQUIRE_THROWS_WITH(bootstrap_interval(values, [](const auto&) { return std::nan(""); }), Contains("statistic"));
  options.resamples = 0;
  REQUIRE_THROWS_WITH(bootstrap_interval(values, mean_of, options), Contains("resamples must be 1"));
  options = {};
  options.level = 1;
  REQUIRE_THROWS_WITH(bootstrap_interval(values, mean_of, options), Contains("level must be above 0"));
}

}  // namespace metrics_bootstrap_interval_test

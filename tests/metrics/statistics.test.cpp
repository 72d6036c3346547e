// SPDX-License-Identifier: MIT
#include <pam/metrics/statistics.hpp>

#include "metrics/masks.hpp"
#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"

#include <cmath>

namespace metrics_statistics_test {
using namespace pam;
using Catch::Contains;
using pam::test::entries;

TEST_CASE("the Wilcoxon test has its textbook values", "[metrics]") {
  // All of five differences positive: P = 2 / 2^5.
  const auto all = wilcoxon_signed_rank({2, 4, 6, 8, 10}, {1, 2, 3, 4, 5});
  REQUIRE(all.statistic == 0);
  REQUIRE(all.p_value == Approx(2.0 / 32));
  REQUIRE((all.exact && all.pairs == 5));
  // Darwin's maize (scipy's example, from Wilcoxon 1945's kind of data): T = 24, p = 0.041259765625.
  const std::vector<double> maize{6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};
  const auto darwin = wilcoxon_signed_rank(maize, std::vector<double>(maize.size(), 0));
  REQUIRE(darwin.statistic == 24);
  REQUIRE(darwin.p_value == Approx(0.041259765625).epsilon(1e-12));
  // No difference anywhere: nothing to rank.
  const auto same = wilcoxon_signed_rank({1, 2, 3}, {1, 2, 3});
  REQUIRE(same.p_value == 1);
  REQUIRE(same.pairs == 0);
  // One pair says nothing.
  REQUIRE(wilcoxon_signed_rank({1}, {2}).p_value == 1);
}

TEST_CASE("the Wilcoxon test does not depend on the order of pairs or of the two networks", "[metrics]") {
  torch::manual_seed(1);
  const auto a = torch::randn({17}, torch::kDouble), b = torch::randn({17}, torch::kDouble) + 0.4;
  const auto order = torch::randperm(17);
  const auto p = wilcoxon_signed_rank(entries<double>(a), entries<double>(b)).p_value;
  REQUIRE(wilcoxon_signed_rank(entries<double>(b), entries<double>(a)).p_value == p);
  REQUIRE(wilcoxon_signed_rank(entries<double>(a.index_select(0, order)), entries<double>(b.index_select(0, order)))
              .p_value == p);
}

TEST_CASE("the Wilcoxon test equals scipy's, exact and approximate, with zeros and ties", "[metrics]") {
  torch::manual_seed(2);
  nlohmann::json data;
  std::vector<WilcoxonResult> found;
  for (const std::int64_t n : {1, 2, 6, 13, 25, 50, 51, 80, 120, 160}) {
    for (int kind = 0; kind < 3; ++kind) {
      auto a = torch::randn({n}, torch::kDouble), b = torch::randn({n}, torch::kDouble) + 0.3;
      if (kind == 1) a = (a * 2).round(), b = (b * 2).round();        // ties, and pairs that are equal
      if (kind == 2) b = torch::where(torch::rand({n}) < 0.2, a, b);  // equal pairs without ties
      found.push_back(wilcoxon_signed_rank(entries<double>(a), entries<double>(b)));
      data.push_back({{"a", entries<double>(a)},
                      {"b", entries<double>(b)},
                      {"exact", found.back().exact},
                      {"pairs", found.back().pairs}});
    }
  }
  const auto answer = pam::test::ask_python("numpy, scipy.stats", R"(
import warnings; warnings.simplefilter('ignore')
answer = []
for c in data:
    d = numpy.array(c['a']) - numpy.array(c['b'])
    if c['pairs'] == 0:
        answer.append([0, 1, int((d != 0).sum())]); continue
    # scipy would leave the exact distribution as soon as one difference is zero: hand it the others.
    left = d[d != 0]
    ranks = scipy.stats.rankdata(abs(left))
    tied = len(set(ranks)) < len(ranks)
    r = scipy.stats.wilcoxon(left if c['exact'] else d, zero_method='wilcox', mode='exact' if c['exact'] and not tied else 'approx')
    p = float(r.pvalue)
    if c['exact'] and tied:  # the definition: every sign pattern up to 13 pairs; else sums and their numbers, as whole numbers
        if len(ranks) <= 13:
            sums = [sum(x for k, x in enumerate(ranks) if pattern >> k & 1) for pattern in range(2 ** len(ranks))]
            low = sum(s <= r.statistic for s in sums)
        else:
            count = {0: 1}
            for x in ranks:
                more = dict(count)
                for s, number in count.items(): more[s + x] = more.get(s + x, 0) + number
                count = more
            low = sum(number for s, number in count.items() if s <= r.statistic)
        p = min(1, 2 * low / 2 ** len(ranks))
    answer.append([float(r.statistic), p, int((d != 0).sum())]))",
                                            data);
  if (!answer) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  int exact = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    const auto expected = (*answer)[i].get<std::vector<double>>();
    REQUIRE(found[i].statistic == expected[0]);
    REQUIRE(found[i].p_value == Approx(expected[1]).epsilon(1e-9));  // erfc against scipy's normal tail
    REQUIRE(static_cast<double>(found[i].pairs) == expected[2]);
    exact += found[i].exact ? 1 : 0;
  }
  REQUIRE(exact >= 8);  // both ways were taken
  REQUIRE(exact < static_cast<int>(found.size()) - 8);
}

TEST_CASE("the rank-biserial correlation is the difference of the rank sums", "[metrics]") {
  // Ranks of 1, -2, 3, 4 are 1 to 4: (1 + 3 + 4 - 2) / 10.
  REQUIRE(rank_biserial({1, -2, 3, 4}) == Approx(0.6).epsilon(1e-15));
  REQUIRE(rank_biserial({0.1, 5, 2}) == 1);
  REQUIRE(rank_biserial({-0.1, -5, 0, -2}) == -1);  // 0 is dropped
  REQUIRE(rank_biserial({1, -1}) == 0);             // equal ranks
  REQUIRE(rank_biserial({0, 0}) == 0);
  REQUIRE(rank_biserial({}) == 0);
  // With the smaller rank sum T of the Wilcoxon test: |r| = 1 - 4 T / (n (n + 1)) (Kerby 2014).
  const std::vector<double> maize{6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};
  REQUIRE(rank_biserial(maize) == Approx(1 - 4 * 24.0 / (15 * 16)).epsilon(1e-15));
  REQUIRE_THROWS_WITH(rank_biserial({1, std::nan("")}), Contains("finite, difference 1"));
}

TEST_CASE("the exact distribution is for 50 pairs or fewer, with ties too", "[metrics]") {
  std::vector<double> ramp, zero;
  for (int i = 1; i <= 51; ++i) ramp.push_back(i), zero.push_back(0);
  REQUIRE_FALSE(wilcoxon_signed_rank(ramp, zero).exact);
  ramp.pop_back(), zero.pop_back();
  REQUIRE(wilcoxon_signed_rank(ramp, zero).exact);
  REQUIRE(wilcoxon_signed_rank(ramp, zero).p_value == Approx(std::pow(2.0, -49)).epsilon(1e-12));
  ramp[3] = ramp[4];
  REQUIRE(wilcoxon_signed_rank(ramp, zero).p_value == Approx(std::pow(2.0, -49)).epsilon(1e-12));
  // Five equal differences: 2 of the 2^5 patterns are of one sign, whatever the normal approximation (0.0253) says.
  REQUIRE(wilcoxon_signed_rank({3, 3, 3, 3, 3}, {2, 2, 2, 2, 2}).p_value == Approx(2.0 / 32));
}

TEST_CASE("what rounding adds to means is neither a difference nor breaks a tie", "[metrics]") {
  // The mean of the same three scores in another order: in floating point some differ in the last bit.
  const auto mean = [](double x, double y, double z) { return (x + y + z) / 3; };
  std::vector<double> a, b;
  int differ = 0;
  for (int i = 1; i <= 40; ++i) {
    a.push_back(mean(0.1 * i, 0.7 / i, 0.3));
    b.push_back(mean(0.3, 0.7 / i, 0.1 * i));
    differ += a.back() != b.back() ? 1 : 0;
  }
  REQUIRE(differ > 5);
  CHECK(wilcoxon_signed_rank(a, b).pairs == 0);
  CHECK(wilcoxon_signed_rank(a, b).p_value == 1);
  CHECK(rank_biserial(paired_differences(a, b)) == 0);
  // 0.3 - 0.2 and 0.2 - 0.1 are not the same numbers; as sizes they are one, the smaller.
  const auto differences = paired_differences({0.3, 0.1, 5, 0.4}, {0.2, 0.2, 4, 0.4});
  CHECK(differences[0] == -differences[1]);
  CHECK(differences[0] == Approx(0.1).epsilon(1e-12));
  CHECK((differences[2] == 1 && differences[3] == 0));
  // What is larger stays as it is.
  CHECK(paired_differences({1, 1}, {1 + 1e-9, 1 - 2e-9})[0] == 1 - (1 + 1e-9));
}

TEST_CASE("Holm's correction has R's p.adjust values", "[metrics]") {
  const auto check_values = [](const std::vector<double>& p, const std::vector<double>& expected) {
    const auto adjusted = holm_correction(p);
    REQUIRE(adjusted.size() == expected.size());
    for (std::size_t i = 0; i < p.size(); ++i) REQUIRE(adjusted[i] == Approx(expected[i]).epsilon(1e-12));
  };
  check_values({0.01, 0.02, 0.03, 0.04}, {0.04, 0.06, 0.06, 0.06});
  check_values({0.04, 0.01, 0.03, 0.005}, {0.06, 0.03, 0.06, 0.02});
  check_values({0.5, 0.6}, {1, 1});
  check_values({0.03}, {0.03});
  check_values({}, {});
}

TEST_CASE("paired tests refuse unpaired or undefined values", "[metrics]") {
  REQUIRE_THROWS_WITH(wilcoxon_signed_rank({1, 2}, {1}), Contains("paired") && Contains("2 and 1"));
  REQUIRE_THROWS_WITH(wilcoxon_signed_rank({}, {}), Contains("not empty"));
  REQUIRE_THROWS_WITH(wilcoxon_signed_rank({1, std::nan("")}, {1, 2}), Contains("finite") && Contains("pair 1"));
  REQUIRE_THROWS_WITH(holm_correction({0.1, 1.5}), Contains("0 to 1") && Contains("got 1.5"));
  REQUIRE_THROWS_WITH(holm_correction({std::nan("")}), Contains("0 to 1"));
}

}  // namespace metrics_statistics_test

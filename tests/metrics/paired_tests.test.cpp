// SPDX-License-Identifier: MIT
#include <pam/metrics/paired_tests.hpp>

#include "support/catch.hpp"
#include "support/python.hpp"

namespace metrics_paired_tests_test {

using namespace pam;
using Catch::Matchers::Contains;

std::vector<CaseScores> scored(const std::vector<std::optional<double>>& ious) {
  std::vector<CaseScores> cases;
  for (std::size_t i = 0; i < ious.size(); ++i) {
    cases.emplace_back();
    cases.back().name = "case" + std::to_string(i);
    cases.back().iou = ious[i];
    if (ious[i]) cases.back().hd95_penalised = 10 * (1 - *ious[i]);
  }
  return cases;
}

TEST_CASE("cases pair by name, and those without a pair or a value are counted", "[metrics]") {
  const auto base = scored({0.5, 0.5, 0.5, 0.5, 0.5, 0.5, std::nullopt});
  auto cases = scored({0.49, 0.52, 0.53, 0.54, 0.55, std::nullopt, std::nullopt});
  std::reverse(cases.begin(), cases.end());  // the order does not matter
  cases.emplace_back();
  cases.back().name = "another";
  cases.back().iou = 0.9;
  const auto test = paired_test("fpa", cases, base, "iou");
  CHECK(test.net == "fpa");
  CHECK(test.metric == "iou");
  CHECK((test.pairs == 5 && test.undefined == 2 && test.unpaired == 1));
  CHECK((test.better == 4 && test.worse == 1));
  CHECK(*test.difference == Approx(0.026));
  REQUIRE(test.differences.size() == 5);
  CHECK(test.differences.front() == Approx(0.05));  // case4, the first of the network's that both have
  CHECK(test.differences.back() == Approx(-0.01));
  // Exact, by hand: the one negative difference has rank 1; 2 of the 32 sign patterns have a sum of 1 or less.
  CHECK(*test.p_value == Approx(2 * 2.0 / 32));
  CHECK_FALSE(test.p_holm);
  // A smaller distance is better.
  const auto distance = paired_test("fpa", cases, base, "hd95_penalised");
  CHECK((distance.better == 4 && distance.worse == 1));

  const auto none = paired_test("fpa", scored({std::nullopt}), base, "iou");
  CHECK((none.pairs == 0 && none.undefined == 1 && none.unpaired == 6 && !none.p_value && !none.difference));
  CHECK_THROWS_WITH(paired_test("fpa", cases, base, "iuo"), Contains("no score \"iuo\""));
  cases.push_back(cases.front());
  CHECK_THROWS_WITH(paired_test("fpa", cases, base, "iou"), Contains("twice") && Contains(cases.front().name));
}

TEST_CASE("Holm's correction is over the tests that have a p-value", "[metrics]") {
  const auto base = scored({0.5, 0.5, 0.5, 0.5, 0.5, 0.5});
  std::vector<PairedTest> tests{paired_test("a", scored({0.51, 0.52, 0.53, 0.54, 0.55, 0.56}), base, "iou"),
                                paired_test("b", {}, base, "iou"),
                                paired_test("c", scored({0.49, 0.52, 0.53, 0.54, 0.55}), base, "iou")};
  correct_holm(tests);
  CHECK(*tests[0].p_holm == Approx(2 * 2.0 / 64));  // the smaller of two: times 2
  CHECK_FALSE(tests[1].p_holm);
  CHECK(*tests[2].p_holm == Approx(4.0 / 32));  // the larger: times 1
}

TEST_CASE("the p-value of paired cases equals scipy's", "[metrics]") {
  if (!test::python_has("scipy.stats")) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  torch::manual_seed(5);
  const auto base = torch::rand({20}, torch::kDouble), other = base + 0.1 * torch::randn_like(base) + 0.03;
  std::vector<std::optional<double>> a, b;
  nlohmann::json data;
  for (std::int64_t i = 0; i < 20; ++i) {
    a.push_back(other[i].item<double>());
    b.push_back(base[i].item<double>());
    data.push_back(*a.back() - *b.back());
  }
  const auto p = std::stod(test::run_python(
      "import sys, json, scipy.stats\nprint(repr(scipy.stats.wilcoxon(json.loads(sys.argv[1])).pvalue))",
      {data.dump()}));
  const auto found = paired_test("fpa", scored(a), scored(b), "iou");
  CHECK(found.wilcoxon.exact);
  CHECK(*found.p_value == Approx(p).epsilon(1e-12));  // both exact: sums of counts over 2^20
}

}  // namespace metrics_paired_tests_test

// SPDX-License-Identifier: MIT
#include <pam/metrics/score_summary.hpp>

#include "metrics/masks.hpp"
#include "support/catch.hpp"

#include <cmath>

namespace metrics_score_summary_test {
using namespace pam;
using Catch::Contains;

std::vector<CaseScores> cases() {
  const auto mask = [](std::int64_t columns) { return pam::test::box_mask({10, 10}, {{{0, 4}, {0, columns}}}); };
  return {score_case(mask(4), mask(4), {}, "perfect"), score_case(mask(2), mask(4), {}, "half"),
          score_case(mask(0), mask(5), {}, "gone"), score_case(mask(1), mask(0), {}, "ghost"),
          score_case(mask(0), mask(0), {}, "nothing")};
}

TEST_CASE("summarise averages each score over the cases where it is defined, and says how many those are",
          "[metrics]") {
  const auto summary = summarise(cases());
  REQUIRE(summary.cases == 5);
  const auto& iou = summary.of("iou");  // 1, 1/2, 0, 0, undefined
  REQUIRE(iou.cases == 4);
  REQUIRE(*iou.mean == Approx(0.375));
  REQUIRE(*iou.std == Approx(std::sqrt((0.625 * 0.625 + 0.125 * 0.125 + 2 * 0.375 * 0.375) / 3)));
  REQUIRE(summary.of("fn_percent").cases == 3);
  REQUIRE(*summary.of("fn_percent").mean == Approx(50));
  REQUIRE(summary.of("fp_percent").cases == 5);
  REQUIRE(summary.of("hd95").cases == 2);
  REQUIRE(*summary.of("hd95").mean == Approx(1));  // 0 and 2
  REQUIRE(summary.of("hd95_penalised").cases == 4);
  REQUIRE(*summary.of("hd95_penalised").mean == Approx((0 + 2 + 2 * std::sqrt(200.0)) / 4));
  REQUIRE(summary.missed == std::vector<std::string>{"gone"});
  REQUIRE(summary.false_alarms == std::vector<std::string>{"ghost"});
  REQUIRE(summary.empty == std::vector<std::string>{"nothing"});
  REQUIRE_THROWS_WITH(summary.of("auc"), Contains("no score \"auc\""));
}

TEST_CASE("pooled scores come from the summed counts", "[metrics]") {
  const auto summary = summarise(cases());
  REQUIRE(summary.pooled.confusion == Confusion{24, 4, 28, 444});
  REQUIRE(*summary.pooled.iou == Approx(24.0 / 56));
  REQUIRE(*summary.pooled.fn_percent == Approx(100 * 28.0 / 52));
  REQUIRE_FALSE(summary.pooled.hd95.has_value());
}

TEST_CASE("a mean of no case and a deviation of one case are undefined", "[metrics]") {
  const auto one = mean_and_std({3});
  REQUIRE(one.mean == 3.0);
  REQUIRE_FALSE(one.std.has_value());
  const auto none = summarise({});
  REQUIRE(none.cases == 0);
  REQUIRE_FALSE(none.of("iou").mean.has_value());
  REQUIRE(to_json(none)["mean"]["iou"].is_null());
  REQUIRE(to_json(none)["pooled"]["iou"].is_null());
  REQUIRE(to_json(none)["pooled"]["fp_percent"].is_null());
}

TEST_CASE("the aggregate's JSON has the agreed keys", "[metrics]") {
  const auto json = scores_to_json(cases());
  REQUIRE(json["cases"].size() == 5);
  REQUIRE(json["cases"][2]["case"] == "gone");
  const auto& aggregate = json["aggregate"];
  for (const auto& metric : case_metrics()) {
    for (const auto* part : {"mean", "std", "n"}) REQUIRE(aggregate[part].contains(metric.key));
  }
  REQUIRE(aggregate["mean"]["iou"].get<double>() == Approx(0.375));
  REQUIRE(aggregate["n"]["hd95"] == 2);
  std::vector<std::string> pooled;
  for (const auto& item : aggregate["pooled"].items()) pooled.push_back(item.key());
  REQUIRE(pooled == std::vector<std::string>{"iou", "miou", "dice", "mdice", "fp_percent", "fn_percent"});
  REQUIRE(aggregate["missed"] == 1);
  REQUIRE(aggregate["false_alarm"] == 1);
  REQUIRE(aggregate["empty"] == 1);
  REQUIRE(aggregate["missed_cases"][0] == "gone");
  REQUIRE(aggregate["false_alarm_cases"][0] == "ghost");
  REQUIRE(aggregate["empty_cases"][0] == "nothing");
}

}  // namespace metrics_score_summary_test

// SPDX-License-Identifier: MIT
/// The charts of results hold the numbers of the results.
#include "report/result_charts.hpp"

#include "support/catch.hpp"

namespace apps_result_charts_test {
using namespace pam;
using namespace pam::apps;

NetworkResult trained(const std::string& name, const std::vector<double>& losses) {
  NetworkResult result;
  result.name = name;
  for (const double loss : losses) {
    EpochPoint point;
    point.epoch = static_cast<std::int64_t>(result.epochs.size()) + 1;
    point.loss = loss;
    result.epochs.push_back(point);
  }
  return result;
}

TEST_CASE("The loss chart has a line per network, and a log axis only where the loss spans a factor of twenty",
          "[apps]") {
  auto chart = loss_chart({trained("unet", {0.5, 0.4}), trained("fpa", {0.6, 0.3, 0.2})});
  REQUIRE(chart.series.size() == 2);
  REQUIRE(chart.series[1].name == "fpa");
  REQUIRE(chart.series[1].x == std::vector<double>{1, 2, 3});
  REQUIRE(chart.series[1].y == std::vector<double>{0.6, 0.3, 0.2});
  REQUIRE_FALSE(chart.log_y);
  REQUIRE(loss_chart({trained("unet", {1, 0.01})}).log_y);
  REQUIRE_FALSE(loss_chart({trained("unet", {1, 0})}).log_y);  // zero has no logarithm
}

TEST_CASE("The validation chart leaves out networks that were not validated", "[apps]") {
  auto validated = trained("fpa", {0.5, 0.4});
  validated.epochs[1].validation = 0.8;
  const auto chart = validation_chart({trained("unet", {0.5}), validated}, "IoU");
  REQUIRE(chart.series.size() == 1);
  REQUIRE(chart.series[0].name == "fpa");
  REQUIRE(chart.series[0].x == std::vector<double>{2});  // the first epoch was not validated
  REQUIRE(chart.series[0].y == std::vector<double>{0.8});
  REQUIRE(chart.series[0].colour == 1);  // the network's colour in every chart
}

TEST_CASE("The scatter puts a case at the same place of every network's column", "[apps]") {
  NetworkResult one, two;
  one.name = "one";
  two.name = "two";
  for (const double iou : {0.1, 0.5, 0.9}) {
    CaseScores scores;
    scores.iou = iou;
    one.cases.push_back(scores);
    scores.iou.reset();
    two.cases.push_back(scores);
  }
  const auto chart = case_scatter({one, two}, &CaseScores::iou, "IoU", "IoU");
  REQUIRE(chart.x_names == std::vector<std::string>{"one", "two"});
  REQUIRE(chart.series[0].y == std::vector<double>{0.1, 0.5, 0.9});
  REQUIRE(chart.series[0].x[1] == Approx(0));
  for (std::size_t c = 0; c < 3; ++c) {
    REQUIRE(chart.series[1].x[c] == Approx(chart.series[0].x[c] + 1));
    REQUIRE(std::isnan(chart.series[1].y[c]));  // undefined is a gap, not a zero
  }
}

}  // namespace apps_result_charts_test

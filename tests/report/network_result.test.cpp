// SPDX-License-Identifier: MIT
/// The comparison of networks: numbers against means worked out by hand, and no case that disappears.
#include <pam/report/network_result.hpp>

#include "support/catch.hpp"

namespace report_network_result_test {
using namespace pam;

CaseScores scored(const std::string& name, double iou) {
  CaseScores scores;
  scores.name = name;
  scores.iou = iou;
  scores.dice = 2 * iou / (1 + iou);
  scores.hd95 = scores.hd95_penalised = 2;
  scores.fp_percent = 0.5;
  scores.fn_percent = 10;
  return scores;
}

TEST_CASE("The table of networks shows mean and sample deviation over the cases", "[report]") {
  NetworkResult unet{"unet",
                     790000,
                     {{1, 0.5, 1e-3, 2.0, 0.1, {}}, {2, 0.25, 1e-3, 3.0, 0.1, {}}},
                     {scored("a", 0.5), scored("b", 0.7)}};
  REQUIRE(unet.seconds_per_epoch() == 2.5);
  const auto table = network_table({unet}, "Test");
  REQUIRE(table.columns().size() == 8);
  REQUIRE(table.formatted(0, 0) == "unet");
  REQUIRE(table.formatted(0, 1) == "0.600 ± 0.141");  // sample deviation of 0.5 and 0.7: 0.2 / √2
  REQUIRE(table.formatted(0, 3) == "2.0 ± 0.0");
  REQUIRE(table.formatted(0, 6) == "790,000");
  REQUIRE(table.formatted(0, 7) == "2.5");
  REQUIRE(table.columns()[3].name == "HD95 mm");
  unet.cases.pop_back();
  REQUIRE(network_table({unet}, "Test").formatted(0, 1) == "0.500");  // one case has no deviation
}

TEST_CASE("Missed cases, false alarms and empty cases are named under the table and penalised in it", "[report]") {
  NetworkResult unet{"unet", 1, {}, {scored("a", 0.5)}};
  CaseScores missed;
  missed.name = "brain 7";
  missed.missed = true;
  missed.iou = missed.dice = 0;
  missed.hd95_penalised = 100;
  CaseScores empty;
  empty.name = "brain 9";
  empty.empty = true;
  unet.cases.insert(unet.cases.end(), {missed, empty});
  const auto table = network_table({unet}, "Test");
  REQUIRE(table.columns()[4].name == "HD95 pen. mm");
  REQUIRE(table.formatted(0, 3) == "2.0");          // undefined for the missed case
  REQUIRE(table.formatted(0, 4) == "51.0 ± 69.3");  // 2 and 100
  REQUIRE(table.text().find("brain 7") != std::string::npos);
  REQUIRE(table.text().find("brain 9") != std::string::npos);
  REQUIRE(table.formatted(0, table.columns().size() - 1) == "–");  // no epoch, no time
  const auto cases = case_table({unet}, "Cases");
  REQUIRE(cases.rows().size() == 3);
  REQUIRE(cases.formatted(1, cases.columns().size() - 1) == "missed");
}

TEST_CASE("The worst cases are those of the lowest mean IoU over the networks, worst first", "[report]") {
  const NetworkResult one{"one", 1, {}, {scored("a", 0.9), scored("b", 0.2), scored("c", 0.5)}};
  const NetworkResult two{"two", 1, {}, {scored("a", 0.1), scored("b", 0.4), scored("c", 0.5)}};
  REQUIRE(worst_cases({one, two}, 2) == std::vector<std::string>{"b", "a"});  // 0.3, 0.5 (a before c by name), 0.5
  REQUIRE(worst_cases({one, two}, 9).size() == 3);
  CaseScores empty;
  empty.name = "nothing there";
  REQUIRE(worst_cases({NetworkResult{"one", 1, {}, {empty}}}).empty());
}

}  // namespace report_network_result_test

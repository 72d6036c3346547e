// SPDX-License-Identifier: MIT
#include <pam/metrics/score_classes.hpp>

#include "support/catch.hpp"

namespace metrics_score_classes_test {

using namespace pam;
using Catch::Matchers::Contains;

TEST_CASE("each class is scored against all others", "[metrics]") {
  const auto truth = torch::tensor({0, 1, 1, 2, 2, 2, 3, -1}).view({2, 4});
  const auto found = torch::tensor({0, 1, 2, 2, 2, 1, 0, 3}).view({2, 4});
  const auto scores = score_classes(found, truth, 5, {}, "a");
  REQUIRE(scores.size() == 4);
  CHECK(*scores[0].iou == Approx(1.0 / 3));  // one of two found, one invented
  CHECK(*scores[1].iou == Approx(2.0 / 4));  // two of three found, one invented
  CHECK(scores[2].missed);                   // the 3 that was found lies where the truth is ignored
  CHECK(scores[3].empty);
  CHECK_FALSE(scores[3].iou);
  for (const auto& each : scores) {
    CHECK(each.name == "a");
    const auto& counts = each.confusion;
    CHECK(counts.tp + counts.fp + counts.fn + counts.tn == 7);
  }
}

TEST_CASE("options but the class reach score_case, and errors name the case", "[metrics]") {
  const auto truth = torch::zeros({8, 8}, torch::kLong), found = torch::zeros({8, 8}, torch::kLong);
  truth[2][2] = 1;
  found[2][5] = 1;  // 3 pixels, 6 mm away
  ScoreOptions options;
  options.nsd_tolerance = 6;
  options.class_index = 7;  // not looked at
  const auto scores = score_classes(found, truth, 2, {1.0, 2.0}, "a", options);
  CHECK(*scores[0].hd95 == Approx(6));
  CHECK(*scores[0].nsd == 1);
  CHECK_THROWS_WITH(score_classes(found + 2, truth, 2, {}, "case7"), Contains("case7") && Contains("unknown label"));
  CHECK_THROWS_WITH(score_classes(found, truth, 1, {}, "a"), Contains("at least 2, got 1"));
}

}  // namespace metrics_score_classes_test

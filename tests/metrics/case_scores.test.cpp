// SPDX-License-Identifier: MIT
#include <pam/metrics/case_scores.hpp>

#include "metrics/masks.hpp"
#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"

#include <cmath>

namespace metrics_case_scores_test {
using namespace pam;
using Catch::Contains;
using pam::test::box_mask;

const torch::Tensor& some() {
  static const auto mask = box_mask({40, 30}, {{{10, 20}, {5, 15}}});
  return mask;
}
torch::Tensor none() { return torch::zeros({40, 30}, torch::kByte); }

TEST_CASE("a case with both masks has every score and no flag", "[metrics]") {
  const auto truth = box_mask({40, 30}, {{{12, 22}, {5, 15}}});
  const auto s = score_case(some(), truth, {2, 0.5}, "case_7");
  REQUIRE(s.name == "case_7");
  REQUIRE(s.confusion == Confusion{80, 20, 20, 1080});
  REQUIRE(*s.iou == Approx(80.0 / 120));
  REQUIRE(*s.miou == Approx((80.0 / 120 + 1080.0 / 1120) / 2));
  REQUIRE(*s.dice == Approx(160.0 / 200));
  REQUIRE(*s.mdice == Approx((160.0 / 200 + 2160.0 / 2200) / 2));
  REQUIRE(*s.fp_percent == Approx(100 * 20.0 / 1100));
  REQUIRE(*s.fn_percent == Approx(20));
  // The first rows are 2 apart, which is 4 mm; the outermost columns reach each other's within them.
  REQUIRE(s.hd == 4.0);
  REQUIRE(s.hd95 == 4.0);
  REQUIRE(s.hd95_penalised == s.hd95);
  REQUIRE(s.nsd.has_value());
  REQUIRE_FALSE((s.missed || s.false_alarm || s.empty));
}

TEST_CASE("a missed case, a false alarm and an empty case follow the rules", "[metrics]") {
  const double diagonal = std::hypot(40 * 2, 30 * 0.5);
  const auto undefined = [](const CaseScores& s) {
    return !s.hd.has_value() && !s.hd95.has_value() && !s.hd95_concatenated.has_value();
  };
  const auto missed = score_case(none(), some(), {2, 0.5}, "missed");
  REQUIRE((missed.missed && !missed.false_alarm && !missed.empty));
  REQUIRE(missed.iou == 0.0);
  REQUIRE(missed.dice == 0.0);
  REQUIRE(missed.fp_percent == 0.0);
  REQUIRE(missed.fn_percent == 100.0);
  REQUIRE(undefined(missed));
  REQUIRE(*missed.hd95_penalised == Approx(diagonal));
  REQUIRE(missed.nsd == 0.0);

  const auto alarm = score_case(some(), none(), {2, 0.5}, "alarm");
  REQUIRE((!alarm.missed && alarm.false_alarm && !alarm.empty));
  REQUIRE(alarm.iou == 0.0);
  REQUIRE(alarm.dice == 0.0);
  REQUIRE(*alarm.fp_percent == Approx(100 * 100.0 / 1200));
  REQUIRE_FALSE(alarm.fn_percent.has_value());
  REQUIRE(undefined(alarm));
  REQUIRE(*alarm.hd95_penalised == Approx(diagonal));
  REQUIRE(alarm.nsd == 0.0);

  const auto empty = score_case(none(), none(), {2, 0.5}, "empty");
  REQUIRE((!empty.missed && !empty.false_alarm && empty.empty));
  for (const auto& metric : case_metrics()) {
    CAPTURE(metric.key);
    if (std::string(metric.key) == "fp_percent") {
      REQUIRE(empty.*metric.value == 0.0);  // always defined
    } else {
      REQUIRE_FALSE((empty.*metric.value).has_value());
    }
  }
}

TEST_CASE("ignored voxels take no part in counts and flags and are background for distances", "[metrics]") {
  auto truth = some().to(torch::kLong);
  truth.slice(1, 15).fill_(-1);  // everything right of the lesion
  auto prediction = some().to(torch::kLong);
  prediction.slice(0, 30).slice(1, 20).fill_(1);  // a blob that lies in the ignored part alone
  const auto s = score_case(prediction, truth, {}, "ignored");
  REQUIRE(s.iou == 1.0);
  REQUIRE(s.hd == 0.0);
  REQUIRE(s.confusion.total() == 40 * 15);
  // Foreground that is ignored altogether is no foreground.
  REQUIRE(score_case(prediction, torch::full({40, 30}, -1, torch::kLong), {}, "void").empty);
  auto only_there = none().to(torch::kLong);
  only_there.slice(0, 30).slice(1, 20).fill_(1);
  REQUIRE(score_case(only_there, truth, {}, "missed").missed);
  ScoreOptions options;
  options.ignore_label = 255;
  REQUIRE(score_case(some(), torch::full({40, 30}, 255, torch::kByte), {}, "void", options).empty);
}

TEST_CASE("one class among several is scored against the rest", "[metrics]") {
  auto truth = torch::zeros({20, 20}, torch::kLong), prediction = torch::zeros({20, 20}, torch::kLong);
  truth.slice(0, 2, 6).fill_(1);
  truth.slice(0, 8, 12).fill_(2);
  prediction.slice(0, 2, 6).fill_(2);
  prediction.slice(0, 9, 13).fill_(2);
  ScoreOptions options;
  options.classes = 3;
  options.class_index = 2;
  const auto two = score_case(prediction, truth, {}, "two", options);
  REQUIRE(two.confusion == Confusion{60, 100, 20, 220});
  const auto as_binary = score_case((prediction == 2).to(torch::kLong), truth == 2, {}, "binary");
  REQUIRE(two.hd95 == as_binary.hd95);
  options.class_index = 1;
  REQUIRE(score_case(prediction, truth, {}, "one", options).missed);
  options.class_index = 3;
  REQUIRE_THROWS_WITH(score_case(prediction, truth, {}, "three", options),
                      Contains("case three") && Contains("0 to 2"));
  options.class_index = options.ignore_label = 2;
  REQUIRE_THROWS_WITH(score_case(prediction, truth, {}, "void", options), Contains("must not be the ignore label 2"));
}

TEST_CASE("a one-slice volume is scored as its slice", "[metrics]") {
  const auto truth = box_mask({40, 30}, {{{12, 22}, {5, 15}}, {{30, 31}, {3, 9}}});
  const auto flat = score_case(some(), truth, {2, 0.5}, "x");
  for (const std::int64_t axis : {0, 1, 2}) {
    std::vector<double> spacing{2, 0.5};
    spacing.insert(spacing.begin() + axis, 7.0);
    const auto slice = score_case(some().unsqueeze(axis), truth.unsqueeze(axis), spacing, "x");
    REQUIRE(to_json(slice) == to_json(flat));
    REQUIRE(score_case(none().unsqueeze(axis), truth.unsqueeze(axis), spacing, "x").hd95_penalised ==
            score_case(none(), truth, {2, 0.5}, "x").hd95_penalised);
  }
}

TEST_CASE("the JSON of a case has the agreed keys in order, null for undefined, and reads back", "[metrics]") {
  const auto s = score_case(some(), none(), {}, "a \"quoted\" name");
  const auto json = to_json(s);
  std::vector<std::string> keys;
  for (const auto& item : json.items()) keys.push_back(item.key());
  REQUIRE(keys == std::vector<std::string>{"case", "iou", "miou", "dice", "mdice", "fp_percent", "fn_percent", "hd",
                                           "hd95", "hd95_concatenated", "hd95_penalised", "nsd", "missed",
                                           "false_alarm", "empty"});
  REQUIRE(json["fn_percent"].is_null());
  REQUIRE(json["hd95"].is_null());
  REQUIRE(json["hd95_penalised"].get<double>() == 50);
  REQUIRE(json["false_alarm"] == true);
  const auto text = to_json(s, /*counts=*/true).dump();
  const auto back = case_scores_from_json(nlohmann::ordered_json::parse(text), "scores.json");
  REQUIRE(to_json(back, true).dump() == text);
  REQUIRE(back.confusion == s.confusion);
  REQUIRE_THROWS_WITH(case_scores_from_json(json, "scores.json"), Contains("scores.json") && Contains("confusion"));
  auto wrong = to_json(s, true);
  wrong["iou"] = "high";
  REQUIRE_THROWS_WITH(case_scores_from_json(wrong, "scores.json"), Contains("scores.json"));
}

TEST_CASE("distances leave without tails of rounding", "[metrics]") {
  const auto moved = box_mask({40, 30}, {{{13, 23}, {5, 15}}});
  // Three rows of 0.1 are 0.30000000000000004 in float64, ten of float32's 1.2 are 12.000000476837158.
  const auto json = to_json(score_case(some(), moved, {0.1, 0.1}, "a"));
  for (const char* key : {"hd", "hd95", "hd95_concatenated", "hd95_penalised"}) CHECK(json[key].dump() == "0.3");
  const auto far = box_mask({40, 30}, {{{20, 30}, {5, 15}}});
  const std::vector<double> float32{static_cast<double>(1.2F), static_cast<double>(1.2F)};
  const auto volume = score_case(some(), far, float32, "b");
  REQUIRE(volume.hd == 12.0);
  REQUIRE(to_json(volume)["hd"].dump() == "12.0");
  REQUIRE(score_case(some(), none(), float32, "c").hd95_penalised == 60.0);  // 48 mm by 36 mm
}

TEST_CASE("NSD follows the convention that is asked for", "[metrics]") {
  auto truth = torch::zeros({20, 20}, torch::kByte), prediction = truth.clone();
  truth[5][7] = 1, prediction[5][9] = 1;
  ScoreOptions options;
  REQUIRE(score_case(prediction, truth, {2, 1}, "a", options).nsd == 0.0);  // the pixels lie 2 apart
  options.nsd_convention = NsdConvention::SurfaceElements;
  REQUIRE(score_case(prediction, truth, {2, 1}, "a", options).nsd == 0.5);  // half of their corners lie 1 apart
  options.nsd_tolerance = 2;
  REQUIRE(score_case(prediction, truth, {2, 1}, "a", options).nsd == 1.0);
  REQUIRE(score_case(prediction * 0, truth, {2, 1}, "a", options).nsd == 0.0);
  REQUIRE_FALSE(score_case(prediction * 0, truth * 0, {2, 1}, "a", options).nsd.has_value());
  // Of the scored class alone, and ignored pixels are background.
  auto labels = truth.to(torch::kLong) * 2;
  labels[15][15] = 1, labels[0][0] = -1;
  options.classes = 3, options.class_index = 2, options.nsd_tolerance = 1;
  REQUIRE(score_case(prediction.to(torch::kLong) * 2, labels, {2, 1}, "a", options).nsd == 0.5);
}

TEST_CASE("case scores equal scipy's formulas on random volumes", "[metrics]") {
  torch::manual_seed(4);
  nlohmann::json data;
  std::vector<CaseScores> found;
  for (int i = 0; i < 6; ++i) {
    const std::vector<std::int64_t> shape{8, 21, 19};
    const std::vector<double> spacing{3, 0.8, 0.8};
    const auto p = pam::test::blob_mask(shape, 4), t = pam::test::blob_mask(shape, 4);
    data.push_back({{"shape", shape},
                    {"spacing", spacing},
                    {"p", pam::test::entries<std::int64_t>(p)},
                    {"t", pam::test::entries<std::int64_t>(t)}});
    found.push_back(score_case(p, t, spacing, std::to_string(i)));
  }
  const auto answer = pam::test::ask_python("numpy, scipy.ndimage", R"(
from scipy.ndimage import binary_erosion, distance_transform_edt
answer = []
for c in data:
    p, t = (numpy.array(c[k], dtype=bool).reshape(c['shape']) for k in 'pt')
    def iou(a, b): return (a & b).sum() / (a | b).sum()
    def dice(a, b): return 2 * (a & b).sum() / (a.sum() + b.sum())
    bp, bt = p ^ binary_erosion(p), t ^ binary_erosion(t)
    d = [distance_transform_edt(~bt, sampling=c['spacing'])[bp], distance_transform_edt(~bp, sampling=c['spacing'])[bt]]
    both = numpy.hstack(d)
    hd95 = max(numpy.percentile(x, 95) for x in d)
    answer.append([iou(p, t), (iou(p, t) + iou(~p, ~t)) / 2, dice(p, t), (dice(p, t) + dice(~p, ~t)) / 2,
                   100 * (p & ~t).sum() / (~t).sum(), 100 * (~p & t).sum() / t.sum(), both.max(), hd95,
                   numpy.percentile(both, 95), hd95, (both <= 1).mean()]))",
                                            data);
  if (!answer) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto expected = (*answer)[i].get<std::vector<double>>();
    for (std::size_t k = 0; k < expected.size(); ++k) {
      const auto& metric = case_metrics()[k];
      CAPTURE(i, metric.key);
      REQUIRE((found[i].*metric.value).value() == Approx(expected[k]).epsilon(1e-10));
    }
  }
}

TEST_CASE("bad input to score_case names the case", "[metrics]") {
  const auto score = [](const torch::Tensor& p, const torch::Tensor& t, std::vector<double> spacing = {}) {
    return score_case(p, t, spacing, "patient_3");
  };
  REQUIRE_THROWS_WITH(score(some(), some().t()), Contains("patient_3") && Contains("[40, 30]") && Contains("[30, 40]"));
  REQUIRE_THROWS_WITH(score(some().to(torch::kFloat), some()), Contains("patient_3") && Contains("whole numbers"));
  REQUIRE_THROWS_WITH(score(some() * 4, some()), Contains("patient_3") && Contains("unknown label 4"));
  REQUIRE_THROWS_WITH(score(some(), some(), {1, 1, 1}),
                      Contains("patient_3") && Contains("2 axes") && Contains("got 3"));
  REQUIRE_THROWS_WITH(score(some(), some(), {1, -1}), Contains("positive") && Contains("got -1"));
  REQUIRE_THROWS_WITH(score(some().view({1, 1, 40, 30}), some().view({1, 1, 40, 30})), Contains("one case at a time"));
  REQUIRE_THROWS_WITH(score(torch::Tensor(), some()), Contains("undefined"));
}

}  // namespace metrics_case_scores_test

// SPDX-License-Identifier: MIT
/// The hypotheses of compare: their file, histograms of probabilities, verdicts and charts, on scores that are made up;
/// and a whole comparison on a phantom.
#include "comparison/hypothesis_results.hpp"

#include "comparison/comparison_options.hpp"
#include "comparison/comparison_statistics.hpp"
#include "engine/probability_histograms.hpp"

#include "apps/program_runs.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/phantom.hpp"

#include <pam/metrics/detectable_difference.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

namespace apps_hypotheses_test {
using namespace pam;
using namespace pam::apps;
using Catch::Contains;
using test::TempDir;

const std::vector<std::string> kNets{"unet", "fpa"};

nlohmann::json hypothesis(const std::string& id, const std::string& metric, const std::string& direction = "less") {
  return {{"id", id},     {"claim", "a claim"}, {"metric", metric},
          {"net", "fpa"}, {"against", "unet"},  {"direction", direction}};
}

Hypotheses read(const TempDir& folder, const nlohmann::json& json) {
  std::ofstream(folder / "h.json") << json.dump();
  return read_hypotheses(folder / "h.json", {}, kNets);
}

TEST_CASE("a file of hypotheses is read, with the names of the tables", "[apps]") {
  const TempDir folder;
  const auto all = read(folder, {{"hypotheses",
                                  {hypothesis("H1", "FN"), hypothesis("H2", "hd95_penalised", "greater"),
                                   hypothesis("H-3_b", "FN at equal FP", "different")}},
                                 {"alpha", 0.01},
                                 {"resamples", 500},
                                 {"seed", 7}});
  REQUIRE(all.list.size() == 3);
  CHECK((all.list[0].metric == "fn_percent" && all.list[0].direction == Direction::Less));
  CHECK((all.list[1].metric == "hd95_penalised" && all.list[1].direction == Direction::Greater));
  CHECK((all.list[2].metric == kFnAtEqualFp && all.list[2].direction == Direction::Different));
  CHECK((all.alpha == 0.01 && all.bootstrap.resamples == 500 && all.bootstrap.seed == 7));
  CHECK(all.need_validation());
  CHECK(all.text == test::text_of(folder / "h.json"));
  std::ofstream(folder / "empty.json") << "";
  CHECK(Hypotheses().fingerprint() == "cbf29ce484222325");  // FNV-1a of nothing is its offset basis
  auto a = Hypotheses();
  a.text = "a";
  CHECK(a.fingerprint() == "af63dc4c8601ec8c");  // the published test vector
}

TEST_CASE("what is no hypothesis is refused with the nearest name", "[apps]") {
  const TempDir folder;
  const auto refuses = [&](const nlohmann::json& json, const std::vector<std::string>& words) {
    const auto why = test::message_of<Error>([&] { static_cast<void>(read(folder, json)); });
    CAPTURE(why);
    CHECK_THAT(why, Contains("h.json"));
    for (const auto& word : words) CHECK_THAT(why, Contains(word));
  };
  const auto with = [&](const char* key, const nlohmann::json& value) {
    auto one = hypothesis("H1", "FN");
    if (value.is_null()) {
      one.erase(key);
    } else {
      one[key] = value;
    }
    return nlohmann::json{{"hypotheses", {one}}};
  };
  refuses(with("metric", "FM"), {"hypotheses[0].metric", "\"fm\" is unknown", "did you mean"});
  refuses(with("metric", "hd95_penalized"), {"did you mean hd95_penalised?"});
  refuses(with("net", "fpb"), {"fpb is not among the networks compared (unet, fpa)", "did you mean fpa?"});
  refuses(with("against", "unett"), {"hypotheses[0].against", "did you mean unet?"});
  refuses(with("against", "fpa"), {"compares fpa with itself"});
  refuses(with("direction", "lower"), {"\"lower\" is unknown", "less, greater, different"});
  refuses(with("directon", "less"), {"no key \"directon\"", "did you mean \"direction\"?"});
  refuses(with("claim", nullptr), {"\"claim\" is missing"});
  refuses(with("claim", 3), {"\"claim\" must be a word, got 3"});
  refuses(with("id", "a/b"), {"letters, digits"});
  refuses({{"hypotheses", {hypothesis("H1", "FN"), hypothesis("H1", "FP")}}}, {"the id H1 is there twice"});
  refuses({{"hypotheses", {hypothesis("H1", "FN"), hypothesis("H2", "fn_percent", "greater")}}},
          {"H2 tests the same as H1", "two-sided"});
  auto mirrored = hypothesis("H2", "FN", "greater");
  mirrored["net"] = "unet", mirrored["against"] = "fpa";
  refuses({{"hypotheses", {hypothesis("H1", "FN"), mirrored}}}, {"H2 tests the same as H1"});
  mirrored["metric"] = "FN at equal FP";  // moves unet's threshold, and H1 that of fpa
  CHECK(read(folder, {{"hypotheses", {hypothesis("H1", "FN at equal FP"), mirrored}}}).list.size() == 2);
  refuses(with("metric", "FNN"), {"did you mean fn?"});
  refuses({{"hypothesis", {hypothesis("H1", "FN")}}}, {"no key \"hypothesis\"", "\"hypotheses\"?"});
  refuses({{"hypotheses", nlohmann::json::array()}}, {"a list of at least one"});
  refuses({{"hypotheses", {hypothesis("H1", "FN")}}, {"alpha", 0.7}}, {"\"alpha\" must be above 0"});
  refuses({{"hypotheses", {hypothesis("H1", "FN")}}, {"alpha", "x"}}, {"\"alpha\" must be a number"});
  refuses({{"hypotheses", {hypothesis("H1", "FN")}}, {"resamples", 1.5}}, {"whole number, 100 to"});
  refuses(nlohmann::json::array(), {"must be a JSON object"});
  std::ofstream(folder / "h.json") << "{";
  CHECK_THAT(test::message_of<Error>([&] { static_cast<void>(read_hypotheses(folder / "h.json", {}, kNets)); }),
             Contains("is not JSON"));
  std::ofstream(folder / "h.json") << R"({"alpha": 0.01, "hypotheses": [], "alpha": 0.05})";
  CHECK_THAT(test::message_of<Error>([&] { static_cast<void>(read_hypotheses(folder / "h.json", {}, kNets)); }),
             Contains("the key \"alpha\" is there twice"));
  CHECK_THAT(test::message_of<Error>([&] { static_cast<void>(read_hypotheses(folder.path(), {}, kNets)); }),
             Contains("is a folder; give the JSON file"));
  CHECK_THAT(test::message_of<Error>([&] { static_cast<void>(read_hypotheses(folder / "none.json", {}, kNets)); }),
             Contains("none.json: cannot be opened: No such file"));
}

TEST_CASE("counts of a histogram are those of the mask at each of its edges", "[apps]") {
  torch::manual_seed(2);
  // Logits as a network gives them, through float32's sigmoid, with the ends 0 and 1 and 0.5 and its neighbours.
  auto p = torch::sigmoid(torch::randn({40, 50}) * 8);
  auto* values = p.data_ptr<float>();
  values[0] = 0, values[1] = 1, values[2] = 0.5F, values[3] = std::nextafter(0.5F, 1.0F),
  values[4] = std::nextafter(0.5F, 0.0F);
  auto truth = (torch::rand({40, 50}) < 0.3).to(torch::kLong);
  truth[5].fill_(-1);  // ignored
  const auto histogram = case_histogram("c", probability_bins(p), truth);
  for (const std::int64_t edge : {std::int64_t{1}, std::int64_t{600}, kHalfEdge - 1, kHalfEdge, kHalfEdge + 1,
                                  std::int64_t{1500}, kProbabilityBins - 1}) {
    CAPTURE(edge);
    // The mask by its definition, in float64, away from the very edge (where the two ways of rounding may differ).
    const auto mask = edge == kHalfEdge ? p.gt(0.5) : p.to(torch::kDouble).gt(edge_probability(edge));
    const auto found = counts_above(histogram, edge), expected = confusion(mask, truth);
    CHECK(found == expected);
  }
  CHECK(edge_probability(kHalfEdge) == 0.5);
  CHECK(edge_probability(kHalfEdge + 100) == Approx(1 / (1 + std::exp(-1.6))).epsilon(1e-14));
}

TEST_CASE("rates by edge are means over cases, monotone, and survive their file", "[apps]") {
  CaseHistogram a{"a", std::vector<std::int64_t>(kProbabilityBins), std::vector<std::int64_t>(kProbabilityBins)},
      b = a, no = a;
  a.foreground[700] = 3, a.foreground[100] = 1, a.background[100] = 8, a.background[600] = 2;
  b.name = "b", b.foreground[900] = 5, b.background[0] = 30, b.background[950] = 10;
  no.name = "no", no.background[10] = 4;  // no foreground: in no FN rate
  const std::vector<CaseHistogram> cases{a, b, no};
  const auto fp = fp_percent_by_edge(cases), fn = fn_percent_by_edge(cases);
  CHECK(fp[500] == Approx((20.0 + 25.0 + 0.0) / 3));
  CHECK(fp[601] == Approx((0.0 + 25.0 + 0.0) / 3));
  CHECK(fn[500] == Approx((25.0 + 0.0) / 2));
  CHECK(fn[901] == Approx((100.0 + 100.0) / 2));
  CHECK(std::is_sorted(fp.rbegin(), fp.rend()));
  CHECK(std::is_sorted(fn.begin(), fn.end()));
  CHECK(fn_percent_by_edge({no}).empty());

  const TempDir folder;
  write_histograms(folder / "p.safetensors", {{b}, cases});
  const auto back = read_histograms(folder / "p.safetensors");
  REQUIRE((back.validation.size() == 1 && back.test.size() == 3));
  CHECK((back.test[2].name == "no" && back.test[0].foreground == a.foreground &&
         back.test[0].background == a.background));
  CHECK(back.validation[0].background == b.background);
  write_safetensors(folder / "p.safetensors", {}, {{"pam.cases", R"({"validation": ["x"], "test": []})"}});
  CHECK_THROWS_WITH(read_histograms(folder / "p.safetensors"), Contains("holds no validation.foreground"));
}

/// A histogram of a case with 100 pixels of foreground and 1000 of background, `tp` and `fp` of them at p > 0.5: their
/// bins are spread evenly over both halves.
CaseHistogram spread(const std::string& name, std::int64_t tp, std::int64_t fp) {
  CaseHistogram made{name, std::vector<std::int64_t>(kProbabilityBins), std::vector<std::int64_t>(kProbabilityBins)};
  const auto fill = [](std::vector<std::int64_t>& bins, std::int64_t above, std::int64_t below) {
    for (std::int64_t i = 0; i < above; ++i) ++bins[static_cast<std::size_t>(kHalfEdge + i * kHalfEdge / above)];
    for (std::int64_t i = 0; i < below; ++i) ++bins[static_cast<std::size_t>(i * kHalfEdge / below)];
  };
  fill(made.foreground, tp, 100 - tp);
  fill(made.background, fp, 1000 - fp);
  return made;
}

ComparedCell cell(const std::string& net, std::int64_t repeat, const std::vector<CaseHistogram>& validation,
                  const std::vector<CaseHistogram>& test) {
  ComparedCell made{net, 0, repeat, {}, false, {validation, test}};
  made.result.name = net;
  for (const auto& histogram : test) {
    CaseScores scores;
    scores.name = histogram.name;
    scores.confusion = counts_above(histogram, kHalfEdge);
    pam::detail::score_counts(scores);
    made.result.cases.push_back(scores);
  }
  return made;
}

/// Eight cases, two seeds: fpa finds 10 pixels more of each case's foreground, with 40 more false positives.
Comparison bolder_fpa() {
  Comparison comparison;
  comparison.nets = kNets;
  comparison.repeats = 2;
  for (std::int64_t repeat = 0; repeat < 2; ++repeat) {
    std::vector<CaseHistogram> unet, fpa;
    for (std::int64_t i = 0; i < 8; ++i) {
      const auto name = "case" + std::to_string(i);
      unet.push_back(spread(name, 60 + i + repeat, 20));
      fpa.push_back(spread(name, 70 + 2 * i + repeat, 60));
    }
    comparison.cells.push_back(cell("unet", repeat, {spread("v", 60, 20)}, unet));
    comparison.cells.push_back(cell("fpa", repeat, {spread("v", 70, 60)}, fpa));
  }
  return comparison;
}

Hypotheses some_hypotheses(std::vector<Hypothesis> list) {
  Hypotheses hypotheses;
  hypotheses.list = std::move(list);
  hypotheses.bootstrap.resamples = 300;
  hypotheses.file = "h.json";
  return hypotheses;
}

TEST_CASE("a network that only predicts more has fewer FN at 0.5, and none fewer at equal FP", "[apps]") {
  const auto comparison = bolder_fpa();
  const auto moved = cells_at_equal_fp(comparison, "fpa", "unet");
  REQUIRE(moved.size() == 2);
  // unet's validation FP rate is 20 / 1000; fpa's 60 false positives lie in every 500 / 60-th bin: 20 are above the
  // edge that leaves out the first 40.
  CHECK(moved[0].reference_fp == Approx(2.0));
  CHECK(moved[0].validation_fp == Approx(2.0));
  const auto lowest = kHalfEdge + 39 * kHalfEdge / 60, highest = kHalfEdge + 40 * kHalfEdge / 60;
  CHECK((moved[0].edge > lowest && moved[0].edge <= highest));
  const auto& first = moved[0].cell.result.cases.front();
  CHECK(first.confusion.fp == 20);
  CHECK(first.confusion.tp + first.confusion.fn == 100);
  CHECK(first.confusion.tp < 30);  // two thirds of the true positives fall under it, too

  const auto hypotheses = some_hypotheses({{"H1", "fewer FN", "fn_percent", "fpa", "unet", Direction::Less},
                                           {"H2", "fewer FN at equal FP", kFnAtEqualFp, "fpa", "unet", Direction::Less},
                                           {"H3", "FP differs", "fp_percent", "fpa", "unet", Direction::Different}});
  const auto report = judge(hypotheses, comparison);
  REQUIRE(report.results.size() == 3);
  const auto& fewer = report.results[0];
  CHECK(fewer.test.pairs == 8);
  CHECK(*fewer.test.difference == Approx(-(10 + 3.5)));  // -10 - i, mean over i = 0 … 7, in per cent of 100 pixels
  CHECK(*fewer.test.p_value == Approx(2 / 256.0));       // exact: all eight of one sign
  CHECK(*fewer.test.p_holm == Approx(3 * 2 / 256.0));    // the three p-values are equal, H3's with its ties too
  CHECK(*fewer.rank_biserial == -1);
  CHECK((fewer.difference->low >= -17 && fewer.difference->high <= -10 && fewer.difference->low < -13.5));
  CHECK(fewer.verdict == "holds");
  REQUIRE((fewer.net.size() == 2 && fewer.seed_differences.size() == 2));
  CHECK(fewer.seed_differences[0].mean == Approx(-13.5));
  CHECK(fewer.net[0].mean - fewer.net[1].mean == Approx(1));  // the second seed finds one pixel more
  CHECK(*fewer.deviation == Approx(std::sqrt(6.0)));          // of 0 … 7
  CHECK(report.each_alpha == Approx(0.05 / 3));
  CHECK(*fewer.detectable == Approx(detectable_difference(8, std::sqrt(6.0), 0.05 / 3) / std::sqrt(3 / 3.14159265)));
  CHECK(report.results[1].verdict == "the opposite holds");
  CHECK(*report.results[1].test.difference > 20);
  CHECK(report.results[2].verdict == "holds");
  REQUIRE(report.equal_fp.size() == 1);  // H1 and H2 are of the same two networks
  CHECK(*report.equal_fp[0].fp_moved.mean == Approx(2.0));
  CHECK(*report.equal_fp[0].fp_half.mean == Approx(6.0));
  CHECK(report.equal_fp[0].cells.front().bin_fn <= 1.0);  // at most one pixel of 100 in a bin

  const auto tables = hypothesis_tables(hypotheses, report);
  REQUIRE(tables.size() == 3);
  CHECK_THAT(tables[0].text(), Contains("the opposite holds") && Contains("Kerby") && Contains("300 resamples"));
  CHECK_THAT(tables[1].text(), Contains("2 of 2") && Contains("80 % power"));
  CHECK_THAT(tables[2].text(), Contains("FN at equal FP"));
  CHECK(hypothesis_rows(report).rows().size() == 3);
  CHECK(equal_fp_rows(report).rows().size() == 2);
  const auto json = apps::to_json(hypotheses, report);
  CHECK((json["results"][1]["verdict"] == "the opposite holds" && json["results"][0]["net_seeds"].size() == 2));

  const auto svg = charts_svg(hypothesis_charts(fewer, 0.95));
  REQUIRE(svg);
  CHECK_THAT(*svg, Contains("fpa &lt; unet") && Contains("each seed") && Contains("fpa - unet"));
  std::size_t circles = 0;
  for (auto at = svg->find("<circle"); at != std::string::npos; at = svg->find("<circle", at + 1)) ++circles;
  CHECK(circles == 2 * 2 + 2 + 2 + 1 + 4);  // dots of seeds, means, and four entries of the two legends
  const auto trade = charts_svg({trade_chart(comparison)});
  REQUIRE(trade);
  CHECK_THAT(*trade, Contains("FN %") && Contains("FP %") && Contains("<polyline"));
}

TEST_CASE("a failed training takes its partner out of the comparison", "[apps]") {
  auto comparison = bolder_fpa();
  // A third seed in which unet is far better, of which fpa's training failed.
  std::vector<CaseHistogram> good;
  for (std::int64_t i = 0; i < 8; ++i) good.push_back(spread("case" + std::to_string(i), 99, 20));
  comparison.cells.push_back(cell("unet", 2, {spread("v", 99, 20)}, good));
  comparison.repeats = 3;
  const auto hypotheses =
      some_hypotheses({{"H1", "fewer FN", "fn_percent", "fpa", "unet", Direction::Less},
                       {"H2", "fewer FN at equal FP", kFnAtEqualFp, "fpa", "unet", Direction::Less}});
  const auto report = judge(hypotheses, comparison);
  for (const auto& result : report.results) {
    CHECK((result.against.size() == 2 && result.seed_differences.size() == 2));
    REQUIRE_FALSE(result.notes.empty());
    CHECK_THAT(result.notes.front(), Contains("2 of 3 trainings"));
  }
  CHECK(*report.results[0].test.difference == Approx(-13.5));  // as without the third seed
  REQUIRE(report.equal_fp.size() == 1);
  CHECK(report.equal_fp[0].fn_against.cases == 2);
  CHECK(paired_tests(comparison, "unet", "iou")[0].differences ==
        paired_tests(bolder_fpa(), "unet", "iou")[0].differences);
}

TEST_CASE("means over seeds are over the cases that are paired, and false alarms are named", "[apps]") {
  auto comparison = bolder_fpa();
  // A case without foreground, in which fpa raises an alarm and unet does not: neither has an FN rate there; IoU is 0
  // for fpa and undefined for unet.
  for (auto& each : comparison.cells) {
    CaseScores empty;
    empty.name = "empty";
    empty.confusion.tn = 1000;
    empty.confusion.fp = each.net == "fpa" ? 100 : 0;
    pam::detail::score_counts(empty);
    each.result.cases.push_back(empty);
    each.probabilities = {};
  }
  const auto report = judge(some_hypotheses({{"H1", "IoU", "iou", "fpa", "unet", Direction::Greater}}), comparison);
  const auto& result = report.results[0];
  CHECK((result.test.pairs == 8 && result.test.undefined == 1));
  CHECK(*mean_and_std({result.seed_differences[0].mean, result.seed_differences[1].mean}).mean ==
        Approx(*result.test.difference).epsilon(1e-12));
  REQUIRE_FALSE(result.notes.empty());
  CHECK_THAT(result.notes.front(), Contains("1 cases are left out") && Contains("1 of fpa, 0 of unet"));
}

TEST_CASE("what other seeds may give is Student's interval over the seeds, and unequal FP rates are noted", "[apps]") {
  auto comparison = bolder_fpa();
  const auto both = some_hypotheses({{"H1", "fewer FN", "fn_percent", "fpa", "unet", Direction::Less},
                                     {"H2", "FN at equal FP", kFnAtEqualFp, "fpa", "unet", Direction::Less}});
  const auto same = judge(both, comparison).results;
  REQUIRE(same[0].seed_interval);
  CHECK(same[0].seed_interval->low == Approx(-13.5));  // both seeds differ by the same
  CHECK(same[0].notes.empty());
  CHECK((same[1].notes.empty() && *same[1].fp_gap < 0.05 * 2));
  // In the second seed fpa now misses one pixel more than unet in every case: -13.5 and +1, whose interval is wide; and
  // all of the background's probability is in the lowest bin, so that no threshold gives unet's FP rate of 2 %.
  auto certain = spread("v", 70, 0);
  std::fill(certain.background.begin(), certain.background.end(), 0);
  certain.background[0] = 1000;
  for (auto& each : comparison.cells) {
    if (each.net != "fpa" || each.repeat != 1) continue;
    std::vector<CaseHistogram> worse;
    for (std::int64_t i = 0; i < 8; ++i) worse.push_back(spread("case" + std::to_string(i), 60 + i, 60));
    each = cell("fpa", 1, {certain}, worse);
  }
  const auto varied = judge(both, comparison).results;
  const double half = 12.706205 * 7.25;  // t(0.975, 1) of printed tables, times the deviation / sqrt(2)
  CHECK(varied[0].verdict == "holds");
  CHECK(varied[0].seed_interval->low == Approx(-6.25 - half).epsilon(1e-6));
  CHECK(varied[0].seed_interval->high == Approx(-6.25 + half).epsilon(1e-6));
  REQUIRE(varied[0].notes.size() == 1);
  CHECK_THAT(varied[0].notes[0], Contains("other seeds may give the opposite"));
  CHECK(*varied[1].fp_gap == Approx(2.0));
  REQUIRE_FALSE(varied[1].notes.empty());
  CHECK_THAT(varied[1].notes[0], Contains("in 1 of 2 trainings of fpa") && Contains("0 % in place of 2 %"));
  CHECK_THAT(hypothesis_tables(both, judge(both, comparison))[0].text(), Contains("H2: in 1 of 2 trainings"));
}

TEST_CASE("too few pairs for a level are said, and no pairs give no verdict", "[apps]") {
  auto comparison = bolder_fpa();
  for (auto& each : comparison.cells) {
    each.result.cases.resize(4);
    each.probabilities = {};
  }
  const auto hypotheses = some_hypotheses({{"H1", "fewer FN", "fn_percent", "fpa", "unet", Direction::Less},
                                           {"H2", "distance", "hd95", "fpa", "unet", Direction::Less}});
  const auto report = judge(hypotheses, comparison);
  CHECK(report.results[0].verdict == "not decided");  // the smallest p of four pairs is 1 / 8
  CHECK_FALSE(report.results[0].detectable);
  CHECK(report.results[1].verdict == "no pairs");  // no distances in these scores
  CHECK(report.equal_fp.empty());
  CHECK_THAT(hypothesis_tables(hypotheses, report)[1].text(), Contains("4 pairs cannot reach"));
  CHECK_FALSE(charts_svg({trade_chart(comparison)}));
}

TEST_CASE("compare tests its hypotheses, keeps them, and refuses to continue with others", "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  const TempDir folder;
  write_folder_phantom(folder / "data", /*pictures=*/true, {10, {32, 32}, 0, 3});
  nlohmann::json file{{"hypotheses", {hypothesis("H1", "FN"), hypothesis("H2", "FN at equal FP")}}, {"resamples", 200}};
  const auto save = [&] { std::ofstream(folder / "h.json") << file.dump(1); };
  save();
  const auto out = folder / "run";
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--out", out.string()});
    return test::run_program_with(test::program_named("compare"), more);
  };
  const std::vector<std::string> first{"--task",
                                       "folder",
                                       "--data",
                                       (folder / "data").string(),
                                       "--set",
                                       "label_values=1",
                                       "test_share=0.5",
                                       "validation_share=0.2",
                                       "workers=0",
                                       "--width",
                                       "4",
                                       "--epochs",
                                       "1",
                                       "--threads",
                                       "1",
                                       "--repeats",
                                       "2",
                                       "--nets",
                                       "unet",
                                       "fpa",
                                       "--hypotheses",
                                       (folder / "h.json").string()};
  auto without = first;
  std::replace(without.begin(), without.end(), std::string("validation_share=0.2"), std::string("validation_share=0"));
  const auto refused = run(without);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("validation cases, and there are none") && Contains("validation_share"));
  CHECK_FALSE(std::filesystem::exists(out / "config.json"));

  auto end = run(first);
  CAPTURE(end.out, end.err);
  REQUIRE(end.code == 0);
  CHECK_THAT(end.out, Contains("0 of 4 cells done, 4 left\n") && Contains("3 of 4 cells done, 1 left, about ") &&
                          Contains("FN at equal FP") && Contains("hypothesis_H1.svg") && Contains("5 pairs cannot"));
  for (const char* name : {"hypotheses.json", "hypotheses.csv", "equal_fp.csv", "hypothesis_H1.svg",
                           "hypothesis_H2.svg", "trade.svg", "fold_0/repeat_1/fpa/probabilities.safetensors"}) {
    CAPTURE(name);
    CHECK(std::filesystem::file_size(out / name) > 0);
  }
  const auto record = nlohmann::json::parse(std::ifstream(out / "run.json"));
  CHECK(record["hypotheses"]["text"] == test::text_of(folder / "h.json"));
  CHECK(record["hypotheses"]["fingerprint"].get<std::string>().size() == 16);
  const auto results = nlohmann::json::parse(std::ifstream(out / "comparison.json"))["hypotheses"];
  CHECK(results["results"].size() == 2);
  CHECK_THAT(test::text_of(out / "report.html"), Contains("H2: a claim") && Contains("FN against FP"));

  // At 0.5 the histograms hold what was scored.
  const auto scores = nlohmann::json::parse(std::ifstream(out / "fold_0/repeat_1/fpa/scores.json"));
  const auto histograms = read_histograms(out / "fold_0/repeat_1/fpa/probabilities.safetensors");
  REQUIRE(histograms.test.size() == 5);
  REQUIRE(histograms.validation.size() == 2);
  for (std::size_t i = 0; i < 5; ++i) {
    const auto counts = counts_above(histograms.test[i], kHalfEdge);
    const auto& scored = scores["cases"][i];
    CHECK(histograms.test[i].name == scored["case"]);
    CHECK((counts.tp == scored["confusion"]["tp"] && counts.fp == scored["confusion"]["fp"] &&
           counts.fn == scored["confusion"]["fn"] && counts.tn == scored["confusion"]["tn"]));
  }

  const auto table = test::text_of(out / "hypotheses.csv");
  std::filesystem::remove(out / "fold_0/repeat_0/unet/probabilities.safetensors");  // only these are made again
  end = run({"--resume"});
  CAPTURE(end.out, end.err);
  REQUIRE(end.code == 0);
  CHECK(test::text_of(out / "hypotheses.csv") == table);
  CHECK_THAT(end.out, Contains("fpa: done already"));

  end = run({"--resume", "--repeats", "3"});
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Contains("--repeats 3") && Contains("begun with 2") && Contains("fixed before the runs"));

  file["hypotheses"][0]["direction"] = "greater";
  save();
  end = run({"--resume"});
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Contains("differs from") && Contains("fixed before the runs"));
  end = run({"--resume", "--set", "hypotheses="});
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Contains("begun with hypotheses; give them again"));
  std::filesystem::remove(folder / "h.json");  // the copy stands in
  end = run({"--resume"});
  CAPTURE(end.err);
  CHECK(end.code == 0);
  CHECK(test::text_of(out / "hypotheses.csv") == table);
}

}  // namespace apps_hypotheses_test

// SPDX-License-Identifier: MIT
/// compare's aggregation, statistics and tables on scores that are made up, with known means, deviations and p-values.
#include "comparison/comparison.hpp"

#include "comparison/ablation.hpp"
#include "comparison/comparison_chart.hpp"
#include "comparison/comparison_json.hpp"
#include "comparison/comparison_statistics.hpp"
#include "comparison/comparison_tables.hpp"
#include "comparison/paper_figures.hpp"
#include "tasks/paper_settings.hpp"

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

#include <pam/nets/zoo.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>

namespace apps_comparison_test {
using namespace pam;
using namespace pam::apps;
using Catch::Contains;
using test::TempDir;

/// A case with these scores; no IoU means empty in truth and prediction.
CaseScores scored(const std::string& name, std::optional<double> iou, double hd95 = 5) {
  CaseScores scores;
  scores.name = name;
  scores.iou = iou;
  scores.empty = !iou;
  if (iou) scores.hd95 = scores.hd95_penalised = hd95;
  return scores;
}

ComparedCell cell(const std::string& net, std::int64_t fold, std::int64_t repeat, std::vector<CaseScores> cases,
                  double seconds = 2) {
  ComparedCell made{net, fold, repeat, {}, false};
  made.result.name = net;
  made.result.parameters = 1234;
  made.result.cases = std::move(cases);
  for (std::int64_t epoch = 1; epoch <= 2; ++epoch)
    made.result.epochs.push_back({epoch, 0.5, 1e-3, seconds / 2, 0, std::nullopt});
  return made;
}

/// Two folds of one and two cases, two repeats of unet; a missed case in the second.
Comparison two_by_two() {
  Comparison comparison;
  comparison.nets = {"unet"};
  comparison.folds = {0, 1};
  comparison.repeats = 2;
  comparison.cells = {cell("unet", 0, 0, {scored("a", 0.9, 2)}, 4), cell("unet", 0, 1, {scored("a", 0.7, 4)}, 6),
                      cell("unet", 1, 0, {scored("b", 0.3, 8), scored("c", 0.6, 5)}, 4),
                      cell("unet", 1, 1, {scored("b", 0.0), scored("c", 0.5, 5)}, 6)};
  auto& missed = comparison.cells.back().result.cases.front();
  missed.missed = true;
  missed.hd95 = std::nullopt;
  missed.hd95_penalised = 99;
  return comparison;
}

TEST_CASE("The mean is over cases within a repeat, and mean and deviation are over repeats", "[apps]") {
  const auto net = summarise_net(two_by_two(), "unet");
  // By hand: repeats (0.9 + 0.3 + 0.6) / 3 = 0.6 and (0.7 + 0 + 0.5) / 3 = 0.4; the mean of folds would be 0.675.
  REQUIRE(*net.of("iou").mean == Approx(0.5));
  REQUIRE(*net.of("iou").std == Approx(std::sqrt(0.02)));  // sample deviation of 0.6 and 0.4
  REQUIRE(net.of("iou").cases == 2);
  REQUIRE(*net.of("hd95").mean == Approx((5.0 + 4.5) / 2));             // the missed case is in no mean of hd95 …
  REQUIRE(*net.of("hd95_penalised").mean == Approx((5.0 + 36.0) / 2));  // … and in every one of this
  REQUIRE(*net.seconds.mean == Approx(5));
  REQUIRE(*net.seconds_per_epoch.std == Approx(std::sqrt(4 * 0.25 / 3)));  // of 2, 3, 2, 3
  REQUIRE(net.cases.size() == 3);
  REQUIRE(net.cases[1].name == "b");
  REQUIRE(*net.cases[1].iou == Approx(0.15));
  REQUIRE(*net.cases[1].hd95 == Approx(8));
  REQUIRE((net.cases[1].missed && !net.cases[0].missed));
}

TEST_CASE("A repeat that lacks a fold is in no mean, and the table says so", "[apps]") {
  auto comparison = two_by_two();
  comparison.cells.pop_back();
  comparison.failed.push_back({"unet", 1, 1, "the loss is nan"});
  const auto nets = summarise_nets(comparison);
  REQUIRE(nets[0].repeats == std::vector<std::int64_t>{0});
  REQUIRE(*nets[0].of("iou").mean == Approx(0.6));
  REQUIRE_FALSE(nets[0].of("iou").std);
  REQUIRE(nets[0].cases.size() == 3);
  const auto text = score_table(comparison, nets, {}, "Scores").text();
  REQUIRE_THAT(text, Contains("unet: 1 of 2 repeats have all folds"));
  REQUIRE_THAT(text, Contains("unet: failed in fold 1, repeat 1: the loss is nan"));
  comparison.cells.clear();
  REQUIRE_THAT(score_table(comparison, summarise_nets(comparison), {}, "Scores").text(), Contains("0 of 2 repeats"));
}

TEST_CASE("A case that two folds test is refused", "[apps]") {
  auto comparison = two_by_two();
  comparison.cells[0].result.cases[0].name = "c";
  REQUIRE_THROWS_WITH(summarise_net(comparison, "unet"),
                      Contains("case c") && Contains("fold 0") && Contains("fold 1"));
}

TEST_CASE("The score table has per cent, deviations, counts, and the paper's columns beside its own", "[apps]") {
  const auto comparison = two_by_two();
  PaperColumns paper{true, {{"unet", {{"iou", {61.5, 1.25}}, {"hd", {12, std::nullopt}}}}}};
  auto table = score_table(comparison, summarise_nets(comparison), paper, "Scores");
  explain_scores(table);
  std::map<std::string, std::string> row;
  for (std::size_t c = 0; c < table.columns().size(); ++c) row[table.columns()[c].name] = table.formatted(0, c);
  REQUIRE(row["IoU %"] == "50.0 ± 14.1");
  REQUIRE(row["paper: IoU %"] == "61.50 ± 1.25");
  REQUIRE(row["HD95 pen. mm"] == "20.5 ± 21.9");  // of 5 and 36
  REQUIRE(row["paper: HD"] == "12.00");
  REQUIRE(row.count("paper: FN %") == 0);  // nothing is printed of it here, so no column
  REQUIRE(row["mIoU %"] == "–");
  REQUIRE(row["missed"] == "1");
  REQUIRE(row["false alarms"] == "0");
  const auto text = table.text();
  REQUIRE_THAT(text, Contains("b (1 of 2 repeats)") && Contains("cannot exceed 100 % - FN"));
  const auto cost = cost_table(summarise_nets(comparison), paper).text();
  REQUIRE_THAT(cost, Contains("1,234") && Contains("3.13") && Contains("5.0 ± 1.2"));  // 4, 4, 6, 6
}

/// Networks whose scores per case are given; one fold, `repeats` equal repeats.
Comparison compared(const std::vector<std::pair<std::string, std::vector<std::optional<double>>>>& nets,
                    std::int64_t repeats = 1) {
  Comparison comparison;
  comparison.repeats = repeats;
  for (const auto& [net, values] : nets) {
    comparison.nets.push_back(net);
    for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
      std::vector<CaseScores> cases;
      for (std::size_t i = 0; i < values.size(); ++i) {
        cases.push_back(scored(fmt::format("case{}", i), values[i], values[i] ? 100 * (1 - *values[i]) : 0));
      }
      comparison.cells.push_back(cell(net, 0, repeat, std::move(cases)));
    }
  }
  return comparison;
}

TEST_CASE("The best baseline has the highest IoU of all but fpa and rfna; of equal ones, the smallest distance",
          "[apps]") {
  auto comparison =
      compared({{"fpa", {0.9, 0.9}}, {"unet", {0.5, 0.5}}, {"aunet", {0.6, 0.4}}, {"rfna_r8_dw_e8", {1, 1}}});
  for (auto& each : comparison.cells) {
    if (each.net == "aunet") each.result.cases[0].hd95_penalised = 1;
  }
  REQUIRE(best_baseline(summarise_nets(comparison)) == "aunet");
  REQUIRE(best_baseline(summarise_nets(compared({{"fpa", {0.9}}, {"rfna", {0.9}}}))).empty());
  REQUIRE(all_paired_tests(comparison, "").empty());
}

TEST_CASE("Pairs are cases; undefined ones are left out and counted; Holm is over the networks", "[apps]") {
  // Against unet, fpa is better in all six cases and rfna in four of five: exact p by hand, 2/2^6 and, with the worse
  // case of rank 1 (sum 1 or less: 2 of 32 patterns), 2·2/2^5.
  const auto comparison = compared({{"unet", {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, std::nullopt}},
                                    {"fpa", {0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.0}},
                                    {"rfna", {0.49, 0.52, 0.53, 0.54, 0.55, std::nullopt, std::nullopt}}},
                                   2);
  const auto nets = summarise_nets(comparison);
  const auto tests = paired_tests(comparison, "unet", "iou");
  REQUIRE(tests.size() == 2);
  REQUIRE((tests[0].pairs == 6 && tests[0].undefined == 1 && tests[0].unpaired == 0));
  REQUIRE((tests[1].pairs == 5 && tests[1].undefined == 2));
  REQUIRE((tests[0].better == 6 && tests[0].worse == 0 && tests[1].better == 4 && tests[1].worse == 1));
  REQUIRE(*tests[0].p_value == Approx(2.0 / 64));
  REQUIRE(*tests[1].p_value == Approx(4.0 / 32));
  REQUIRE(*tests[0].p_holm == Approx(2 * 2.0 / 64));  // the smaller of two: times 2
  REQUIRE(*tests[1].p_holm == Approx(4.0 / 32));      // the larger: times 1
  REQUIRE(*tests[0].difference == Approx(0.035));
  // A smaller distance is the better one.
  REQUIRE(paired_tests(comparison, "unet", "hd95_penalised")[0].better == 6);
  REQUIRE(all_paired_tests(comparison, "unet").size() == 4);
  REQUIRE_THROWS_WITH(paired_tests(comparison, "wunet", "iou"), Contains("wunet"));
  const auto text = test_table(tests, "unet").text();
  REQUIRE_THAT(text, Contains("0.0312") && Contains("0.0625") && Contains("0.125"));
  const auto json = comparison_json(compared({}), nets, "unet", tests);
  REQUIRE(json["tests"][0]["p_holm"].get<double>() == Approx(0.0625));
  REQUIRE(json["networks"][1]["scores"]["iou"]["per_repeat"].size() == 2);
}

TEST_CASE("A network without a common case has no p-value and no part in Holm's correction", "[apps]") {
  auto comparison = compared({{"unet", {0.5, 0.6}}, {"aunet", {0.6, 0.8}}, {"fpa", {0.7, 0.8}}});
  for (auto& scores : comparison.cells.back().result.cases) scores.name += "_other";
  const auto tests = paired_tests(comparison, "unet", "iou");
  REQUIRE((tests[1].pairs == 0 && tests[1].unpaired == 4 && !tests[1].p_value && !tests[1].p_holm));
  REQUIRE(*tests[0].p_holm == *tests[0].p_value);
  REQUIRE_THAT(test_table(tests, "unet").text(), Contains("4 cases left out"));
}

TEST_CASE("p-values of means over repeats equal scipy's", "[apps]") {
  if (!test::python_has("scipy.stats")) PAM_SKIP("needs Python with scipy (Debian: python3-scipy)");
  torch::manual_seed(5);
  const auto base = torch::rand({3, 20}, torch::kDouble), other = (base + 0.1 * torch::randn_like(base) + 0.03);
  Comparison comparison;
  comparison.nets = {"unet", "fpa"};
  comparison.repeats = 3;
  for (std::int64_t repeat = 0; repeat < 3; ++repeat) {
    for (const auto& [net, values] : {std::pair{"unet", base}, {"fpa", other}}) {
      std::vector<CaseScores> cases;
      for (std::int64_t i = 0; i < 20; ++i)
        cases.push_back(scored(std::to_string(i), values[repeat][i].item<double>()));
      comparison.cells.push_back(cell(net, 0, repeat, std::move(cases)));
    }
  }
  const auto found = paired_tests(comparison, "unet", "iou")[0];
  nlohmann::json data;
  for (std::int64_t i = 0; i < 20; ++i) data.push_back((other - base).mean(0)[i].item<double>());
  const auto p = std::stod(test::run_python(
      "import sys, json, scipy.stats\nprint(repr(scipy.stats.wilcoxon(json.loads(sys.argv[1])).pvalue))",
      {data.dump()}));
  REQUIRE(found.wilcoxon.exact);
  REQUIRE(*found.p_value == Approx(p).epsilon(1e-12));  // both exact: sums of counts over 2^20
}

TEST_CASE("Names of figure 7 are taken apart, and their bars stand by dilation, expansion and kind", "[apps]") {
  const auto name = ablation_name("rfna_r8_full_e4");
  REQUIRE(name);
  REQUIRE((name->family == "rfna" && name->axis == 'r' && name->value == 8 && name->kind == "full" &&
           name->expansion == 4));
  for (const char* other : {"fpa", "fpa_section43", "fpa_d9_dw_e4x", "fpa_r8_dw_e4", "fpa_d9_half_e4", "unet"}) {
    INFO(other);
    REQUIRE_FALSE(ablation_name(other));
  }
  const auto nets = summarise_nets(
      compared({{"unet", {0.5}}, {"fpa_d9_dw_e4", {0.6}}, {"fpa_d6_dw_e1", {0.7}}, {"fpa_d9_full_e4", {0.8}}}, 2));
  const auto charts = ablation_charts(nets, "mm");
  REQUIRE(charts.size() == 4);  // of fpa alone: depth-wise and full, each by dilation and by expansion
  REQUIRE(charts[0].title == "fpa, depth-wise convolutions, by dilation");
  REQUIRE(charts[0].x_names == std::vector<std::string>{"6", "9"});
  REQUIRE(charts[0].series.size() == 2);
  REQUIRE(charts[0].series[0].name == "expansion 1");
  REQUIRE(charts[0].series[0].y[0] == Approx(70));
  REQUIRE(std::isnan(charts[0].series[0].y[1]));  // there is no fpa_d9_dw_e1
  REQUIRE(charts[0].series[1].y[1] == Approx(60));
  REQUIRE(charts[1].x_names == std::vector<std::string>{"1", "4"});
  REQUIRE(charts[1].series[1].name == "dilation 9");
  REQUIRE(charts[1].series[1].y[1] == Approx(60));
  REQUIRE(charts[3].title == "fpa, full convolutions, by expansion");
  REQUIRE(charts[3].series[0].y[0] == Approx(80));
  const auto plain = ablation_charts(summarise_nets(compared({{"unet", {0.5}}, {"fpa", {0.6}}})), "mm");
  REQUIRE(plain[0].x_names == std::vector<std::string>{"unet", "fpa"});
}

TEST_CASE("An ablation is figure 7's fifteen networks, all in the zoo, and gives four panels", "[apps]") {
  // The axes as the paper's figure prints them (../shared/paper/tables.json, figure7).
  REQUIRE(ablation_nets("fpa") == std::vector<std::string>{"fpa_d6_dw_e2", "fpa_d9_dw_e2", "fpa_d12_dw_e2",
                                                           "fpa_d6_dw_e4", "fpa_d9_dw_e4", "fpa_d12_dw_e4",
                                                           "fpa_d6_dw_e8", "fpa_d9_dw_e8", "fpa_d12_dw_e8",
                                                           "fpa_d6_full_e1", "fpa_d9_full_e1", "fpa_d12_full_e1",
                                                           "fpa_d6_full_e2", "fpa_d9_full_e2", "fpa_d12_full_e2"});
  REQUIRE(ablation_nets("unet").empty());
  const auto known = network_names();
  for (const char* family : {"fpa", "rfna"}) {
    std::vector<std::pair<std::string, std::vector<std::optional<double>>>> scores;
    for (const auto& net : ablation_nets(family)) {
      REQUIRE(std::count(known.begin(), known.end(), net) == 1);
      scores.push_back({net, {0.01 * static_cast<double>(scores.size() + 1)}});
    }
    REQUIRE(scores.size() == 15);
    const auto charts = ablation_charts(summarise_nets(compared(scores)), "mm");
    REQUIRE(charts.size() == 4);
    std::size_t bars = 0;
    for (const auto& chart : charts) {
      for (const auto& series : chart.series) {
        bars += static_cast<std::size_t>(
            std::count_if(series.y.begin(), series.y.end(), [](double y) { return std::isfinite(y); }));
      }
    }
    REQUIRE(bars == 30);  // every network by both axes
    REQUIRE(charts[0].series.size() == 3);
    REQUIRE(charts[2].series.size() == 2);
    REQUIRE(charts[0].series[1].y[2] == Approx(6));  // the sixth of the list: the largest value at expansion 4
    REQUIRE(charts[3].series[2].y[1] == Approx(15));
  }
}

TEST_CASE("The paper's figures are those of its tables 3 to 6", "[apps]") {
  // ../shared/paper/tables.json holds the tables as printed, taken down apart from the program's own.
  if (test::shared_dir().empty()) PAM_SKIP("there is no ../shared");
  const auto file = test::shared_dir() / "paper" / "tables.json";
  if (!std::filesystem::exists(file)) PAM_SKIP("there is no ../shared/paper/tables.json");
  const auto tables = nlohmann::json::parse(std::ifstream(file));
  const auto zoo_name = [](std::string name) {
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    return name;
  };
  std::map<std::string, std::size_t> rows;
  for (const auto& [table, task] :
       {std::pair{"table3", "cityscapes"}, {"table4", "isles"}, {"table5", "brats"}, {"table6", "brats"}}) {
    const auto figures = printed_figures(task);
    for (const auto& row : tables.at(table).at("rows")) {
      const auto net = zoo_name(row[0].get<std::string>());
      CAPTURE(table, net);
      ++rows[task];
      const auto& scores = figures.at(net);
      REQUIRE(scores.at("iou").mean == row[1].get<double>());
      REQUIRE(scores.at("iou").std == row[2].get<double>());
      REQUIRE(scores.at("hd").mean == row[3].get<double>());
      REQUIRE(scores.at("hd").std == row[4].get<double>());
      REQUIRE(scores.count("fn") == (row.size() > 5 ? 1 : 0));
      if (row.size() <= 5) continue;
      REQUIRE(scores.at("fn").mean == row[5].get<double>());
      REQUIRE(scores.at("fn").std == row[6].get<double>());
      REQUIRE(scores.at("fp").below);
      REQUIRE(paper_parameters(net) == row[7].get<double>());
    }
  }
  REQUIRE((rows["cityscapes"] == 4 && rows["isles"] == 5 && rows["brats"] == 10));
}

TEST_CASE("The paper's columns stand beside ours, and rows that cannot be of the foreground are named", "[apps]") {
  const auto comparison = compared({{"unet", {0.5}}, {"fpa", {0.6}}, {"fpa_section43", {0.7}}});
  const PaperColumns paper{true, printed_figures("brats"), paper_distance("brats"), paper_source("brats")};
  auto table = score_table(comparison, summarise_nets(comparison), paper, "Scores");
  explain_paper(table, paper, "brats", comparison.nets);
  std::map<std::string, std::vector<std::string>> columns;
  for (std::size_t c = 0; c < table.columns().size(); ++c) {
    for (std::size_t r = 0; r < 3; ++r) columns[table.columns()[c].name].push_back(table.formatted(r, c));
  }
  REQUIRE(columns["paper: IoU %"] == std::vector<std::string>{"66.67 ± 1.15", "70.10 ± 2.06", "–"});
  REQUIRE(columns["paper: FP %"] == std::vector<std::string>{"< 0.01", "< 0.01", "–"});
  REQUIRE(columns["paper: HD95"][1] == "10.86 ± 1.66");
  REQUIRE(columns["paper: FN %"][1] == "49.39 ± 4.56");
  const auto text = table.text();
  // 100 - 57.83 = 42.17
  REQUIRE_THAT(text, Contains("with its FN of 57.83 %, unet can have an IoU of 42.17 % at most, but 66.67 %") &&
                         Contains("Rows of this kind: unet, fpa.") && Contains("tables 5 and 6"));
  REQUIRE(impossible_pairs({{"a", {{"iou", {40}}, {"fn", {60}}}}}, {"a", "b"}).empty());  // 40 is allowed
  REQUIRE(printed_figures("folder").empty());
  explain_paper(table, {true, {}}, "folder", comparison.nets);
  REQUIRE_THAT(table.text(), Contains("no scores for the task folder"));
}

TEST_CASE("Table 2 and the data protocol are printed beside the defaults that follow them", "[apps]") {
  const auto tables = paper_settings_tables();
  REQUIRE(tables.size() == 2);
  // Table 2 as printed: epochs, batch, learning rate; then the defaults here, which must be the same.
  const std::vector<std::vector<std::string>> rows{{"cityscapes", "100", "8", "0.0002", "100, 8, 0.0002"},
                                                   {"brats", "80", "50", "0.0001", "80, 50, 0.0001"},
                                                   {"isles", "60", "80", "0.001", "60, 80, 0.001"}};
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) REQUIRE(tables[0].formatted(r, c) == rows[r][c]);
  }
  const auto text = tables[0].text() + tables[1].text();
  for (const char* word :
       {"AdamW", "loss = dice", "flip = true", "crop = 160x160", "crop = 224x224", "resize = 128x256", "folds = 5",
        "test_share = 0.2", "validation_share = 0.1", "label_values = 4"}) {
    INFO(word);
    REQUIRE_THAT(text, Contains(word));
  }
}

TEST_CASE("The paper's scores come from a file whose mistakes are named; its parameters are table 5's", "[apps]") {
  TempDir folder;
  const auto file = folder / "paper.json";
  const auto read = [&](const std::string& text) {
    std::ofstream(file) << text;
    return read_paper_figures(file, "brats");
  };
  const auto figures = read(R"({"isles": {}, "brats": {"unet": {"iou": [60, 1.5], "hd": 20}}})");
  REQUIRE(figures.at("unet").at("iou").std == 1.5);
  REQUIRE_FALSE(figures.at("unet").at("hd").std);
  REQUIRE(read("{}").empty());
  REQUIRE_THROWS_WITH(read("["), Contains("not a JSON object"));
  REQUIRE_THROWS_WITH(read(R"({"brats": {"unet": {"iuo": 1}}})"),
                      Contains("brats.unet.iuo") && Contains("did you mean iou"));
  REQUIRE_THROWS_WITH(read(R"({"brats": {"unet": {"iou": "60"}}})"), Contains("[mean, deviation]"));
  REQUIRE_THROWS_WITH(read(R"({"brats": {"unet": 5}})"), Contains("object of scores"));
  REQUIRE_THROWS_WITH(read_paper_figures(folder / "none.json", "brats"), Contains("No such file"));
  REQUIRE(paper_parameters("rfna") == 5.63);
  REQUIRE_FALSE(paper_parameters("fpa_section43"));
}

}  // namespace apps_comparison_test

// SPDX-License-Identifier: MIT
#include "comparison/comparison_report.hpp"

#include "comparison/comparison_chart.hpp"
#include "comparison/comparison_json.hpp"
#include "comparison/hypothesis_results.hpp"
#include "report/result_page.hpp"
#include "report/run_report.hpp"

#include <pam/core/atomic_file.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <utility>

namespace pam::apps {
namespace {

std::string in_words(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The option at "optimizer.learning_rate"; null where the recipe has none of that name.
nlohmann::json option_at(const nlohmann::json& options, const std::string& key) {
  const auto dot = key.find('.');
  const auto found = options.find(key.substr(0, dot));
  if (found == options.end()) return nullptr;
  return dot == std::string::npos ? *found : option_at(*found, key.substr(dot + 1));
}

/// The content of a comparison's files.
struct Results {
  std::vector<NetSummary> nets;
  std::string baseline;
  std::vector<PairedTest> tests;
  PaperColumns paper;
  std::vector<Table> tables;  ///< settings, scores, cost, tests, hypotheses, robustness
  std::optional<HypothesisReport> hypotheses;
};

PaperColumns paper_columns(const CompareOptions& options) {
  PaperColumns paper;
  paper.wanted = options.paper || !options.paper_figures.empty();
  paper.distance = paper_distance(options.task);
  if (options.paper) paper.figures = printed_figures(options.task);
  if (!paper.figures.empty()) paper.source = paper_source(options.task);
  if (options.paper_figures.empty()) return paper;
  for (auto& [net, scores] : read_paper_figures(options.paper_figures, options.task)) paper.figures[net] = scores;
  paper.source += fmt::format("{}Columns \"paper\" of the networks that are in {}: from there.",
                              paper.source.empty() ? "" : " ", options.paper_figures);
  return paper;
}

/// The task's title without the fold that it is of.
std::string title_of(const std::vector<FoldFacts>& facts) {
  const auto& title = facts.front().title;
  return title.substr(0, title.find(", fold "));
}

Results results_of(const CompareSetup& setup, const Comparison& comparison, const std::vector<FoldFacts>& facts) {
  Results results;
  results.nets = summarise_nets(comparison);
  results.baseline = setup.options.baseline == "best" ? best_baseline(results.nets) : setup.options.baseline;
  results.tests = all_paired_tests(comparison, results.baseline);
  results.paper = paper_columns(setup.options);
  results.tables.push_back(settings_table(comparison_settings(setup, facts)));
  auto scores = score_table(comparison, results.nets, results.paper,
                            fmt::format("{} (in place of the paper's tables 3 to 6)", title_of(facts)));
  explain_scores(scores);
  explain_paper(scores, results.paper, setup.options.task, comparison.nets);
  if (results.baseline.empty()) {
    scores.note("No paired tests: none of the networks is a baseline with a score; --baseline NAME names one.");
  }
  results.tables.push_back(std::move(scores));
  results.tables.push_back(cost_table(results.nets, results.paper));
  if (!results.tests.empty()) results.tables.push_back(test_table(results.tests, results.baseline));
  if (!setup.hypotheses) return results;
  results.hypotheses = judge(*setup.hypotheses, comparison);
  for (auto& table : hypothesis_tables(*setup.hypotheses, *results.hypotheses))
    results.tables.push_back(std::move(table));
  return results;
}

/// Every score of every case in every repeat.
Table all_cases(const Comparison& comparison) {
  std::vector<Column> columns{"net", {"fold", 0}, {"repeat", 0}, "case"};
  for (const auto& metric : case_metrics()) columns.emplace_back(metric.key, 3);
  for (const char* flag : {"missed", "false_alarm", "empty"}) columns.emplace_back(flag, 0);
  Table table("", columns);
  for (const auto& cell : comparison.cells) {
    for (const auto& scores : cell.result.cases) {
      std::vector<Cell> row{cell.net, cell.fold, cell.repeat, scores.name};
      for (const auto& metric : case_metrics()) row.emplace_back(scores.*metric.value);
      for (const bool flag : {scores.missed, scores.false_alarm, scores.empty}) row.emplace_back(flag ? 1 : 0);
      table.row(std::move(row));
    }
  }
  return table;
}

/// The epochs of a network's first cell, but with the seconds of all cells, so that the page shows the same time per
/// epoch in every table.
std::vector<EpochPoint> page_epochs(const std::vector<const ComparedCell*>& cells) {
  auto epochs = cells.front()->result.epochs;
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    double sum = 0, count = 0;
    for (const auto* cell : cells) {
      if (i >= cell->result.epochs.size()) continue;  // stopped early
      sum += cell->result.epochs[i].seconds;
      ++count;
    }
    epochs[i].seconds = sum / count;
  }
  return epochs;
}

/// For the page: each network with its cases' means over repeats and the epochs of its first cell.
std::vector<NetworkResult> page_results(const Comparison& comparison, const std::vector<NetSummary>& nets) {
  std::vector<NetworkResult> results;
  for (const auto& net : nets) {
    if (net.cases.empty()) continue;
    NetworkResult result;
    result.name = net.net;
    result.parameters = net.parameters;
    result.cases = net.cases;
    result.distance_unit = comparison.unit;
    result.epochs = page_epochs(detail::cells_of(comparison, net.net));
    results.push_back(std::move(result));
  }
  return results;
}

/// What a file holds.
std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The overlays that the cells of repeat 0 drew of one case.
CasePictures case_pictures(const std::filesystem::path& out, const Comparison& comparison, const std::string& name) {
  CasePictures shown;
  shown.name = name;
  for (const auto& net : comparison.nets) {
    for (const auto* cell : detail::cells_of(comparison, net)) {
      const auto& cases = cell->result.cases;
      const auto scores = std::find_if(cases.begin(), cases.end(), [&](const auto& each) { return each.name == name; });
      const auto file = cell_folder(out, cell->fold, cell->repeat, net) / "overlays" / (name + ".png");
      if (scores == cases.end() || !std::filesystem::exists(file)) continue;
      const auto caption = fmt::format("{}, repeat {}, Dice {}", net, cell->repeat,
                                       scores->dice ? fmt::format("{:.3f}", *scores->dice) : "undefined");
      shown.pictures.push_back(
          {text_of(file), fmt::format("{} of {}: image, and prediction against truth", caption, name), caption});
      break;
    }
  }
  return shown;
}

/// Writes the tables and charts of the hypotheses; returns the names of the files.
std::string write_hypotheses(const Hypotheses& hypotheses, const HypothesisReport& report, const Comparison& comparison,
                             const std::filesystem::path& out) {
  std::string names = "hypotheses.json hypotheses.csv ";
  write_atomically(out / "hypotheses.csv", hypothesis_rows(report).csv());
  for (const char* name : {"equal_fp.csv", "trade.svg"}) std::filesystem::remove(out / name);  // may not come again
  if (!report.equal_fp.empty()) {
    write_atomically(out / "equal_fp.csv", equal_fp_rows(report).csv());
    names += "equal_fp.csv ";
  }
  for (const auto& result : report.results) {
    const auto name = fmt::format("hypothesis_{}.svg", result.hypothesis.id);
    if (write_charts(out / name, hypothesis_charts(result, hypotheses.bootstrap.level))) names += name + " ";
  }
  if (write_charts(out / "trade.svg", {trade_chart(comparison)})) names += "trade.svg ";
  return names;
}

void write_page(const CompareSetup& setup, const Comparison& comparison, const std::vector<FoldFacts>& facts,
                const Results& results, const nlohmann::json& record, const std::string& command) {
  const std::filesystem::path out = setup.experiment.out;
  ResultPage page;
  page.title = title_of(facts) + ": comparison";
  page.lead = fmt::format("Networks: {}; folds: {}; repeats: {}.", joined(comparison.nets, ", "),
                          joined(comparison.folds, ", "), comparison.repeats);
  page.caveats = facts.front().caveats;
  page.caveats.push_back(
      "In the first table, the scatter plot and the list of cases, each case counts once, with the mean of its scores "
      "over the repeats, and is missed or a false alarm if it was so in any repeat; ± is over cases. In the table in "
      "the paper's form, ± is over the repeats.");
  for (const auto& cell : comparison.failed) {
    page.caveats.push_back(
        fmt::format("{} failed in fold {}, repeat {}: {}", cell.net, cell.fold, cell.repeat, cell.reason));
  }
  page.results = page_results(comparison, results.nets);
  page.tables = results.tables;
  page.training_notes.push_back("The curves are of each network's first cell; every cell's report has its own.");
  for (const auto& cell : comparison.cells) {
    if (cell.reversed && cell.fold == comparison.folds.front() && cell.repeat == 0) {
      page.training_notes.push_back(
          cell.net +
          " learns reversed labels, so its loss is that of the background and cannot be compared with the others'.");
    }
  }
  for (const auto& name : worst_cases(page.results, static_cast<std::size_t>(setup.experiment.worst))) {
    page.pictures.push_back(case_pictures(out, comparison, name));
  }
  for (auto& chart : ablation_charts(results.nets, comparison.unit)) {
    const auto words = fmt::format("{} {}: bars, with the deviation over repeats.", chart.title, chart.y_label);
    page.charts.emplace_back(words, std::move(chart));
  }
  if (results.hypotheses) {
    for (const auto& result : results.hypotheses->results) {
      for (auto& chart : hypothesis_charts(result, setup.hypotheses->bootstrap.level)) {
        page.charts.emplace_back(
            fmt::format("{}: {} {}.", result.hypothesis.id, result.hypothesis.claim, result.verdict), std::move(chart));
      }
    }
    page.charts.emplace_back(
        "FN and FP of the test cases over all thresholds, mean over the trainings; the dots are at 0.5.",
        trade_chart(comparison));
  }
  page.record = record;
  page.options = record.value("options", nlohmann::json());
  page.command = command;
  result_page(page).write(out / "report.html");
}

}  // namespace

std::vector<Setting> comparison_settings(const CompareSetup& setup, const std::vector<FoldFacts>& facts) {
  std::vector<Setting> settings{{"task", setup.options.task, ""}, {"data", facts.front().data, ""}};
  std::int64_t cases = 0;
  for (const auto& fold : facts) {
    cases += fold.test_cases;
    settings.push_back({fmt::format("fold {}", fold.fold), fold.lead, ""});
  }
  settings.push_back({"cases tested", std::to_string(cases), ""});
  const auto& usual = setup.recipe.defaults;
  for (const auto* key : {"epochs", "batch", "optimizer.learning_rate", "optimizer.weight_decay", "schedule.kind",
                          "loss", "crop", "resize", "size", "slices", "label_values", "normalise", "flip", "width"}) {
    const auto value = option_at(setup.recipe_options, key), before = option_at(usual, key);
    const bool said = !value.is_null() && (value != "" || before != "");
    if (said) settings.push_back({key, in_words(value), before.is_null() ? "" : in_words(before)});
  }
  const auto seed = setup.experiment.seed;
  settings.push_back({"repeats", std::to_string(setup.options.repeats), std::to_string(CompareOptions().repeats)});
  const auto last = seed + setup.options.repeats - 1;
  settings.push_back({"seeds", last > seed ? fmt::format("{} to {}", seed, last) : std::to_string(seed), ""});
  return settings;
}

void write_comparison(const CompareSetup& setup, const Comparison& comparison,
                      const std::map<double, Comparison>& perturbed, const std::vector<FoldFacts>& facts,
                      RunRecord& record, const std::string& command) {
  const std::filesystem::path out = setup.experiment.out;
  auto results = results_of(setup, comparison, facts);
  for (const auto& [epsilon, scores] : perturbed) {
    results.tables.push_back(score_table(scores, summarise_nets(scores), {},
                                         fmt::format("Robustness: under FGSM perturbations of size {}", epsilon)));
  }
  std::string markdown;
  for (const auto& table : results.tables) markdown += table.markdown() + "\n";
  write_atomically(out / "comparison.md", markdown);
  write_atomically(out / "comparison.csv", results.tables[1].csv());
  write_atomically(out / "cases.csv", all_cases(comparison).csv());
  auto json = comparison_json(comparison, results.nets, results.baseline, results.tests);
  for (const auto& [epsilon, scores] : perturbed) {
    json["robustness"][fmt::format("{}", epsilon)] = comparison_json(scores, summarise_nets(scores), "", {});
  }
  if (results.hypotheses) json["hypotheses"] = to_json(*setup.hypotheses, *results.hypotheses);
  for (const auto& setting : comparison_settings(setup, facts)) json["settings"][setting.name] = setting.value;
  write_atomically(out / "comparison.json",
                   json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");

  const auto charts = ablation_charts(results.nets, comparison.unit);
  const bool drawn = write_charts(out / "ablation.svg", charts);
  const auto more = results.hypotheses ? write_hypotheses(*setup.hypotheses, *results.hypotheses, comparison, out) : "";

  std::vector<FileFingerprint> files;
  std::set<std::filesystem::path> seen;
  for (const auto& fold : facts) {
    for (const auto& file : fold.files) {
      if (seen.insert(file.path).second) files.push_back(file);
    }
  }
  record.data(files, facts.front().data).set("failed", json["failed"]);
  if (setup.hypotheses) {
    const auto& fixed = *setup.hypotheses;
    record.set("hypotheses", {{"file", fixed.file}, {"fingerprint", fixed.fingerprint()}, {"text", fixed.text}});
  }
  record.write(out / "run.json");
  write_page(setup, comparison, facts, results, record.json(), command);

  for (const auto& table : results.tables) std::cout << "\n" << table.text();
  std::cout << fmt::format(
      "\n{0}/: comparison.md comparison.csv comparison.json cases.csv {1}{2}run.json config.json\n"
      "report: {0}/report.html\n",
      out.string(), drawn ? "ablation.svg " : "", more);
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
/// The tables of a comparison: settings (the paper's tables 1 and 2), scores (3 to 6), cost, and paired tests.
#pragma once

#include "comparison/comparison.hpp"
#include "comparison/comparison_statistics.hpp"
#include "comparison/paper_figures.hpp"

#include <pam/report/name_list.hpp>
#include <pam/report/table.hpp>

#include <fmt/format.h>

#include <string>
#include <vector>

namespace pam::apps {

/// One line of the settings: the value that was used, and the recipe's default.
struct Setting {
  std::string name, value, usual;
};

/// What is printed beside the measured columns if the paper's figures are wanted.
struct PaperColumns {
  bool wanted = false;
  PaperFigures figures;         ///< empty: parameters alone
  std::string distance = "HD";  ///< what the paper calls its distance
  std::string source = {};      ///< where `figures` are from, as a sentence for the notes
};

namespace detail {

/// A column of the score table: the score, its heading, digits, factor, and the name of the paper's column.
struct ScoreColumn {
  const char *key, *heading;
  int digits;
  double factor;
  const char* paper;
  bool distance;
};

inline const std::vector<ScoreColumn>& score_columns() {
  static const std::vector<ScoreColumn> columns{
      {"iou", "IoU %", 1, 100, "iou", false},          {"miou", "mIoU %", 1, 100, "", false},
      {"dice", "Dice %", 1, 100, "", false},           {"fp_percent", "FP %", 2, 1, "fp", false},
      {"fn_percent", "FN %", 1, 1, "fn", false},       {"hd95", "HD95", 1, 1, "hd", true},
      {"hd95_penalised", "HD95 pen.", 1, 1, "", true},
  };
  return columns;
}

inline Cell summary_cell(const MetricSummary& summary, double factor = 1) {
  if (!summary.mean) return Cell(std::nullopt);
  return summary.std ? Cell(*summary.mean * factor, *summary.std * factor) : Cell(*summary.mean * factor);
}

/// The paper's figures of one score in the tables' order; empty where it has none of these networks.
inline std::vector<Cell> paper_cells(const std::vector<NetSummary>& nets, const PaperColumns& paper, const char* key) {
  std::vector<Cell> cells;
  bool any = false;
  for (const auto& net : nets) {
    const auto scores = paper.figures.find(net.net);
    const auto* figure =
        scores != paper.figures.end() && scores->second.count(key) != 0 ? &scores->second.at(key) : nullptr;
    any = any || figure != nullptr;
    if (figure == nullptr) {
      cells.emplace_back(std::nullopt);
    } else if (figure->below) {
      cells.emplace_back(fmt::format("< {}", figure->mean));
    } else {
      cells.push_back(figure->std ? Cell(figure->mean, *figure->std) : Cell(figure->mean));
    }
  }
  if (!any) cells.clear();
  return cells;
}

/// A table from whole columns.
inline Table table_of_columns(const std::string& caption, const std::vector<Column>& columns,
                              const std::vector<std::vector<Cell>>& cells) {
  Table table(caption, columns);
  for (std::size_t r = 0; r < cells.front().size(); ++r) {
    std::vector<Cell> row;
    for (const auto& column : cells) row.push_back(column[r]);
    table.row(std::move(row));
  }
  return table;
}

/// "case_1 (3 of 3 repeats), case_4 (1 of 3 repeats)"
inline std::string counted_names(const NetSummary& net, std::vector<std::string> ScoreSummary::*list) {
  std::map<std::string, std::size_t> counts;
  for (const auto& summary : net.each) {
    for (const auto& name : summary.*list) ++counts[name];
  }
  std::vector<std::string> names;
  for (const auto& [name, count] : counts) {
    names.push_back(fmt::format("{} ({} of {} repeats)", name, count, net.each.size()));
  }
  return name_list(names, 12);
}

inline std::int64_t count_of(const NetSummary& net, std::vector<std::string> ScoreSummary::*list) {
  std::int64_t count = 0;
  for (const auto& summary : net.each) count += static_cast<std::int64_t>((summary.*list).size());
  return count;
}

/// Sentences about what the means of `net` hide.
inline void note_net(Table& table, const Comparison& comparison, const NetSummary& net) {
  const auto tell = [&](std::vector<std::string> ScoreSummary::*list, const char* what) {
    if (count_of(net, list) > 0) table.note(fmt::format("{}: {}: {}.", net.net, what, counted_names(net, list)));
  };
  tell(&ScoreSummary::missed, "missed, HD95 leaves these out and HD95 pen. does not");
  tell(&ScoreSummary::false_alarms, "false alarms, foreground where there is none");
  tell(&ScoreSummary::empty, "empty in truth and prediction, so without IoU and HD95");
  if (static_cast<std::int64_t>(net.repeats.size()) < comparison.repeats) {
    table.note(fmt::format("{}: {} of {} repeats have all folds; the means are over those.", net.net,
                           net.repeats.size(), comparison.repeats));
  }
}

inline std::string p_text(const std::optional<double>& p) { return p ? fmt::format("{:.3g}", *p) : "–"; }

}  // namespace detail

/// Settings, as the paper's tables 1 and 2 give them.
[[nodiscard]] inline Table settings_table(const std::vector<Setting>& settings) {
  Table table("Settings (tables 1 and 2)", {"setting", "here", "the recipe's default"});
  for (const auto& setting : settings) table.row({setting.name, setting.value, setting.usual});
  return table;
}

/// The scores, mean ± sample standard deviation over repeats, one row per network, with the paper's columns beside
/// those that it prints too. Notes name missed cases, false alarms and failed cells.
[[nodiscard]] inline Table score_table(const Comparison& comparison, const std::vector<NetSummary>& nets,
                                       const PaperColumns& paper, const std::string& caption) {
  std::vector<Column> columns{"net"};
  std::vector<std::vector<Cell>> cells(1);
  for (const auto& net : nets) cells[0].emplace_back(net.net);
  for (const auto& score : detail::score_columns()) {
    columns.emplace_back(score.heading + (score.distance ? " " + comparison.unit : std::string()), score.digits);
    cells.emplace_back();
    for (const auto& net : nets) cells.back().push_back(detail::summary_cell(net.of(score.key), score.factor));
    auto printed = detail::paper_cells(nets, paper, score.paper);
    if (printed.empty()) continue;
    columns.emplace_back(fmt::format("paper: {}", score.distance ? paper.distance.c_str() : score.heading), 2);
    cells.push_back(std::move(printed));
  }
  const auto counts = [&](const char* heading, std::vector<std::string> ScoreSummary::*list) {
    columns.emplace_back(heading, 0);
    cells.emplace_back();
    for (const auto& net : nets)
      cells.back().emplace_back(net.each.empty() ? Cell(std::nullopt) : Cell(detail::count_of(net, list)));
  };
  counts("missed", &ScoreSummary::missed);
  counts("false alarms", &ScoreSummary::false_alarms);
  auto table = detail::table_of_columns(caption, columns, cells);
  for (const auto& net : nets) detail::note_net(table, comparison, net);
  for (const auto& cell : comparison.failed) {
    table.note(fmt::format("{}: failed in fold {}, repeat {}: {}", cell.net, cell.fold, cell.repeat, cell.reason));
  }
  return table;
}

/// Says under the score table what the paper's columns are, and which of its rows cannot be of the foreground.
inline void explain_paper(Table& table, const PaperColumns& paper, const std::string& task,
                          const std::vector<std::string>& compared) {
  if (!paper.wanted) return;
  if (paper.figures.empty()) {
    table.note(fmt::format("The paper has no scores for the task {}; --paper-figures FILE gives others.", task));
    return;
  }
  if (!paper.source.empty()) table.note(paper.source);
  const auto nets = impossible_pairs(paper.figures, compared);
  if (nets.empty()) return;
  const auto& first = paper.figures.at(nets.front());
  const double iou = first.at("iou").mean, fn = first.at("fn").mean;
  table.note(fmt::format(
      "The paper's IoU and FN cannot both be of the foreground, whose IoU is at most 100 % - FN: with its FN of "
      "{1:.2f} "
      "%, {0} can have an IoU of {2:.2f} % at most, but {3:.2f} % is printed. Rows of this kind: {4}. A mean IoU over "
      "foreground and background can have these values: compare the paper's IoU with mIoU.",
      nets.front(), fn, 100 - fn, iou, joined(nets, ", ")));
}

/// Explains the columns under the first score table.
inline void explain_scores(Table& table) {
  table.note(
      "IoU and Dice are of the foreground, mIoU is the mean over foreground and background. Both are given because the "
      "paper does not say which its IoU is: table 5 has an IoU of 66 % beside FN 58 %, and the foreground's IoU cannot "
      "exceed 100 % - FN. The authors' released code averages Dice over both classes under that name.");
  table.note(
      "Each case is a volume or a picture, tested once per repeat; ± is over the repeats. Missed cases and false "
      "alarms are counted over all repeats.");
}

/// Parameters and training time.
[[nodiscard]] inline Table cost_table(const std::vector<NetSummary>& nets, const PaperColumns& paper) {
  std::vector<Column> columns{"net", {"parameters", 0, true}};
  std::vector<std::vector<Cell>> cells(2);
  for (const auto& net : nets) {
    cells[0].emplace_back(net.net);
    cells[1].emplace_back(net.parameters > 0 ? Cell(net.parameters) : Cell(std::nullopt));
  }
  if (paper.wanted) {
    columns.emplace_back("paper: M, 4 channels, width 32", 2);
    cells.emplace_back();
    for (const auto& net : nets) cells.back().emplace_back(paper_parameters(net.net));
  }
  columns.insert(columns.end(), {{"s per training", 1}, {"s/epoch", 2}});
  cells.resize(cells.size() + 2);
  for (const auto& net : nets) {
    cells[cells.size() - 2].push_back(detail::summary_cell(net.seconds));
    cells[cells.size() - 1].push_back(detail::summary_cell(net.seconds_per_epoch));
  }
  auto table = detail::table_of_columns("Parameters and training time", columns, cells);
  table.note("Training only, without validation and scoring; mean ± sample standard deviation over folds and repeats.");
  return table;
}

/// The paired tests against `baseline`. Throws where `tests` is empty.
[[nodiscard]] inline Table test_table(const std::vector<PairedTest>& tests, const std::string& baseline) {
  check(!tests.empty(), "test_table: there are no tests");
  Table table(fmt::format("Paired tests against {}", baseline), {"score",
                                                                 "net",
                                                                 {"pairs", 0},
                                                                 {"left out", 0},
                                                                 {"better", 0},
                                                                 {"worse", 0},
                                                                 {"mean difference", 4},
                                                                 {"p", 0},
                                                                 {"p Holm", 0}});
  for (const auto& test : tests) {
    table.row({test.metric, test.net, test.pairs, test.undefined + test.unpaired, test.better, test.worse,
               test.difference, detail::p_text(test.p_value), detail::p_text(test.p_holm)});
    if (test.unpaired > 0) {
      table.note(fmt::format("{}, {}: {} cases left out that only one of the two networks scored.", test.net,
                             test.metric, test.unpaired));
    }
  }
  table.note(
      "Wilcoxon signed-rank test, two-sided, one pair per case: its mean over the repeats where it is defined (IoU 0 "
      "to 1; HD95 with missed cases and false alarms at the image's diagonal). Cases without a value (empty in truth "
      "and prediction) are left out. Holm's correction is over the networks of one score.");
  return table;
}

}  // namespace pam::apps

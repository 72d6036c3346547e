// SPDX-License-Identifier: MIT
/// `result_page`: the report of one training or of several networks side by side, as one HTML file: scores, the worst
/// cases in pictures, training curves, every case, and what is needed to repeat the run.
#pragma once

#include "report/html.hpp"
#include "report/result_charts.hpp"

#include <pam/report/network_result.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// The pictures of one case: the image, and each network's prediction.
struct CasePictures {
  std::string name;              ///< of the case
  std::vector<Figure> pictures;  ///< in reading order
  std::int64_t columns = 0;      ///< pictures in a row; 0 = as many as fit
};

/// The content of a report. Every part may be empty.
struct ResultPage {
  std::string title, lead;
  std::vector<std::string> caveats;  ///< what a reader must know before believing the numbers
  std::vector<NetworkResult> results;
  std::vector<Table> tables;                          ///< further scores, such as those of each class
  std::vector<std::string> training_notes;            ///< what a reader of the training curves must know
  std::vector<CasePictures> pictures;                 ///< worst first
  std::vector<std::pair<std::string, Chart>> charts;  ///< further charts of the cases, with a caption
  nlohmann::json record;   ///< the run record (RunRecord::json): versions, machine, data, time
  nlohmann::json options;  ///< as the program takes them with --config
  std::string command;     ///< the command that repeats this run
};

namespace detail {

inline std::string plain_json(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// {"machine": {"cpu": "x"}} -> ("machine: cpu", "x"), …
inline std::vector<std::pair<std::string, std::string>> record_facts(const nlohmann::json& record) {
  std::vector<std::pair<std::string, std::string>> facts;
  if (!record.is_object()) return facts;
  for (const auto& [key, value] : record.items()) {
    if (key == "options") continue;
    if (!value.is_object()) {
      facts.emplace_back(key, plain_json(value));
      continue;
    }
    for (const auto& [inner, each] : value.items()) facts.emplace_back(key + ": " + inner, plain_json(each));
  }
  return facts;
}

inline void add_chart(HtmlPage& page, const Chart& chart, const std::string& alt, const std::string& caption) {
  if (auto svg = charts_svg({chart})) page.chart(std::move(*svg), alt, caption);
}

inline Table epoch_table(const NetworkResult& result) {
  Table table(
      "Epochs of " + result.name,
      {{"epoch", 0}, {"loss", 4}, {"learning rate", 6}, {"seconds", 2}, {"waited for data %", 1}, {"validation", 4}});
  for (const auto& point : result.epochs) {
    table.row(
        {point.epoch, point.loss, point.learning_rate, point.seconds, 100 * point.data_wait_share, point.validation});
  }
  return table;
}

/// In words, for readers who do not see the chart.
inline std::string loss_in_words(const std::vector<NetworkResult>& results) {
  std::string words = "Training loss by epoch.";
  for (const auto& result : results) {
    if (result.epochs.empty()) continue;
    words += fmt::format(" {}: from {:.4f} to {:.4f} in {} epochs.", result.name, result.epochs.front().loss,
                         result.epochs.back().loss, result.epochs.size());
  }
  return words;
}

inline std::string scatter_in_words(const std::vector<NetworkResult>& results, const char* key, const char* name) {
  std::string words = fmt::format("{} of each case, one column per network.", name);
  for (const auto& result : results) {
    const auto summary = summarise(result.cases);
    const auto& metric = summary.of(key);
    if (metric.mean) words += fmt::format(" {}: mean {:.3f} over {} cases.", result.name, *metric.mean, metric.cases);
  }
  return words;
}

inline void add_scores(HtmlPage& page, const ResultPage& content) {
  page.section("Scores");
  for (const auto& caveat : content.caveats) page.notice(caveat);
  page.table(network_table(content.results, "Scores on the test cases"));
  for (const auto& table : content.tables) page.table(table);
  page.begin_details("What the columns mean");
  page.facts({{"IoU", "intersection over union of the foreground, TP / (TP + FP + FN); 1 is perfect"},
              {"Dice", "2 TP / (2 TP + FP + FN); 1 is perfect"},
              {"HD95",
               "95th percentile of the distances between the two borders, the larger of both directions; 0 is perfect"},
              {"HD95 pen.", "HD95 where missed cases and false alarms count with the image's diagonal"},
              {"FP %", "share of the background that was predicted as foreground, FP / (FP + TN)"},
              {"FN %", "share of the foreground that was not found, FN / (TP + FN)"},
              {"mean ± std", "over the test cases, each volume or picture being one; sample standard deviation"},
              {"–", "undefined, such as the distance to a border that is not there"}});
  page.end_details();
}

inline void add_pictures(HtmlPage& page, const ResultPage& content) {
  if (content.pictures.empty()) return;
  page.section("Pictures");
  page.paragraph(content.pictures.size() == 1
                     ? std::string("The test case with its predictions.")
                     : fmt::format("The {} cases with the lowest IoU, worst first.", content.pictures.size()));
  page.overlay_legend();
  for (const auto& each : content.pictures) {
    page.subsection(each.name);
    page.figures(each.pictures, each.columns);
  }
}

inline void add_training(HtmlPage& page, const ResultPage& content) {
  page.section("Training");
  add_chart(page, loss_chart(content.results), loss_in_words(content.results), "Mean training loss of each epoch.");
  add_chart(page, validation_chart(content.results, "score"), "Validation score by epoch.",
            "Score on the validation cases after each epoch; higher is better.");
  for (const auto& note : content.training_notes) page.paragraph(note);
  for (const auto& result : content.results) {
    if (result.epochs.empty()) continue;
    page.begin_details("Every epoch of " + result.name);
    page.table(epoch_table(result)).end_details();
  }
}

inline void add_cases(HtmlPage& page, const ResultPage& content) {
  page.section("Cases");
  std::size_t most = 0;
  for (const auto& result : content.results) most = std::max(most, result.cases.size());
  if (most > 1) {
    auto iou = case_scatter(content.results, &CaseScores::iou, "IoU of each case", "IoU");
    iou.y_high = 1;
    add_chart(page, iou, scatter_in_words(content.results, "iou", "IoU"), "One point per case.");
    add_chart(page,
              case_scatter(content.results, &CaseScores::hd95_penalised, "HD95 (penalised) of each case",
                           content.results.front().distance_unit),
              scatter_in_words(content.results, "hd95_penalised", "HD95 (penalised)"),
              "One point per case; missed cases and false alarms count with the image's diagonal.");
  }
  for (const auto& [caption, chart] : content.charts) add_chart(page, chart, caption, caption);
  const auto table = case_table(content.results, "Every score of every case");
  if (table.rows().size() > 12) page.begin_details(fmt::format("All {} rows", table.rows().size()));
  page.table(table);
  if (table.rows().size() > 12) page.end_details();
}

inline void add_record(HtmlPage& page, const ResultPage& content) {
  page.section("How it was made");
  if (!content.command.empty()) page.code(content.command, "Command");
  page.facts(record_facts(content.record));
  if (!content.options.is_null()) {
    page.begin_details("All options, as --config takes them");
    page.code(content.options.dump(2, ' ', false, nlohmann::json::error_handler_t::replace), "Options as JSON");
    page.end_details();
  }
}

}  // namespace detail

/// The page of `content`, not yet written.
[[nodiscard]] inline HtmlPage result_page(const ResultPage& content) {
  HtmlPage page(content.title, content.lead);
  detail::add_scores(page, content);
  detail::add_pictures(page, content);
  detail::add_training(page, content);
  detail::add_cases(page, content);
  detail::add_record(page, content);
  return page;
}

}  // namespace pam::apps

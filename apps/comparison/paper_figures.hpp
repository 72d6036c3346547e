// SPDX-License-Identifier: MIT
/// The paper's figures (Xu et al., BMVC 2020), to be printed beside measured ones: scores and parameters of tables 3 to
/// 6, and a file's in their place.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// A printed score; no deviation where the table has none.
struct PaperFigure {
  double mean = 0;
  std::optional<double> std = std::nullopt;
  bool below = false;  ///< printed as "< mean"
};

/// [net][score], of one task.
using PaperFigures = std::map<std::string, std::map<std::string, PaperFigure>>;

/// Where `printed_figures` are from, as a sentence; for tasks that have some.
[[nodiscard]] inline std::string paper_source(const std::string& task) {
  const auto* table = task == "cityscapes" ? "table 3" : task == "isles" ? "table 4" : "tables 5 and 6";
  return fmt::format(
      "Columns \"paper\": {} of Xu et al., BMVC 2020, as printed{}. The paper does not say of what its IoU is, nor in "
      "which unit its distances are.",
      table, task == "brats" ? " (table 6, with unet, wunet, d6unet and d9unet, calls its distance HD)" : "");
}

/// What the paper calls its distance in the table of `task`. (Table 6, whose nets are also in "brats", prints HD.)
[[nodiscard]] inline std::string paper_distance(const std::string& task) { return task == "brats" ? "HD95" : "HD"; }

/// The scores of tables 3 (cityscapes), 4 (isles), 5 and 6 (brats), as printed: per cent, and distances whose unit the
/// paper does not give. Empty for other tasks. fpa and rfna also stand under the zoo's other names of the same nets.
[[nodiscard]] inline PaperFigures printed_figures(const std::string& task) {
  struct Row {
    const char *task, *net;
    PaperFigure iou, hd;
    std::optional<PaperFigure> fn;
  };
  static const std::vector<Row> rows{
      {"cityscapes", "aunet", {54.17, 0.15}, {64.69, 0.67}, {}},
      {"cityscapes", "cscunet", {54.45, 0.31}, {60.15, 1.96}, {}},
      {"cityscapes", "rfna", {55.62, 0.45}, {65.18, 3.36}, {}},
      {"cityscapes", "fpa", {59.39, 0.65}, {49.10, 2.51}, {}},
      {"isles", "unet", {52.41, 0.78}, {25.49, 1.38}, {}},
      {"isles", "aunet", {52.35, 0.63}, {23.66, 0.87}, {}},
      {"isles", "cscunet", {52.70, 0.69}, {27.28, 0.72}, {}},
      {"isles", "rfna", {52.99, 1.63}, {18.10, 4.75}, {}},
      {"isles", "fpa", {54.61, 0.54}, {19.44, 1.41}, {}},
      {"brats", "aunet", {66.48, 1.04}, {15.51, 0.82}, PaperFigure{58.42, 2.58}},
      {"brats", "cscunet", {66.75, 1.00}, {15.50, 1.79}, PaperFigure{58.11, 3.28}},
      {"brats", "gcnunet", {66.57, 1.20}, {15.11, 1.05}, PaperFigure{58.16, 2.19}},
      {"brats", "cbamunet", {66.52, 1.50}, {15.19, 1.59}, PaperFigure{58.68, 3.11}},
      {"brats", "rfna", {71.15, 1.78}, {21.76, 1.08}, PaperFigure{50.15, 2.94}},
      {"brats", "fpa", {70.10, 2.06}, {10.86, 1.66}, PaperFigure{49.39, 4.56}},
      {"brats", "unet", {66.67, 1.15}, {14.77, 1.61}, PaperFigure{57.83, 2.25}},  // table 6 from here on
      {"brats", "wunet", {66.89, 1.07}, {15.40, 0.87}, PaperFigure{57.66, 3.20}},
      {"brats", "d6unet", {66.42, 1.14}, {15.174, 1.92}, PaperFigure{58.52, 2.68}},
      {"brats", "d9unet", {66.63, 1.41}, {15.61, 1.08}, PaperFigure{58.07, 3.79}},
  };
  static const std::vector<std::pair<const char*, std::vector<const char*>>> same{
      {"fpa", {"fpa_table5", "fpa_d9_dw_e4"}}, {"rfna", {"rfna_table5", "rfna_r8_dw_e8"}}};
  PaperFigures figures;
  for (const auto& row : rows) {
    if (row.task != task) continue;
    auto& scores = figures[row.net];
    scores = {{"iou", row.iou}, {"hd", row.hd}};
    if (row.fn) scores.insert({{"fn", *row.fn}, {"fp", {0.01, std::nullopt, true}}});
  }
  for (const auto& [net, names] : same) {
    if (figures.count(net) == 0) continue;
    for (const auto* name : names) figures[name] = figures[net];
  }
  return figures;
}

/// Those of `nets` whose IoU and FN in `figures` cannot both be of the foreground: TP / (TP + FN + FP) is at most
/// TP / (TP + FN), so the foreground's IoU is at most 100 % - FN.
[[nodiscard]] inline std::vector<std::string> impossible_pairs(const PaperFigures& figures,
                                                               const std::vector<std::string>& nets) {
  std::vector<std::string> impossible;
  for (const auto& net : nets) {
    const auto found = figures.find(net);
    if (found == figures.end()) continue;
    const auto& scores = found->second;
    const auto iou = scores.find("iou"), fn = scores.find("fn");
    if (iou != scores.end() && fn != scores.end() && iou->second.mean > 100 - fn->second.mean)
      impossible.push_back(net);
  }
  return impossible;
}

/// Parameters of `net` in millions, as tables 5 and 6 print them; none for networks that are in neither.
[[nodiscard]] inline std::optional<double> paper_parameters(const std::string& net) {
  static const std::map<std::string, double> millions{
      {"unet", 3.13},        {"d6unet", 3.13},   {"d9unet", 3.13},      {"wunet", 12.51},       {"aunet", 3.16},
      {"cscunet", 3.14},     {"cbamunet", 3.14}, {"gcnunet", 3.15},     {"fpa", 4.2},           {"fpa_table5", 4.2},
      {"fpa_d9_dw_e4", 4.2}, {"rfna", 5.63},     {"rfna_table5", 5.63}, {"rfna_r8_dw_e8", 5.63}};
  const auto found = millions.find(net);
  return found == millions.end() ? std::nullopt : std::optional<double>(found->second);
}

/// The scores that a file of the paper's figures may hold, as the paper calls and prints them: per cent, mm or pixels.
inline const std::vector<std::string>& paper_scores() {
  static const std::vector<std::string> keys{"iou", "hd", "fp", "fn"};
  return keys;
}

namespace detail {

inline PaperFigure paper_figure(const nlohmann::json& value, const std::string& where) {
  const auto number = [](const nlohmann::json& json) { return json.is_number(); };
  check(number(value) || (value.is_array() && value.size() == 2 && std::all_of(value.begin(), value.end(), number)),
        "{}: must be a number, or [mean, deviation], got {}", where, value.dump());
  if (value.is_number()) return {value.get<double>(), std::nullopt};
  return {value[0].get<double>(), value[1].get<double>()};
}

}  // namespace detail

/// The figures of `task` ("brats") in a file {"brats": {"unet": {"iou": [60, 1.5], "hd": 20, "fp": …, "fn": …}}}, where
/// a pair is mean and deviation. Throws `Error`, naming file and field, on anything else; a task or network that is not
/// in the file has no figures.
[[nodiscard]] inline PaperFigures read_paper_figures(const std::filesystem::path& path, const std::string& task) {
  std::ifstream in(path, std::ios::binary);
  check(in.is_open(), "--paper-figures {}: cannot be opened: {}", path.string(), std::strerror(errno));
  const auto json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  check(json.is_object(), "--paper-figures {}: is not a JSON object of tasks", path.string());
  PaperFigures figures;
  const auto nets = json.value(task, nlohmann::json::object());
  check(nets.is_object(), "{}: {}: must be an object of networks, got {}", path.string(), task, nets.dump());
  for (const auto& [net, scores] : nets.items()) {
    check(scores.is_object(), "{}: {}.{}: must be an object of scores, got {}", path.string(), task, net,
          scores.dump());
    for (const auto& [key, value] : scores.items()) {
      const auto where = fmt::format("{}: {}.{}.{}", path.string(), task, net, key);
      const auto& known = paper_scores();
      check(std::find(known.begin(), known.end(), key) != known.end(), "{}: there is no such score; did you mean {}?",
            where, nearest_names(key, known, 1).front());
      figures[net][key] = detail::paper_figure(value, where);
    }
  }
  return figures;
}

}  // namespace pam::apps

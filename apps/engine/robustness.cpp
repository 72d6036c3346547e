// SPDX-License-Identifier: MIT
#include "engine/robustness.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/metrics/score_summary.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pam::apps {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const RunResult& cell) {
  auto list = Json::array();
  for (const auto& scored : cell.robustness) {
    Json part{{"epsilon", scored.epsilon}};
    part.update(scores_to_json(scored.cases, /*counts=*/true));
    list.push_back(std::move(part));
  }
  return {{"net", cell.network.name}, {"unit", "of the normalised input"}, {"epsilons", list}};
}

/// The cells as networks named "unet, ε = 0.1".
std::vector<NetworkResult> by_epsilon(const std::vector<RunResult>& cells) {
  std::vector<NetworkResult> all;
  for (const auto& cell : cells) {
    for (const auto& scored : cell.robustness) {
      NetworkResult each;
      each.name = fmt::format("{}, ε = {}", cell.network.name, scored.epsilon);
      each.distance_unit = cell.network.distance_unit;
      each.cases = scored.cases;
      all.push_back(std::move(each));
    }
  }
  return all;
}

}  // namespace

std::optional<Table> robustness_table(const std::vector<RunResult>& cells) {
  if (std::all_of(cells.begin(), cells.end(), [](const auto& cell) { return cell.robustness.empty(); })) return {};
  const auto unit = cells.front().network.distance_unit;
  Table table(
      "Robustness: scores under FGSM perturbations of size ε",
      {"net", {"ε", 3}, {"IoU", 3}, {"mIoU", 3}, {"Dice", 3}, {"HD95 pen. " + unit, 1}, {"FP %", 2}, {"FN %", 1}});
  for (const auto& cell : cells) {
    for (const auto& scored : cell.robustness) {
      const auto summary = summarise(scored.cases);
      std::vector<Cell> row{cell.network.name, scored.epsilon};
      for (const char* key : {"iou", "miou", "dice", "hd95_penalised", "fp_percent", "fn_percent"}) {
        const auto& metric = summary.of(key);
        row.push_back(metric.mean && metric.std ? Cell(*metric.mean, *metric.std) : Cell(metric.mean));
      }
      table.row(std::move(row));
    }
  }
  table.note(
      "Each test case x became x + ε sign(∂ loss / ∂x), ε in units of the normalised input, with the loss that the "
      "network was trained with (of reversed labels for reversed networks). ε = 0 is the clean input.");
  return table;
}

std::optional<Table> write_robustness(const std::vector<RunResult>& cells, const std::filesystem::path& folder) {
  const auto table = robustness_table(cells);
  if (!table) return table;
  auto json = Json::object();
  if (cells.size() == 1) {
    json = to_json(cells.front());
  } else {
    for (const auto& cell : cells) json["nets"].push_back(to_json(cell));
  }
  write_atomically(folder / "robustness.md", table->markdown());
  write_atomically(folder / "robustness.csv", case_table(by_epsilon(cells), "").csv());
  write_atomically(folder / "robustness.json", json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  return table;
}

std::vector<PerturbedScores> robustness_from_json(const Json& json, const std::string& where) {
  const auto bad = [&] { fail("{}: does not hold the scores under perturbations; delete it to make it again", where); };
  if (!json.is_object() || !json.contains("epsilons") || !json["epsilons"].is_array()) bad();
  std::vector<PerturbedScores> all;
  for (const auto& part : json["epsilons"]) {
    const bool whole = part.is_object() && part.contains("epsilon") && part["epsilon"].is_number() &&
                       part.contains("cases") && part["cases"].is_array();
    if (!whole) bad();
    PerturbedScores scored{part["epsilon"].get<double>(), {}};
    for (const auto& each : part["cases"]) scored.cases.push_back(case_scores_from_json(each, where));
    all.push_back(std::move(scored));
  }
  return all;
}

}  // namespace pam::apps

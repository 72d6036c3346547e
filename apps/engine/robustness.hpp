// SPDX-License-Identifier: MIT
/// The robustness table: scores under FGSM perturbations (train/fgsm.hpp), in files apart from the clean scores.
#pragma once

#include "engine/training_run.hpp"

#include <pam/report/table.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

/// One row for each cell and ε, mean ± std over the test cases; nothing where no cell has perturbed scores.
std::optional<Table> robustness_table(const std::vector<RunResult>& cells);

/// Writes robustness.md, robustness.csv (every case) and robustness.json into `folder` and returns the table; does
/// nothing where no cell has perturbed scores. The JSON of one cell is {"net", "unit", "epsilons": [{"epsilon",
/// "cases": […], "aggregate": {…}}…]} with the scores as in scores.json; of several, {"nets": [that, …]}.
std::optional<Table> write_robustness(const std::vector<RunResult>& cells, const std::filesystem::path& folder);

/// Reads what `write_robustness` wrote for one cell; throws `Error` that names the file `where`.
std::vector<PerturbedScores> robustness_from_json(const nlohmann::ordered_json& json, const std::string& where);

}  // namespace pam::apps

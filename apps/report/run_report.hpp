// SPDX-License-Identifier: MIT
/// Pictures, curves and the page of finished cells.
#pragma once

#include "engine/training_run.hpp"
#include "tasks/task.hpp"

#include "report/result_page.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// Rows of a few typical slices (most foreground, most errors), the image first, then each of `predictions` (D, H, W)
/// against the truth: (H, W, 3) uint8.
torch::Tensor overlay_sheet(const EvalCase& each, const std::vector<torch::Tensor>& predictions);

/// Training loss and, where there was one, validation score of each network.
std::vector<Chart> curves(const std::vector<NetworkResult>& networks);

/// The scores of each class of each network; empty for binary tasks.
std::vector<Table> class_tables(const std::vector<RunResult>& cells);

/// Writes the page of `cells`, whose folders are `folders`; predictions of the worst cases are read from there.
void write_report(const Task& task, const ExperimentOptions& options, const std::vector<RunResult>& cells,
                  const std::vector<std::filesystem::path>& folders, const std::filesystem::path& path,
                  const nlohmann::json& record);

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "programs/run_folder.hpp"

#include "programs/option_reader.hpp"

#include <pam/core/error.hpp>
#include <pam/data/dataset_folders.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>

#include <unistd.h>

namespace pam::programs {
namespace {

/// What may differ between any run and its continuation: none of it changes what is learnt, but for the rounding of
/// another device or number of threads.
constexpr std::array kMachineOptions{"resume",  "overwrite", "out",  "device",  "threads",
                                     "workers", "worst",     "nets", "timeout", "fgsm"};

/// The folders of the networks of the run or comparison in `out`, and no folder of another run below it: a run keeps
/// them beside its config.json, a comparison two folders further down (`cell_folder`).
std::vector<std::filesystem::path> cells_in(const std::filesystem::path& out) {
  auto cells = pam::detail::folders_in(out);
  for (const auto& fold : pam::detail::folders_in(out)) {
    if (fold.filename().string().rfind("fold_", 0) != 0) continue;
    for (const auto& repeat : pam::detail::folders_in(fold)) {
      if (repeat.filename().string().rfind("repeat_", 0) != 0) continue;
      const auto nets = pam::detail::folders_in(repeat);
      cells.insert(cells.end(), nets.begin(), nets.end());
    }
  }
  const auto is_cell = [](const auto& folder) { return std::filesystem::exists(config_path(folder)); };
  cells.erase(std::remove_if(cells.begin(), cells.end(), std::not_fn(is_cell)), cells.end());
  return cells;
}

bool is_free(const RunFolder& run, const std::string& key) {
  return std::find(kMachineOptions.begin(), kMachineOptions.end(), key) != kMachineOptions.end() ||
         std::find(run.free_options.begin(), run.free_options.end(), key) != run.free_options.end();
}

}  // namespace

void check_writable(const std::filesystem::path& folder) {
  auto existing = std::filesystem::absolute(folder);
  std::error_code ignored;
  while (!std::filesystem::exists(existing, ignored) && existing.has_relative_path()) existing = existing.parent_path();
  check(std::filesystem::is_directory(existing, ignored), "--out {}: {} is a file, not a folder; choose another place",
        folder.string(), existing.string());
  check(::access(existing.c_str(), W_OK | X_OK) == 0, "--out {}: {} cannot be written to: {}; choose another place",
        folder.string(), existing.string(), std::strerror(errno));
}

void check_run_folder(const RunFolder& run) {
  check_writable(run.out);
  if (!std::filesystem::exists(config_path(run.out)) || run.overwrite) return;
  check(run.resume, "--out {}: holds a {} already; --resume goes on with it, --overwrite begins afresh",
        run.out.string(), run.what);
  const auto before = options_of_run(run.out.string());
  for (const auto& [key, value] : run.config.items()) {
    const auto old = before.find(key);
    check(is_free(run, key) || old == before.end() || *old == value,
          "--resume: {} is {} in {}, and {} now; a {} goes on as it began: take the option back, or choose another "
          "--out",
          key, old == before.end() ? "" : old->dump(), config_path(run.out).string(), value.dump(), run.what);
  }
}

void forget_run(const std::filesystem::path& out) {
  if (!std::filesystem::exists(config_path(out))) return;  // no run of its own: what lies below is of others
  for (const auto& cell : cells_in(out)) {
    for (const auto& file : std::filesystem::directory_iterator(cell)) {
      const auto name = file.path().filename().string();
      const auto starts = [&](const char* word) { return name.rfind(word, 0) == 0; };
      if (name == "scores.json" || starts("last.") || starts("best.") || starts("metrics.")) {
        std::filesystem::remove(file.path());
      }
    }
  }
}

}  // namespace pam::programs

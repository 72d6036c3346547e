// SPDX-License-Identifier: MIT
/// The folder of a comparison: what may be in it before, and what is removed.
#include "programs/comparison_options.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

namespace pam::programs {
namespace {

/// What may differ between a comparison and its continuation: none of it changes what a cell learns.
constexpr std::array kFreeOptions{"resume",     "overwrite", "out",      "device", "threads",
                                  "workers",    "worst",     "timeout",  "fgsm",   "nets",
                                  "test_folds", "repeats",   "baseline", "paper",  "paper_figures"};

/// Throws unless `folder` could be made and written to; makes nothing.
void check_writable(const std::filesystem::path& folder) {
  auto existing = std::filesystem::absolute(folder);
  std::error_code ignored;
  while (!std::filesystem::exists(existing, ignored) && existing.has_relative_path()) existing = existing.parent_path();
  check(std::filesystem::is_directory(existing, ignored), "--out {}: {} is a file, not a folder; choose another place",
        folder.string(), existing.string());
  check(::access(existing.c_str(), W_OK | X_OK) == 0, "--out {}: {} cannot be written to: {}; choose another place",
        folder.string(), existing.string(), std::strerror(errno));
}

}  // namespace

void check_comparison_folder(const CompareSetup& setup) {
  const std::filesystem::path out = setup.experiment.out;
  check_writable(out);
  if (!std::filesystem::exists(config_path(out))) return;
  const auto before = options_of_run(out.string());
  check(before.contains("test_folds"), "--out {}: holds the run of another program; choose another place",
        out.string());
  if (setup.experiment.overwrite) return;
  check(setup.experiment.resume,
        "--out {}: holds a comparison already; --resume goes on with it, --overwrite begins afresh", out.string());
  const auto now = setup.config();
  for (const auto& [key, value] : now.items()) {
    if (std::find(kFreeOptions.begin(), kFreeOptions.end(), key) != kFreeOptions.end()) continue;
    const auto old = before.find(key);
    check(old == before.end() || *old == value,
          "--resume: {} is {} in {}, and {} now; a comparison goes on as it began: take the option back, or choose "
          "another --out",
          key, old == before.end() ? "" : old->dump(), config_path(out).string(), value.dump());
  }
}

void forget_cells(const std::filesystem::path& out) {
  for (const auto& fold : std::filesystem::directory_iterator(out)) {
    if (!fold.is_directory() || fold.path().filename().string().rfind("fold_", 0) != 0) continue;
    std::vector<std::filesystem::path> learnt;
    for (const auto& file : std::filesystem::recursive_directory_iterator(fold.path())) {
      const auto name = file.path().filename().string();
      const auto starts = [&](const char* word) { return name.rfind(word, 0) == 0; };
      if (file.is_regular_file() &&
          (name == "scores.json" || starts("last.") || starts("best.") || starts("metrics."))) {
        learnt.push_back(file.path());
      }
    }
    for (const auto& file : learnt) std::filesystem::remove(file);
  }
}

}  // namespace pam::programs

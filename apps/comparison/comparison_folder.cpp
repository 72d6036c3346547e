// SPDX-License-Identifier: MIT
#include "comparison/comparison_options.hpp"
#include "engine/run_folder.hpp"

#include <filesystem>

namespace pam::apps {

void check_comparison_folder(const CompareSetup& setup) {
  const std::filesystem::path out = setup.experiment.out;
  if (std::filesystem::exists(config_path(out))) {
    check(options_of_run(out.string()).contains("test_folds"),
          "--out {}: holds the run of another program; choose another place", out.string());
  }
  check_run_folder({out,
                    "comparison",
                    setup.config(),
                    setup.experiment.resume,
                    setup.experiment.overwrite,
                    setup.experiment.allow_changes,
                    {"ablation", "test_folds", "repeats", "baseline", "paper", "paper_figures", "hypotheses"},
                    /*changeable=*/{}});
  if (!setup.experiment.overwrite) check_same_hypotheses(out, setup.hypotheses ? &*setup.hypotheses : nullptr);
}

}  // namespace pam::apps

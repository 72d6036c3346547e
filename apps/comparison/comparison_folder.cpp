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
  if (setup.experiment.overwrite) return;
  if (const auto before = options_of_run(out.string()); setup.hypotheses && !before.is_null()) {
    check(before.value("repeats", nlohmann::json()) == setup.options.repeats,
          "--repeats {}: the comparison in {} was begun with {}, and hypotheses and the number of trainings are fixed "
          "before the runs: who looks and then adds seeds until a test decides tests something else; take the change "
          "back, or start another comparison",
          setup.options.repeats, out.string(), before.value("repeats", nlohmann::json()).dump());
  }
  check_same_hypotheses(out, setup.hypotheses ? &*setup.hypotheses : nullptr);
}

}  // namespace pam::apps

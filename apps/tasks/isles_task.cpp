// SPDX-License-Identifier: MIT
#include "tasks/isles_task.hpp"

#include "tasks/case_task.hpp"
#include "tasks/paper_settings.hpp"

#include <pam/datasets/paper_preparation.hpp>

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace pam::apps {
namespace {

void add_flags(OptionReader& reader) {
  reader.add<std::string>("--data", "data", "the folder of ISLES 2018 (TRAINING/) or ISLES'22 (sub-*; required)");
  reader.add<std::string>("--label-values", "label_values", "foreground (default: 1, the lesion)");
  reader.add<double>("--test-share", "test_share", "share of the cases to test (0: all train, nothing is scored)");
  reader.add<std::int64_t>("--folds", "folds", "cross-validation with so many folds instead of shares");
  reader.add<double>("--validation-share", "validation_share",
                     "share of the cases that choose the best epoch (0: the last is taken)");
  add_volume_flags(reader);
}

CaseTaskOptions task_options(const IslesData& options) {
  return volume_options(
      options, isles_preparation(),
      options.label_values == kIslesLesion ? "the lesion (label 1)" : "label values " + options.label_values);
}

void check_options(const IslesData& options) {
  check(!options.data.empty(),
        "--data: name the folder of ISLES 2018, which holds TRAINING/, or of ISLES'22, which holds sub-* folders");
  static_cast<void>(task_options(options));
  check_parts(options.folds, options.fold, options.test_share, options.validation_share, IslesData().test_share);
}

Task make_task(const IslesData& options, std::int64_t seed, const std::filesystem::path& /*begun*/) {
  std::vector<std::string> incomplete;
  const auto found = find_isles(options.data, /*need_labels=*/true, options.skip_bad ? &incomplete : nullptr);
  const bool mri = found.edition == IslesEdition::Isles22;
  Task task;
  task.title = fmt::format("Stroke lesions on {}", mri ? "ISLES'22" : "ISLES 2018");
  if (options.folds > 0) task.title += fmt::format(", fold {} of {}", options.fold, options.folds);
  task.data = options.data;
  add_notes(task, found.notices);
  if (!mri) {
    task.caveats.emplace_back(
        "ISLES 2018's 94 training cases are of 63 patients, and the download does not say whose are whose: the two "
        "slabs of one brain may be on both sides of the split.");
  }
  const auto split = split_cases(names_of(found.cases), options.folds, options.fold, options.test_share,
                                 options.validation_share, seed);
  auto how = task_options(options);
  how.cases.resample = found.needs_resampling();
  how.incomplete = std::move(incomplete);
  how.modalities = found.modalities;
  how.all_train = options.folds == 0 && options.test_share == 0;
  if (how.show_channel < 0) how.show_channel = mri ? 0 : 3;
  return case_task(std::move(task), found.cases, split, how);
}

}  // namespace

TrainingProgram<IslesData> isles_program() {
  TrainingProgram<IslesData> program{
      "isles",
      "Trains networks to find stroke lesions on ISLES 2018 or ISLES'22, and reports how well they do.",
      {},
      add_flags,
      check_options,
      make_task};
  apply(kIslesSettings, program.defaults);
  return program;
}

}  // namespace pam::apps

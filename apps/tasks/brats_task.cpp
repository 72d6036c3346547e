// SPDX-License-Identifier: MIT
#include "tasks/brats_task.hpp"

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
  reader.add<std::string>("--data", "data", "the folder with HGG/ and LGG/, or with the case folders (required)");
  reader.add<std::vector<std::string>>("--modalities", "modalities", "in channel order (default: t1 t1ce t2 flair)");
  reader.add<std::string>("--grades", "grades", "CSV with a column Grade: only its HGG cases are taken");
  reader.add<std::string>("--label-values", "label_values", "foreground (default: 4, enhancing tumour)");
  reader.add<std::int64_t>("--folds", "folds", "folds of the case-wise cross-validation");
  reader.add<double>("--validation-share", "validation_share",
                     "share of the training cases that is used to choose the best epoch (0: the last one is used)");
  add_volume_flags(reader);
}

CaseTaskOptions task_options(const BratsData& options) {
  return volume_options(
      options, brats_preparation(),
      options.label_values == kBratsEnhancing ? "enhancing tumour (label 4)" : "label values " + options.label_values);
}

void check_options(const BratsData& options) {
  check(!options.data.empty(), "--data: name the folder of BRATS, which holds HGG/ and LGG/, or the case folders");
  static_cast<void>(task_options(options));
  check(options.folds != 0, "--folds 0: BRATS is scored by cross-validation, which needs at least 2 folds");
  check_parts(options.folds, options.fold, 0, options.validation_share, 0);
  check(options.show_channel >= 0, "show_channel: must not be negative, got {}", options.show_channel);
}

/// In BraTS 2023 enhancing tumour is label 3: warns if the first case's labels look like that.
void add_label_warning(Task& task, const CaseFiles& first) {
  try {
    const auto warning = brats_label_notice(first);
    if (!warning.empty()) add_warnings(task, {warning});
  } catch (const Error&) {  // case_task refuses or skips files that cannot be read
  }
}

Task make_task(const BratsData& options, std::int64_t seed, const std::filesystem::path& /*begun*/) {
  BratsOptions where{options.data, separate_words(options.modalities), options.grades};
  where.check_names = options.label_values == kBratsEnhancing;
  std::vector<std::string> incomplete;
  const auto found = find_brats(where, options.skip_bad ? &incomplete : nullptr);
  Task task;
  task.title = fmt::format("{} on BRATS, fold {} of {}",
                           options.label_values == kBratsEnhancing ? "Enhancing tumour" : "Segmentation", options.fold,
                           options.folds);
  task.data = options.data;
  add_warnings(task, found.notices);
  if (options.label_values == kBratsEnhancing) add_label_warning(task, found.cases.front());
  const auto split = split_cases(names_of(found.cases), options.folds, options.fold, 0, options.validation_share, seed,
                                 "give more cases, or fewer --folds");
  auto how = task_options(options);
  how.incomplete = std::move(incomplete);
  how.modalities = where.modalities;
  return case_task(std::move(task), found.cases, split, how);
}

}  // namespace

TrainingProgram<BratsData> brats_program() {
  TrainingProgram<BratsData> program{
      "brats",
      "Trains networks to find enhancing tumour on BRATS, and reports how well they do on one fold.",
      {},
      add_flags,
      check_options,
      make_task};
  apply(kBratsSettings, program.defaults);
  return program;
}

}  // namespace pam::apps

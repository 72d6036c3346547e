// SPDX-License-Identifier: MIT
/// `case_task`: makes a `Task` from cases on disk and a split. Training on Cityscapes, BRATS, ISLES and plain folders
/// differs only in how the cases are found.
#pragma once

#include "cli/option_reader.hpp"
#include "engine/preparation.hpp"
#include "tasks/task.hpp"

#include <pam/data/split.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/slice_dataset.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// How cases become a task.
struct CaseTaskOptions {
  CaseOptions cases;
  SliceChoice slices = SliceChoice::Foreground;  ///< of volumes, that train; scored is every slice
  std::vector<std::string> incomplete = {};      ///< why cases were left out before, because they lack a file
  std::vector<std::string> modalities = {};      ///< the words that name the images of a case, in channel order
  /// The folder of the run or comparison that is continued: what `Normalise::Auto` meant there stays. Empty: none is.
  std::filesystem::path begun = {};
  bool skip_bad = false;          ///< leave out cases that cannot be read, saying which, instead of throwing
  bool all_train = false;         ///< no case is left to test, as asked for (test_share 0); otherwise that is refused
  bool trained_range = false;     ///< score only the range of the training slices (two halves of one volume)
  bool full_size = true;          ///< score resized pictures at the size of their files, not at what the network sees
  std::int64_t show_channel = 0;  ///< the modality under the overlays
  std::string train_noun = "case", test_noun = "case";  ///< for texts; the plural has an s
  std::string foreground;                               ///< what is segmented, for texts: "enhancing tumour (label 4)"
  std::string lone_caveat =
      "There is only one test case, so the spread between cases is unknown.";  ///< said where there is one
};

/// The options of a set of volumes: `cases` as the paper prepares them, with foreground, crop, slices, bad and
/// non-finite input, orientation, show_channel and, unless it is "auto", normalisation as `data` says.
template <typename Data>
CaseTaskOptions volume_options(const Data& data, CaseOptions cases, std::string foreground) {
  CaseTaskOptions how;
  how.cases = std::move(cases);
  how.cases.labels = LabelMap::parse(data.label_values);
  how.cases.crop = parse_plane("--crop", data.crop);
  how.slices = parse_slice_choice(data.slices);
  how.skip_bad = data.skip_bad;
  how.cases.zero_non_finite = data.zero_non_finite;
  if (data.normalise != "auto") parse_normalise(data.normalise, how.cases);
  how.cases.orient = parse_orient(data.orient);
  how.show_channel = data.show_channel;
  how.foreground = std::move(foreground);
  return how;
}

/// The flags that sets of volumes share: --crop, --fold, --slices, --skip-bad, --zero-non-finite, --normalise,
/// --orient.
void add_volume_flags(OptionReader& reader);

/// The task of training on `split.train`, choosing the epoch by `split.validation` where there are such cases, and
/// scoring `split.test`. `about` has the title, the data's place and what is to be said of them; the rest is filled in.
/// Every case is read before it returns, so that a bad file is found now and not after hours of training; the training
/// slices stay in memory. `Normalise::Auto` becomes what it means for these images: for pictures Unit, for volumes
/// ZScoreNonzero, or, where 0 is no background of the first training volume (`background_doubt`), ZScoreAll for all of
/// them, with a note. Warnings go to standard error. Throws `Error`: no cases to train or (unless `all_train`) to
/// test on, a case that cannot be read (unless `skip_bad`), no foreground, other channels in one case than in another.
Task case_task(Task about, const std::vector<CaseFiles>& cases, const Split& split, const CaseTaskOptions& how);

/// Prints warnings on standard error, and adds them to the report.
void add_warnings(Task& task, const std::vector<std::string>& warnings);
/// The same for information that is not a warning, such as which city chooses the epoch.
void add_notes(Task& task, const std::vector<std::string>& notes);

/// Throws `Error` for folds or shares that leave nothing to train with, and for those that would be ignored: a `fold`
/// without `folds` (0: none), and with them a `test_share` other than `default_share`. With folds `validation_share` is
/// of the training cases. Without folds a `test_share` of 0 leaves no case to test.
void check_parts(std::int64_t folds, std::int64_t fold, double test_share, double validation_share,
                 double default_share);

/// The words of a list that were typed with spaces, with commas, or both: t1,t2 is t1 and t2.
std::vector<std::string> separate_words(const std::vector<std::string>& words);

/// The folds of `names`, or without folds the shares. Throws `Error` where there are fewer cases than parts; `advice`
/// ends that sentence.
Split split_cases(const std::vector<std::string>& names, std::int64_t folds, std::int64_t fold, double test_share,
                  double validation_share, std::int64_t seed, const std::string& advice = "give more cases");

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "tasks/folder_task.hpp"

#include "engine/preparation.hpp"
#include "tasks/case_task.hpp"

#include <pam/core/nearest.hpp>
#include <pam/datasets/find_cases.hpp>
#include <pam/datasets/other_files.hpp>
#include <pam/images/hemispheres.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <utility>

namespace pam::apps {
namespace {

constexpr const char* kHemisphereCaveat =
    "The two hemispheres of one subject are a smoke test, not a study: they show that everything works, not which "
    "network is better.";

LabelMap label_map(const FolderData& options) {
  if (options.label_threshold == 0) return LabelMap::parse(options.label_values, options.strict_labels);
  check(
      options.label_values == FolderData().label_values && !options.strict_labels,
      "--label-threshold {}: says that all values from it on are foreground; leave --label-values and --strict-labels "
      "out",
      options.label_threshold);
  check(options.label_threshold > 0, "--label-threshold {}: must be above 0", options.label_threshold);
  return LabelMap::threshold(options.label_threshold);
}

CaseOptions case_options(const FolderData& options) {
  CaseOptions cases;
  cases.labels = label_map(options);
  cases.mask_channel = parse_mask_channel(options.mask_channel);
  parse_normalise(options.normalise, cases);
  cases.channels = options.channels;
  cases.crop = parse_plane("--crop", options.crop);
  cases.resize = parse_plane("--resize", options.resize);
  cases.resample = options.resample;
  cases.ignore_affine = options.ignore_affine;
  cases.orient = parse_orient(options.orient);
  cases.zero_non_finite = options.zero_non_finite;
  return cases;
}

CaseTaskOptions task_options(const FolderData& options) {
  CaseTaskOptions how;
  how.cases = case_options(options);
  how.slices = parse_slice_choice(options.slices);
  how.skip_bad = options.skip_bad;
  how.trained_range = options.score == "trained";
  how.show_channel = options.show_channel;
  how.foreground = "\"" + how.cases.labels.text() + "\" of the labels";
  return how;
}

/// `incomplete`: with --skip-bad, why cases were left out that lack a file.
std::vector<CaseFiles> found_cases(const FolderData& options, std::vector<std::string>& incomplete) {
  FolderOptions where;
  where.root = options.data;
  where.images = options.images;
  where.labels = options.labels;
  where.modalities = separate_words(options.modalities);
  where.label_name = options.label_name;
  return find_cases(where, options.skip_bad ? &incomplete : nullptr);
}

bool is_split_file(const FolderData& options) { return std::filesystem::path(options.split).extension() == ".json"; }

/// Whether an option that only a split by cases reads is not at its default.
bool splits_by_numbers(const FolderData& options) {
  const FolderData untouched;
  return options.folds != untouched.folds || options.fold != untouched.fold ||
         options.test_share != untouched.test_share || options.validation_share != untouched.validation_share;
}

/// Refuses options that the kind of data would ignore: those of volumes for pictures, and the reverse.
void check_kind(const FolderData& options, const std::vector<CaseFiles>& cases) {
  const FolderData untouched;
  const bool volumes = is_nifti_name(cases.front().images.front());
  const auto& first = cases.front().images.front();
  const auto refuse = [&](bool given, const char* option, const char* why) {
    check(!given, "{}: {}; {} is a {}, so leave it out", option, why, first.string(), volumes ? "volume" : "picture");
  };
  if (volumes) {
    refuse(options.channels != 0, "--channels", "is for pictures; a volume's channels are its --modalities");
    refuse(!options.resize.empty(), "--resize", "is for pictures; volumes are cropped or padded (--crop)");
    return;
  }
  refuse(options.slices != untouched.slices, "--slices", "is for volumes; every picture takes part in training");
  refuse(options.resample, "--resample", "is for volumes, whose headers say where they lie in space");
  refuse(options.ignore_affine, "--ignore-affine", "is for volumes; pictures have no affine");
  refuse(options.zero_non_finite, "--zero-non-finite", "is for volumes; pictures hold integers");
  refuse(!options.orient.empty(), "--orient", "is for volumes, whose headers say how they lie");
  refuse(options.split == "hemispheres", "--split hemispheres", "is for volumes, whose headers say where left is");
}

bool has_folder_split(const std::vector<CaseFiles>& cases) {
  return std::all_of(cases.begin(), cases.end(), [](const auto& each) { return !each.split.empty(); });
}

/// The way to split that `--split auto` means for these cases.
std::string split_kind(const FolderData& options, const std::vector<CaseFiles>& cases) {
  if (options.split != "auto") return options.split;
  return has_folder_split(cases) ? "folders" : "cases";
}

/// Left hemispheres train, right ones test; the halves replace the cases.
Split split_hemispheres(std::vector<CaseFiles>& cases) {
  std::vector<CaseFiles> halves;
  Split split;
  for (const auto& whole : cases) {
    const auto both = hemisphere_cases(whole);
    split.train.push_back(both[0].name);
    split.test.push_back(both[1].name);
    halves.insert(halves.end(), both.begin(), both.end());
  }
  cases = std::move(halves);
  return split;
}

/// train/, val/ and test/; if there is no test/, val/ is used for testing, and the task says so.
Split split_folders(const std::vector<CaseFiles>& cases, Task& task) {
  auto split = split_by_folder(cases);
  if (!split.test.empty() || split.validation.empty()) return split;
  split.test = std::move(split.validation);
  split.validation.clear();
  task.caveats.emplace_back(
      "There is no test folder, so val/ is used for testing and not for choosing an epoch: the last weights are "
      "scored.");
  return split;
}

/// The parts that `file` lists. Throws `Error` that names it.
Split split_by_file(const std::string& file, std::int64_t fold, const std::vector<std::string>& names) {
  try {
    return split_by_lists(names, read_split(file, fold));
  } catch (const Error& error) {
    const std::string why = error.what();
    if (why.rfind(file, 0) == 0) throw;
    fail("--split {}: {}", file, why);
  }
}

/// Warns of cases that are in no part of a split file.
void warn_of_unlisted(const std::vector<CaseFiles>& cases, const Split& split, const std::string& file, Task& task) {
  const auto listed = names_in(split);
  std::vector<std::string> left;
  for (const auto& each : cases) {
    if (listed.count(each.name) == 0) left.push_back(each.name);
  }
  if (left.empty()) return;
  add_warnings(task, {fmt::format("{} of {} cases are in no part of {} and take no part: {}.", left.size(),
                                  cases.size(), file, joined(left, ", "))});
}

/// Warns if pictures look like slices or frames of one patient or film (p1_s001.png, p1_s002.png), which a split by
/// file would separate.
void warn_of_slices(const std::vector<CaseFiles>& cases, Task& task) {
  static const std::regex slice("(.+)[_-](?:s|sl|slice|z|f|frame)[_-]?[0-9]+", std::regex::icase);
  std::set<std::string> wholes;
  for (const auto& each : cases) {
    std::smatch parts;
    if (is_nifti_name(each.images.front()) || !std::regex_match(each.name, parts, slice)) continue;
    if (wholes.insert(parts[1].str()).second) continue;
    add_warnings(task,
                 {fmt::format("The names {0}_… look like slices or frames of one case, but are split file by file, so "
                              "that the test may hold what the training saw; keep them together with a split file "
                              "(--split FILE.json).",
                              parts[1].str())});
    return;
  }
}

/// The parts; hemispheres replace the cases by their halves.
Split make_split(const FolderData& options, std::vector<CaseFiles>& cases, std::int64_t seed, Task& task) {
  const auto kind = split_kind(options, cases);
  if (kind == "hemispheres") return split_hemispheres(cases);
  if (kind == "cases") {
    warn_of_slices(cases, task);
    return split_cases(names_of(cases), options.folds, options.fold, options.test_share, options.validation_share, seed,
                       "give more cases, or try --split hemispheres for one brain");
  }
  check(kind != "folders" || !splits_by_numbers(options),
        "{}: its folders train/, val/ and test/ define which cases train and test; leave --folds, --fold, --test-share "
        "and --validation-share out, or split all cases anew with --split cases",
        options.data);
  auto split = kind == "folders" ? split_folders(cases, task) : split_by_file(kind, options.fold, names_of(cases));
  if (kind != "folders" && folds_in_split(kind) > 0 && split.validation.empty()) {
    add_notes(task,
              {fmt::format("Fold {} of {} of {}: its val cases test.", options.fold, folds_in_split(kind), kind)});
  }
  if (kind != "folders") warn_of_unlisted(cases, split, kind, task);
  check(!split.train.empty() && !split.test.empty(),
        "--split {}: needs cases to train and cases to test, got {} and {}", kind, split.train.size(),
        split.test.size());
  return split;
}

/// The title, where the data is, and how many of its cases are taken.
Task about(const FolderData& options, std::vector<CaseFiles>& cases) {
  const auto from = std::filesystem::path(options.data.empty() ? options.images : options.data);
  const auto name = from.has_filename() ? from.filename().string() : from.parent_path().filename().string();
  Task task;
  task.title = options.title.empty() ? "Segmentation of " + name : options.title;
  task.data = from.string();
  const auto wanted = static_cast<std::size_t>(options.max_cases);
  if (options.max_cases > 0 && wanted < cases.size()) {
    task.caveats.push_back(
        fmt::format("Of {} cases the first {} by name are taken (--max-cases).", cases.size(), wanted));
    cases.resize(wanted);
  }
  return task;
}

}  // namespace

void add_folder_flags(OptionReader& reader) {
  reader.add<std::string>("--data", "data",
                          "one folder: images/ + labels/, train/ + trainannot/ …, or one folder per case");
  reader.add<std::string>("--images", "images", "image file, or folder of NIfTI volumes or pictures");
  reader.add<std::string>("--labels", "labels", "label file or folder; files are paired with images by name");
  reader.add<std::vector<std::string>>("--modalities", "modalities",
                                       "for one folder per case: words that name its images, such as t1 flair");
  reader.add<std::string>("--label-name", "label_name", "for one folder per case: the word that names its label file");
  reader.add<std::string>("--label-values", "label_values",
                          "foreground: 71-78, or classes: 1=1,2=2,255=ignore, or nonzero");
  reader.add<double>("--label-threshold", "label_threshold", kLabelThresholdHelp);
  reader.add<std::string>("--mask-channel", "mask_channel", kMaskChannelHelp);
  reader.add<std::int64_t>("--max-cases", "max_cases", "take only so many cases, the first by name (0: all)");
  reader.add<std::string>("--split", "split", "cases, hemispheres, folders, a .json file, or auto");
  reader.add<double>("--test-share", "test_share", "share of the cases to test (0: all train, nothing is scored)");
  reader.add<double>("--validation-share", "validation_share",
                     "share of the cases that is used to choose the best epoch (0: the last one is used)");
  reader.add<std::int64_t>("--folds", "folds", "cross-validation with so many folds instead of shares");
  reader.add<std::int64_t>("--fold", "fold", "which fold is the test set, from 0 on");
  reader.add<std::string>("--slices", "slices", "slices that train: foreground, brain or all");
  reader.add<std::string>(
      "--score", "score",
      "slices that are scored: all, or with --split hemispheres trained: the range that was trained on");
  reader.add<std::string>("--normalise", "normalise", kNormaliseNames);
  reader.add<std::int64_t>("--channels", "channels", "of pictures: 1 = grey, 3 = RGB, 0 = as stored");
  reader.add<std::string>("--crop", "crop", "centre crop or pad to HEIGHTxWIDTH");
  reader.add<std::string>("--resize", "resize", "resize pictures to HEIGHTxWIDTH");
  reader.add_switch("--resample", "resample", "bring images of another grid to the grid of the labels");
  reader.add_switch("--ignore-affine", "ignore_affine",
                    "pair images and labels voxel by voxel even if their axes point in different directions");
  reader.add<std::string>("--orient", "orient", kOrientHelp);
  reader.add_switch("--strict-labels", "strict_labels",
                    "refuse label values that --label-values does not name, instead of treating them as background");
  reader.add_switch("--skip-bad", "skip_bad", "leave out cases that cannot be read, saying which");
  reader.add_switch("--zero-non-finite", "zero_non_finite", "take NaN and infinity in images and labels as 0");
}

void check_folder_options(const FolderData& options) {
  check(options.data.empty() || options.labels.empty(),
        "--labels {}: --data {} holds images and labels, so it would be ignored; leave it out, or give --images and "
        "--labels instead of --data",
        options.labels, options.data);
  check(options.data.empty() != options.images.empty(),
        "give the data either as --data FOLDER or as --images and --labels; --demo needs neither");
  check(options.images.empty() || !options.labels.empty(), "--images {}: --labels is missing", options.images);
  const FolderData untouched;
  for (const auto& [given, option] : {std::pair{!options.modalities.empty(), "--modalities"},
                                      {options.label_name != untouched.label_name, "--label-name"}}) {
    check(!given || options.images.empty(),
          "{}: is for --data with one folder per case; the files of --images {} and --labels are paired by name: leave "
          "it out",
          option, options.images);
  }
  check(!options.strict_labels || (options.label_values != "nonzero" && options.label_values.rfind(">=", 0) != 0),
        "--strict-labels: --label-values {} names every value, so there is none to refuse; name the values, such as "
        "--label-values 1=1,2=2, or leave --strict-labels out",
        options.label_values);
  check(!options.resample || !options.ignore_affine,
        "--resample and --ignore-affine: the first moves voxels by their affines, the second pairs them as they are "
        "stored; leave one of them out");
  check(options.channels == 0 || options.channels == 1 || options.channels == 3,
        "--channels {}: must be 1 (grey), 3 (RGB) or 0 (as stored)", options.channels);
  static_cast<void>(task_options(options));
  const std::vector<std::string> kinds{"auto", "cases", "hemispheres", "folders"};
  const bool file = is_split_file(options);
  check(file || std::find(kinds.begin(), kinds.end(), options.split) != kinds.end(),
        "--split {}: must be cases, hemispheres, folders, auto, or the name of a .json file; did you mean {}?",
        options.split, nearest_names(options.split, kinds, 1).front());
  if (file && options.fold != untouched.fold) {
    const auto folds = folds_in_split(options.split);
    check(folds > 0, "--fold {}: {} holds one split and no folds; leave --fold out", options.fold, options.split);
    check(options.fold >= 0 && options.fold < folds, "--fold {}: {} has folds 0 to {}", options.fold, options.split,
          folds - 1);
  }
  auto by_numbers = options;
  if (file) by_numbers.fold = untouched.fold;
  check(
      options.split == "cases" || options.split == "auto" || !splits_by_numbers(by_numbers),
      "--split {}: defines by itself which cases train and test; --folds, --test-share, --validation-share and --fold "
      "(unless the file is a list of folds) need --split cases",
      options.split);
  check_parts(by_numbers.folds, by_numbers.fold, options.test_share, options.validation_share, untouched.test_share);
  check(options.score == "all" || (options.score == "trained" && options.split == "hemispheres"),
        "--score {}: must be all, or, with --split hemispheres, trained", options.score);
  check(options.score != "trained" || options.orient.empty(),
        "--score trained: scores slices of the volumes as they are stored, and goes with no --orient");
  check(options.show_channel >= 0, "show_channel: must not be negative, got {}", options.show_channel);
  check(options.max_cases >= 0, "--max-cases: must not be negative, got {}", options.max_cases);
}

Task folder_task(const FolderData& options, std::int64_t seed, const std::filesystem::path& begun) {
  std::vector<std::string> incomplete;
  auto cases = found_cases(options, incomplete);
  check_kind(options, cases);
  auto task = about(options, cases);
  const bool one_file = std::filesystem::is_regular_file(options.images);
  const auto others = one_file ? std::string() : other_files_warning(cases);
  if (!others.empty()) add_warnings(task, {others + "."});
  if (const auto below = folders_below_warning(cases); !one_file && !below.empty()) add_warnings(task, {below + "."});
  const bool hemispheres = split_kind(options, cases) == "hemispheres";
  const auto split = make_split(options, cases, seed, task);
  auto how = task_options(options);
  how.incomplete = std::move(incomplete);
  how.modalities = separate_words(options.modalities);
  how.begun = begun;
  how.all_train = options.folds == 0 && options.test_share == 0;
  if (hemispheres) {
    how.train_noun = "left hemisphere";
    how.test_noun = "right hemisphere";
    how.lone_caveat = kHemisphereCaveat;
  }
  task = case_task(std::move(task), cases, split, how);
  check(options.show_channel < std::max<std::int64_t>(task.in_channels, 1),
        "show_channel {}: the images have channels 0 to {}", options.show_channel, task.in_channels - 1);
  return task;
}

TrainingProgram<FolderData> folder_program() {
  return {"folder",
          "Trains networks on a folder of NIfTI or PNG with labels, and reports how well they do.",
          {},
          add_folder_flags,
          check_folder_options,
          folder_task};
}

}  // namespace pam::apps

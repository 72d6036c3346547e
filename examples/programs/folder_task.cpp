// SPDX-License-Identifier: MIT
#include "programs/folder_task.hpp"

#include "programs/file_cases.hpp"

#include <pam/core/nearest.hpp>
#include <pam/data/find_cases.hpp>
#include <pam/data/hemispheres.hpp>
#include <pam/data/loader.hpp>
#include <pam/data/slice_dataset.hpp>
#include <pam/data/split.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <utility>

namespace pam::programs {
namespace {

constexpr const char* kHemisphereCaveat =
    "One subject's two hemispheres are a smoke test, not a study: they show that the whole way works, not which "
    "network "
    "is better.";

/// "160x160" -> height and width.
PlaneSize parse_plane(const std::string& flag, const std::string& text) {
  if (text.empty()) return {};
  PlaneSize size;
  char rest = 0;
  const bool two = std::sscanf(text.c_str(), "%5ldx%5ld%c", &size.height, &size.width, &rest) == 2;
  check(two && size.given() && size.height <= 32767 && size.width <= 32767,
        "{} {}: must be HEIGHTxWIDTH in pixels, such as 160x160", flag, text);
  return size;
}

Normalise parse_normalise(const std::string& name) {
  const std::vector<std::pair<std::string, Normalise>> known{
      {"auto", Normalise::Auto}, {"zscore", Normalise::ZScore}, {"unit", Normalise::Unit}, {"none", Normalise::None}};
  for (const auto& [each, value] : known) {
    if (each == name) return value;
  }
  fail("--normalise {}: must be auto, zscore, unit or none", name);
}

CaseOptions case_options(const FolderData& options) {
  CaseOptions cases;
  cases.labels = LabelMap::parse(options.label_values);
  cases.normalise = parse_normalise(options.normalise);
  cases.channels = options.channels;
  cases.crop = parse_plane("--crop", options.crop);
  cases.resize = parse_plane("--resize", options.resize);
  cases.resample = options.resample;
  return cases;
}

std::vector<CaseFiles> found_cases(const FolderData& options) {
  FolderOptions where;
  where.root = options.data;
  where.images = options.images;
  where.labels = options.labels;
  where.modalities = options.modalities;
  where.label_name = options.label_name;
  return find_cases(where);
}

bool has_folder_split(const std::vector<CaseFiles>& cases) {
  return std::all_of(cases.begin(), cases.end(), [](const auto& each) { return !each.split.empty(); });
}

/// The way to split that `--split auto` means for these cases.
std::string split_kind(const FolderData& options, const std::vector<CaseFiles>& cases) {
  if (options.split != "auto") return options.split;
  return has_folder_split(cases) ? "folders" : "cases";
}

Split split_by_case(const FolderData& options, const std::vector<std::string>& names, std::int64_t seed) {
  const auto random = static_cast<std::uint64_t>(seed);
  check(names.size() > 1,
        "--split cases: there is one case, {}, alone, and slices of one volume must not be trained and tested on; give "
        "more cases, or try --split hemispheres for one brain",
        names.empty() ? "" : names.front());
  if (options.folds > 0) return split_by_fold(names, options.folds, options.fold, random, options.validation_share);
  return split_by_fraction(names, 1 - options.test_share - options.validation_share, options.validation_share,
                           options.test_share, random);
}

/// Left hemispheres train, right ones test.
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

/// The parts; hemispheres replace the cases by their halves.
Split make_split(const FolderData& options, std::vector<CaseFiles>& cases, std::int64_t seed) {
  const auto kind = split_kind(options, cases);
  if (kind == "hemispheres") return split_hemispheres(cases);
  if (kind == "cases") return split_by_case(options, names_of(cases), seed);
  auto split = kind == "folders" ? split_by_folder(cases) : split_by_lists(names_of(cases), read_split(kind));
  check(!split.train.empty() && !split.test.empty(),
        "--split {}: needs cases to train and cases to test, got {} and {}", kind, split.train.size(),
        split.test.size());
  return split;
}

std::string counted(std::size_t n, const char* one, const char* many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

/// Reads the training cases, with their notices on standard error.
std::shared_ptr<const SliceDataset> training_slices(const FolderData& options, const std::vector<CaseFiles>& cases) {
  SliceOptions how;
  how.slices = parse_slice_choice(options.slices);
  how.skip_bad = options.skip_bad;
  auto slices = std::make_shared<SliceDataset>(cases, case_options(options), how);
  for (const auto& each : slices->cases()) {
    for (const auto& notice : each.notices) std::cerr << "notice: " << notice << "\n";
  }
  bool foreground = false;
  for (std::int64_t i = 0; !foreground && i < slices->size(); ++i) {
    foreground = slices->get(i).labels.gt(0).any().item<bool>();
  }
  check(foreground, "none of the {} training slices has foreground; check --label-values {} against the label files",
        slices->size(), options.label_values);
  for (const auto& each : slices->skipped()) std::cerr << "skipped: " << each.reason << "\n";
  return slices;
}

/// The range of the slices that train, for --score trained.
SliceRange scored_slices(const FolderData& options, const SliceDataset& slices) {
  SliceRange range;
  if (options.score == "all") return range;
  range = {range.last, 0};
  for (std::int64_t i = 0; i < slices.size(); ++i) {
    const auto z = slices.get(i).slice;
    range = {std::min(range.first, z), std::max(range.last, z)};
  }
  return range;
}

AnyLoader make_loader(const std::shared_ptr<const SliceDataset>& slices, const LoaderRequest& request) {
  LoaderOptions how;
  how.batch_size = request.batch;
  how.workers = request.workers;
  how.seed = static_cast<std::uint64_t>(request.seed);
  how.augment.flip_horizontal = request.flip ? 0.5 : 0;
  how.augment.noise = request.noise;
  how.fit = slices->largest_plane();
  how.fit.height = std::max(how.fit.height, request.min_size);
  how.fit.width = std::max(how.fit.width, request.min_size);
  return AnyLoader(std::make_unique<DataLoader>(slices, how));
}

void add_files(Task& task, const std::vector<CaseFiles>& cases) {
  const auto add = [&](const std::filesystem::path& path) {
    if (std::find(task.files.begin(), task.files.end(), path) == task.files.end()) task.files.push_back(path);
  };
  for (const auto& each : cases) {
    for (const auto& image : each.images) add(image);
    add(each.labels);
  }
}

void describe(Task& task, const FolderData& options, const Split& split, std::int64_t slices, bool hemispheres) {
  const auto from = std::filesystem::path(options.data.empty() ? options.images : options.data);
  const auto name = from.has_filename() ? from.filename().string() : from.parent_path().filename().string();
  task.title = options.title.empty() ? "Segmentation of " + name : options.title;
  task.data = from.string();
  task.lead = fmt::format("{} with {} to train, {}{} to test; foreground is \"{}\" of the labels.",
                          hemispheres ? counted(split.train.size(), "left hemisphere", "left hemispheres")
                                      : counted(split.train.size(), "case", "cases"),
                          counted(static_cast<std::size_t>(slices), "slice", "slices"),
                          split.validation.empty() ? ""
                                                   : counted(split.validation.size(), "case to choose the epoch, ",
                                                             "cases to choose the epoch, "),
                          hemispheres ? counted(split.test.size(), "right hemisphere", "right hemispheres")
                                      : counted(split.test.size(), "case", "cases"),
                          options.label_values);
  if (hemispheres && split.test.size() == 1) {
    task.caveats.emplace_back(kHemisphereCaveat);
  } else if (split.test.size() == 1) {
    task.caveats.emplace_back("There is one test case, so nothing is known of the spread between cases.");
  }
}

}  // namespace

void add_folder_flags(OptionReader& reader) {
  reader.add<std::string>("--data", "data",
                          "one folder: images/ + labels/, train/ + trainannot/ …, or one folder a case");
  reader.add<std::string>("--images", "images", "image file, or folder of NIfTI or PNG");
  reader.add<std::string>("--labels", "labels", "label file or folder; files are paired with images by name");
  reader.add<std::vector<std::string>>("--modalities", "modalities",
                                       "for one folder a case: words that name its images, such as t1 flair");
  reader.add<std::string>("--label-name", "label_name", "for one folder a case: the word that names its label file");
  reader.add<std::string>("--label-values", "label_values",
                          "foreground: 71-78, or classes: 1=1,2=2,255=ignore, or nonzero");
  reader.add<std::string>("--split", "split", "cases, hemispheres, folders, a .json file, or auto");
  reader.add<double>("--test-share", "test_share", "share of the cases to test");
  reader.add<double>("--validation-share", "validation_share",
                     "share of the cases that choose the best epoch (0: the last is taken)");
  reader.add<std::int64_t>("--folds", "folds", "cross-validation with so many folds instead of shares");
  reader.add<std::int64_t>("--fold", "fold", "which fold is the test set, from 0 on");
  reader.add<std::string>("--slices", "slices", "slices that train: foreground, brain or all");
  reader.add<std::string>("--score", "score", "slices that are scored: all, or (hemispheres) the trained range");
  reader.add<std::string>("--normalise", "normalise", "auto, zscore, unit or none");
  reader.add<std::int64_t>("--channels", "channels", "of pictures: 1 = grey, 3 = RGB, 0 = as stored");
  reader.add<std::string>("--crop", "crop", "centre crop or pad to HEIGHTxWIDTH");
  reader.add<std::string>("--resize", "resize", "resize pictures to HEIGHTxWIDTH");
  reader.add_switch("--resample", "resample", "bring images of another grid to the grid of the labels");
  reader.add_switch("--skip-bad", "skip_bad", "leave out training cases that cannot be read");
}

void check_folder_options(const FolderData& options) {
  check(options.data.empty() != options.images.empty(),
        "give the data either as --data FOLDER or as --images and --labels; --demo needs neither");
  check(options.images.empty() || !options.labels.empty(), "--images {}: --labels is missing", options.images);
  static_cast<void>(case_options(options));
  static_cast<void>(parse_slice_choice(options.slices));
  const std::vector<std::string> kinds{"auto", "cases", "hemispheres", "folders"};
  const bool file = std::filesystem::path(options.split).extension() == ".json";
  check(file || std::find(kinds.begin(), kinds.end(), options.split) != kinds.end(),
        "--split {}: must be cases, hemispheres, folders, auto, or the name of a .json file; did you mean {}?",
        options.split, nearest_names(options.split, kinds, 1).front());
  const auto share = [](double value) { return value >= 0 && value < 1; };
  check(share(options.test_share) && share(options.validation_share) && options.test_share > 0 &&
            options.test_share + options.validation_share < 1,
        "--test-share {} and --validation-share {}: must leave a share to train with, and something to test on",
        options.test_share, options.validation_share);
  check(options.score == "all" || (options.score == "trained" && options.split == "hemispheres"),
        "--score {}: must be all, or, with --split hemispheres, trained", options.score);
  check(options.show_channel >= 0, "show_channel: must not be negative, got {}", options.show_channel);
}

Task folder_task(const FolderData& options, std::int64_t seed) {
  auto cases = found_cases(options);
  const bool hemispheres = split_kind(options, cases) == "hemispheres";
  const auto split = make_split(options, cases, seed);
  const auto how = case_options(options);
  const auto slices = training_slices(options, select_cases(cases, split.train));
  Task task;
  describe(task, options, split, slices->size(), hemispheres);
  task.in_channels = slices->channels();
  check(how.labels.classes() >= 2,
        "--label-values {}: does not say how many classes there are; name them, such as 1=1,2=2", options.label_values);
  task.classes = how.labels.classes() == 2 ? 1 : how.labels.classes();
  task.make_loader = [slices](const LoaderRequest& request) { return make_loader(slices, request); };
  if (!split.validation.empty()) {
    task.validation = std::make_shared<FileCases>(select_cases(cases, split.validation), how, options.show_channel);
  }
  const auto scored = scored_slices(options, *slices);
  if (options.score == "trained") {
    task.caveats.push_back(
        fmt::format("Scored are slices {} to {}, the range in which the training half has foreground; the "
                    "networks saw no others.",
                    scored.first, scored.last));
  }
  const auto test = std::make_shared<FileCases>(select_cases(cases, split.test), how, options.show_channel, scored);
  const auto first = test->load(0);  // a bad first case is found now, not after the training
  task.unit = first.geometry ? "mm" : "pixels";
  check(first.images.size(1) == task.in_channels, "case {}: has {} channels, the training cases have {}", first.name,
        first.images.size(1), task.in_channels);
  task.test = test;
  add_files(task, cases);
  return task;
}

}  // namespace pam::programs

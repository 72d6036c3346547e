// SPDX-License-Identifier: MIT
#include "tasks/case_task.hpp"

#include "cli/program.hpp"
#include "engine/file_cases.hpp"

#include <pam/data/loader.hpp>
#include <pam/data/ordered_workers.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/prepare_case.hpp>
#include <pam/inference/preparation.hpp>
#include <pam/train/checkpoint.hpp>
#include <pam/train/interrupt.hpp>
#include <pam/weights/safetensors.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <unistd.h>

namespace pam::apps {
namespace {

constexpr std::int64_t kReaders = 2;         ///< threads that read cases
constexpr std::size_t kWarningsInFull = 10;  ///< of a kind; 250 resampled cases need not be 250 lines

std::string counted(std::size_t n, const std::string& noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

/// Called after every case: "reading: 12 of 210 cases" on a terminal, and the end on Ctrl-C.
void after_case(std::int64_t done, std::int64_t total, const std::string& /*name*/) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (terminal) {
    std::cerr << fmt::format("\rreading: {} of {} cases", done, total) << (done == total ? fresh_line() : "")
              << std::flush;
  }
  if (interrupted() != 0) throw Interrupted("Stopped while reading the data; nothing was changed.");
}

/// What was found while the cases were read.
struct Reading {
  std::vector<std::string> warnings;
  std::vector<SkippedCase> skipped;
  std::map<std::string, std::vector<std::string>> axes;  ///< orientation ("RAS") → cases; of volumes that say
  std::vector<std::pair<double, double>> spacing;  ///< smallest and largest voxel of the training volumes: x, y, z
  MaskSurvey masks;                                ///< of all label files
  std::set<std::string> with_foreground;           ///< of the cases that do not train
};

/// The foreground classes that occur; looks no further once all `classes` - 1 are found.
std::set<std::int64_t> classes_in(const SliceDataset& slices, std::int64_t classes) {
  std::set<std::int64_t> seen;
  for (std::int64_t i = 0; i < slices.size() && static_cast<std::int64_t>(seen.size()) < classes - 1; ++i) {
    const auto labels = slices.get(i).labels;
    const auto* data = labels.data_ptr<std::int64_t>();
    for (std::int64_t p = 0; p < labels.numel(); ++p) {
      if (data[p] > 0) seen.insert(data[p]);
    }
  }
  return seen;
}

/// The normalisation that the weights of the run in `folder`, or of one below it, were trained with; nothing where it
/// has none that say it.
std::optional<Normalise> begun_with(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (folder.empty() || !std::filesystem::is_directory(folder, ignored)) return std::nullopt;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const CheckpointPaths paths(entry.path().parent_path());
    if (entry.path() != paths.state && entry.path() != paths.last) continue;
    try {
      const auto metadata = read_safetensors(entry.path()).metadata;
      const auto input = nlohmann::json::parse(metadata.at("pam.input"));
      return preparation_from_json(input, entry.path().string()).normalise;
    } catch (const std::exception&) {  // damaged, or of other weights: whoever continues the run says what is wrong
      continue;
    }
  }
  return std::nullopt;
}

/// Sets `how.cases.normalise`, where it is Auto, to what that means for these cases; says so where it is not the usual.
void settle_normalise(const std::vector<CaseFiles>& training, CaseTaskOptions& how, Task& task) {
  if (how.cases.normalise != Normalise::Auto || training.empty()) return;
  const bool volumes = is_nifti_name(training.front().images.front());
  how.cases.normalise = volumes ? Normalise::ZScoreNonzero : Normalise::Unit;
  if (!volumes) return;
  const auto before = begun_with(how.begun);
  if (before) {  // before pam resolved Auto, it was ZScoreNonzero for all volumes
    if (*before != Normalise::Auto) how.cases.normalise = *before;
    return;
  }
  auto as_stored = how.cases;
  as_stored.normalise = Normalise::None;
  for (const auto& files : training) {
    try {
      const auto doubt = background_doubt(load_case(files, as_stored));
      if (doubt.empty()) return;
      how.cases.normalise = Normalise::ZScoreAll;
      add_notes(task,
                {doubt + ", so 0 is no background: --normalise auto is zscore here, over all voxels, for all cases."});
      return;
    } catch (const Error&) {
      if (!how.skip_bad) throw;
    }
  }
}

/// The training slices, in memory.
std::shared_ptr<const SliceDataset> training_slices(const std::vector<CaseFiles>& cases, const CaseTaskOptions& how,
                                                    Reading& reading) {
  SliceOptions options;
  options.slices = how.slices;
  options.skip_bad = how.skip_bad;
  options.threads = kReaders;
  options.progress = after_case;
  auto slices = std::make_shared<SliceDataset>(cases, how.cases, options);
  const auto seen = classes_in(*slices, how.cases.labels.classes());
  check(!seen.empty(), "none of the {} training slices has foreground; check --label-values {} against the label files",
        slices->size(), how.cases.labels.text());
  for (std::int64_t c = 1; c < how.cases.labels.classes(); ++c) {
    if (seen.count(c) > 0) continue;
    reading.warnings.push_back(fmt::format(
        "class {} of --label-values {} occurs in no training slice, so it cannot be learnt; do the label files hold "
        "other values?",
        c, how.cases.labels.text()));
  }
  for (const auto& each : slices->cases()) {
    reading.warnings.insert(reading.warnings.end(), each.notices.begin(), each.notices.end());
    if (!each.axes.empty()) reading.axes[each.axes].push_back(each.name);
    for (std::size_t axis = 0; axis < each.spacing.size(); ++axis) {
      // without the digits that a float32 of the header adds
      const auto length = std::stod(fmt::format("{:.6g}", each.spacing[axis]));
      if (reading.spacing.size() <= axis) reading.spacing.emplace_back(length, length);
      auto& [low, high] = reading.spacing[axis];
      low = std::min(low, length), high = std::max(high, length);
    }
    if (each.used > 0) continue;
    reading.warnings.push_back(
        fmt::format("case {}: none of its {} slices is used (--slices), so it does not take part in the training",
                    each.name, each.slices));
  }
  reading.masks.add(slices->masks());
  reading.skipped.insert(reading.skipped.end(), slices->skipped().begin(), slices->skipped().end());
  return slices;
}

/// Those of `cases` that can be read, each of the training cases' kind and as wide.
std::vector<CaseFiles> readable_cases(const std::vector<CaseFiles>& cases, std::int64_t channels, bool volumes,
                                      const CaseTaskOptions& how, Reading& reading) {
  const auto total = static_cast<std::int64_t>(cases.size());
  OrderedWorkers<Case> workers(total, kReaders, kReaders, [&](std::int64_t i) {
    return load_case(cases[static_cast<std::size_t>(i)], how.cases);
  });
  std::vector<CaseFiles> good;
  for (std::int64_t i = 0; i < total; ++i) {
    const auto& files = cases[static_cast<std::size_t>(i)];
    try {
      const auto each = *workers.next();
      check(each.image.size(0) == channels, "case {}: its number of channels is {}, that of the training cases is {}{}",
            each.name, each.image.size(0), channels,
            each.is_volume ? "; give every case the same modalities"
                           : "; to read grey and colour pictures alike, give --channels 3 (or 1 for grey)");
      check(each.is_volume == volumes, "case {}: is a {}, the training cases are {}; train and test on one kind",
            each.name, each.is_volume ? "volume" : "picture", volumes ? "volumes" : "pictures");
      reading.warnings.insert(reading.warnings.end(), each.notices.begin(), each.notices.end());
      if (!each.axes().empty()) reading.axes[each.axes()].push_back(each.name);
      reading.masks.add(each.masks);
      if (each.labels.gt(0).any().item<bool>()) reading.with_foreground.insert(each.name);
      good.push_back(files);
    } catch (const Error& error) {
      if (!how.skip_bad) throw;
      reading.skipped.push_back({files.name, error.what()});
    }
    after_case(i + 1, total, files.name);
  }
  return good;
}

/// A warning, before all others, where the volumes do not lie alike.
void compare_axes(Reading& reading) {
  if (reading.axes.size() < 2) return;
  constexpr std::size_t kNames = 5;  // of one orientation
  std::vector<std::string> groups;
  for (const auto& [axes, names] : reading.axes) {
    const std::vector<std::string> first(names.begin(),
                                         names.begin() + static_cast<std::ptrdiff_t>(std::min(kNames, names.size())));
    groups.push_back(fmt::format("{} ({}{})", axes, joined(first, ", "),
                                 names.size() > kNames ? fmt::format(" and {} more", names.size() - kNames) : ""));
  }
  reading.warnings.insert(
      reading.warnings.begin(),
      fmt::format(
          "the voxel axes of the cases run in different directions: {}; slices of different planes, or mirrored "
          "ones, are mixed: bring all to one orientation (CaseOptions::orient RAS)",
          joined(groups, ", ")));
}

/// Reports what was found, on standard error and in the task.
void tell(const Reading& reading, Task& task) {
  for (std::size_t i = 0; i < std::min(kWarningsInFull, reading.warnings.size()); ++i) {
    std::cerr << "warning: " << with_flags(reading.warnings[i]) << "\n";
  }
  if (reading.warnings.size() > kWarningsInFull) {
    std::cerr << fmt::format("warning: … and {} more of these\n", reading.warnings.size() - kWarningsInFull);
  }
  if (!reading.warnings.empty()) {
    task.caveats.push_back(fmt::format("{} from reading the files; the first: {}.",
                                       counted(reading.warnings.size(), "warning"),
                                       with_flags(reading.warnings.front())));
  }
  std::vector<std::string> names;
  for (const auto& each : reading.skipped) {
    std::cerr << "skipped: " << with_flags(each.reason) << "\n";
    names.push_back(each.name);
  }
  if (names.empty()) return;
  task.caveats.push_back(fmt::format("Left out, because they cannot be read (--skip-bad): {}.", joined(names, ", ")));
}

/// The range of the slices that train.
SliceRange range_of(const SliceDataset& slices) {
  SliceRange range;
  range = {range.last, 0};
  for (std::int64_t i = 0; i < slices.size(); ++i) {
    const auto z = slices.get(i).slice;
    range = {std::min(range.first, z), std::max(range.last, z)};
  }
  return range;
}

/// Every file of the cases that take part, each once; one that could not be read has no fingerprint either.
std::vector<std::filesystem::path> files_of(const std::vector<CaseFiles>& cases, const Split& split,
                                            const std::vector<SkippedCase>& skipped) {
  auto parts = names_in(split);
  for (const auto& each : skipped) parts.erase(each.name);
  std::vector<std::filesystem::path> files;
  std::set<std::filesystem::path> seen;
  const auto add = [&](const std::filesystem::path& path) {
    if (seen.insert(path).second) files.push_back(path);
  };
  for (const auto& each : cases) {
    if (parts.count(each.name) == 0) continue;
    for (const auto& image : each.images) add(image);
    add(each.labels);
  }
  return files;
}

/// What is foreground: the text of a label map, or what its file holds.
nlohmann::json rule_of(const LabelMap& labels) {
  const std::filesystem::path file = labels.text();
  std::error_code ignored;
  if (file.extension() != ".json" || !std::filesystem::is_regular_file(file, ignored)) return labels.text();
  return nlohmann::json::parse(std::ifstream(file), nullptr, /*allow_exceptions=*/false);
}

}  // namespace

Task case_task(Task about, const std::vector<CaseFiles>& cases, const Split& split, const CaseTaskOptions& given) {
  auto task = std::move(about);
  auto how = given;
  const auto classes = how.cases.labels.classes();
  check(classes >= 2, "--label-values {}: does not say how many classes there are; name them, such as 1=1,2=2",
        how.cases.labels.text());
  check(!split.train.empty() && (how.all_train || !split.test.empty()),
        "the split has {} to train and {} to test; both are needed", counted(split.train.size(), "case"),
        counted(split.test.size(), "case"));
  settle_normalise(select_cases(cases, split.train), how, task);
  Reading reading;
  for (const auto& reason : how.incomplete) reading.skipped.push_back({reason.substr(0, reason.find(": ")), reason});
  const auto slices = training_slices(select_cases(cases, split.train), how, reading);
  const bool volumes = slices->volumes();
  const auto readable = [&](const std::vector<std::string>& names) {
    return readable_cases(select_cases(cases, names), slices->channels(), volumes, how, reading);
  };
  const auto validation = readable(split.validation), test = readable(split.test);
  compare_axes(reading);
  const auto doubts = reading.masks.warnings(how.cases.labels);
  reading.warnings.insert(reading.warnings.begin(), doubts.begin(), doubts.end());
  tell(reading, task);
  check(split.test.empty() || !test.empty(), "none of the {} test cases can be read; the last: {}", split.test.size(),
        reading.skipped.empty() ? "" : reading.skipped.back().reason);
  check(split.validation.empty() || !validation.empty(),
        "none of the {} validation cases can be read, so nothing would choose the epoch; mend the files, or take "
        "others; the last: {}",
        split.validation.size(), reading.skipped.empty() ? "" : reading.skipped.back().reason);
  check(
      validation.empty() || std::any_of(validation.begin(), validation.end(),
                                        [&](const auto& each) { return reading.with_foreground.count(each.name) > 0; }),
      "none of the {} validation cases has foreground, so their Dice cannot choose the epoch; take others or more of "
      "them (--split FILE.json, --validation-share), or none",
      validation.size());

  const auto scored = how.trained_range ? range_of(*slices) : SliceRange();
  if (how.trained_range) {
    task.caveats.push_back(
        fmt::format("Scored are slices {} to {}, the range in which the training half has foreground; the networks saw "
                    "no others.",
                    scored.first, scored.last));
  }
  if (test.size() == 1) task.caveats.push_back(how.lone_caveat);
  const auto trained = volumes ? " with " + counted(static_cast<std::size_t>(slices->size()), "slice") : std::string();
  task.lead = fmt::format(
      "{}{} to train, {}{} to test; foreground is {}.", counted(slices->cases().size(), how.train_noun), trained,
      validation.empty() ? "" : counted(validation.size(), how.train_noun) + " to choose the epoch, ",
      test.empty() ? std::string("none") : counted(test.size(), how.test_noun), how.foreground);
  task.lead += " " + normalise_sentence(how.cases, volumes);
  task.in_channels = slices->channels();
  task.classes = classes == 2 ? 1 : classes;
  task.unit = volumes ? "mm" : "pixels";
  task.make_loader = [slices](const LoaderRequest& request) {
    return std::make_unique<DataLoader>(slices, loader_options(request, slices->largest_plane()));
  };
  auto prepared = how.cases;  // as padded as the loader pads training slices
  prepared.pad_to_at_least = slices->largest_plane();
  if (!validation.empty()) {
    task.validation = std::make_shared<FileCases>(validation, prepared, how.show_channel, SliceRange(), how.full_size);
  }
  task.test = std::make_shared<FileCases>(test, prepared, how.show_channel, scored, how.full_size);
  if (how.full_size && how.cases.resize.given()) {
    task.caveats.emplace_back(
        "Masks are decided at the network's size and brought to the picture's by nearest neighbour; predict brings the "
        "probabilities there and then decides, so its masks differ from these at borders.");
  }
  task.files = file_fingerprints(files_of(cases, split, reading.skipped));
  task.parts = {{"train", split.train},
                {"validation", split.validation},
                {"test", split.test},
                {"labels", rule_of(how.cases.labels)}};
  if (prepared.orient.empty() && reading.axes.size() == 1) prepared.axes = reading.axes.begin()->first;
  task.input = preparation_to_json(prepared);
  if (!how.modalities.empty()) task.modalities = how.modalities;
  if (!reading.spacing.empty()) task.spacing = reading.spacing;
  return task;
}

void add_volume_flags(OptionReader& reader) {
  reader.add<std::string>("--crop", "crop", "centre crop or pad to HEIGHTxWIDTH");
  reader.add<std::int64_t>("--fold", "fold", "which fold is the test set, from 0 on");
  reader.add<std::string>("--slices", "slices", "slices that train: foreground, brain or all; all are scored");
  reader.add_switch("--skip-bad", "skip_bad", "leave out cases that cannot be read, saying which");
  reader.add_switch("--zero-non-finite", "zero_non_finite", "take NaN and infinity in images and labels as 0");
  reader.add<std::string>("--normalise", "normalise",
                          std::string(kNormaliseNames) + "; auto is the task's: zscore-nonzero");
  reader.add<std::string>("--orient", "orient", kOrientHelp);
}

namespace {

void add_lines(Task& task, const char* kind, const std::vector<std::string>& lines) {
  for (const auto& line : lines) {
    const auto sentence = with_flags(line);
    std::cerr << kind << sentence << "\n";
    task.caveats.push_back(sentence);
  }
}

}  // namespace

void add_warnings(Task& task, const std::vector<std::string>& warnings) { add_lines(task, "warning: ", warnings); }
void add_notes(Task& task, const std::vector<std::string>& notes) { add_lines(task, "note: ", notes); }

std::vector<std::string> separate_words(const std::vector<std::string>& words) {
  std::vector<std::string> separate;
  for (const auto& word : words) {
    for (std::size_t at = 0; at <= word.size();) {
      const auto end = std::min(word.find(',', at), word.size());
      if (end > at) separate.push_back(word.substr(at, end - at));
      at = end + 1;
    }
  }
  return separate;
}

void check_parts(std::int64_t folds, std::int64_t fold, double test_share, double validation_share,
                 double default_share) {
  const auto share = [](double value) { return value >= 0 && value < 1; };
  if (folds == 0) {
    check(fold == 0, "--fold {}: there are no folds without --folds, such as --folds 5; add it, or leave --fold out",
          fold);
    check(share(test_share) && share(validation_share) && test_share + validation_share < 1,
          "--test-share {} and --validation-share {}: must be at least 0 and leave a share to train with", test_share,
          validation_share);
    return;
  }
  check(folds >= 2, "--folds {}: cross-validation needs at least 2 folds", folds);
  check(fold >= 0 && fold < folds, "--fold {}: folds are 0 to {} (--folds {})", fold, folds - 1, folds);
  check(
      test_share == default_share,
      "--test-share {}: with --folds {} each fold is the test set in turn, so the share would be ignored; leave one of "
      "the two out",
      test_share, folds);
  check(share(validation_share), "--validation-share {}: must be at least 0 and below 1", validation_share);
}

Split split_cases(const std::vector<std::string>& names, std::int64_t folds, std::int64_t fold, double test_share,
                  double validation_share, std::int64_t seed, const std::string& advice) {
  const auto needed = std::max<std::int64_t>(folds, 1 + (validation_share > 0 ? 1 : 0) + (test_share > 0 ? 1 : 0));
  check(static_cast<std::int64_t>(names.size()) >= needed,
        "there {}; {} takes at least {}, because slices of one volume must not be both trained and tested on; {}",
        names.size() == 1 ? "is one case, " + names.front() : fmt::format("are {} cases", names.size()),
        folds > 0 ? fmt::format("--folds {}", folds)
        : test_share == 0
            ? std::string("to train and choose the epoch")
            : std::string(validation_share > 0 ? "to train, choose the epoch and test" : "to train and test"),
        needed, advice);
  const auto random = static_cast<std::uint64_t>(seed);
  if (folds > 0) return split_by_fold(names, folds, fold, random, validation_share);
  return split_by_fraction(names, 1 - test_share - validation_share, validation_share, test_share, random);
}

}  // namespace pam::apps

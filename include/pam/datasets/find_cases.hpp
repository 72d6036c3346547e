// SPDX-License-Identifier: MIT
/// `find_cases`: finds which files of a folder belong together, for the common layouts of data sets.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/detail/folder_pairs.hpp>
#include <pam/datasets/found_cases.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace pam {

/// Where cases are. Either `images` (and `labels`), files or folders; or `root`, one of
///   root/images + root/labels (also imagesTr + labelsTr)             per case one file, or one per nnU-Net channel
///   root/train + root/trainannot, root/val + root/valannot, …        CamVid; the cases carry their split
///   root/CASE/…                                                      one folder per case; `modalities` name its files
/// Hidden folders, __MACOSX and folders of pam's results (`kResultsMarker`) are passed over.
/// Files are paired by name: equal stems, else equal stems after a suffix such as _mask, _seg or _0000 is taken off.
struct FolderOptions {
  std::filesystem::path root = {};
  std::filesystem::path images = {};
  std::filesystem::path labels = {};
  /// For one folder per case: the image files in channel order, each named by a word of its file name ("flair" finds
  /// BraTS_01_flair.nii.gz, any case), or by a pattern with * and ?.
  std::vector<std::string> modalities = {};
  std::string label_name = "seg";  ///< for one folder per case: the label file, named in the same way
  bool need_labels = true;         ///< false: cases without labels are taken too (prediction)
};

namespace detail {

/// "*" and "?" patterns, any case.
inline bool matches_pattern(const std::string& text, const std::string& pattern, std::size_t t = 0, std::size_t p = 0) {
  if (p == pattern.size()) return t == text.size();
  if (pattern[p] == '*') {
    for (std::size_t rest = t; rest <= text.size(); ++rest) {
      if (matches_pattern(text, pattern, rest, p + 1)) return true;
    }
    return false;
  }
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  return t < text.size() && (pattern[p] == '?' || same(pattern[p], text[t])) &&
         matches_pattern(text, pattern, t + 1, p + 1);
}

/// Whether `word` names `file`: as one of the words of its stem (split at . _ - and spaces), or as a pattern.
inline bool names_file(const std::string& word, const std::filesystem::path& file) {
  if (word.find_first_of("*?") != std::string::npos) return matches_pattern(file.filename().string(), word);
  const auto stem = lower(stem_of(file)) + "_", wanted = lower(word);
  for (std::size_t start = 0, end = 0; (end = stem.find_first_of("._- ", start)) != std::string::npos;
       start = end + 1) {
    if (stem.compare(start, end - start, wanted) == 0) return true;
  }
  return lower(stem_of(file)) == wanted;
}

/// The one file among `files` that `word` names; empty where none does and `required` is false.
inline std::filesystem::path file_named(const std::vector<std::filesystem::path>& files, const std::string& word,
                                        const std::filesystem::path& folder, bool required) {
  std::vector<std::filesystem::path> found;
  std::copy_if(files.begin(), files.end(), std::back_inserter(found),
               [&](const auto& file) { return names_file(word, file); });
  check(found.size() <= 1, "{}: \"{}\" names more than one file here: {}; use a pattern with * that names one",
        folder.string(), word, unpaired_text(found));
  check(!found.empty() || !required, "{}: no file here is named by \"{}\"; a case needs one (or remove the folder)",
        folder.string(), word);
  return found.empty() ? std::filesystem::path() : found.front();
}

/// A sentence for layouts that are known but not read; empty for others.
inline std::string layout_advice(const std::filesystem::path& root, bool need_labels) {
  std::error_code ignored;
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.is_directory()) names.insert(entry.path().filename().string());
  }
  for (const auto& name : names) {
    for (const char* word : {"_labels", "_label", "_masks", "_mask", "labels", "masks"}) {
      if (names.count(name + word) == 0) continue;
      if (!need_labels) {
        return fmt::format("{0} and {0}{1} look like images and their labels: give the folder of the images, {2}", name,
                           word, (root / name).string());
      }
      return fmt::format(
          "{0} and {0}{1} look like images and their labels: give FolderOptions::images {2} and FolderOptions::labels "
          "{3}, or, to have train, val and test folders as the split, rename each folder of labels to the name of its "
          "images with annot: {0} and {0}annot",
          name, word, (root / name).string(), (root / (name + word)).string());
    }
  }
  const auto is_subject = [](const auto& entry) {
    return entry.is_directory() && entry.path().filename().string().rfind("sub-", 0) == 0 &&
           data_files(entry.path()).empty();
  };
  const bool is_bids =
      std::filesystem::exists(root / "dataset_description.json", ignored) ||
      std::any_of(std::filesystem::directory_iterator(root), std::filesystem::directory_iterator(), is_subject);
  if (!is_bids) return "";
  return "this looks like BIDS (sub-*/anat/…), whose nested folders are not read: copy or link the image of each "
         "subject into images/ and its label into labels/, both under the subject's name, such as "
         "images/sub-01.nii.gz and labels/sub-01.nii.gz; or make one folder per subject that holds its images and its "
         "label";
}

/// One folder per case. Where `skipped` is not null, cases that lack a file are left out, with the reason there.
inline std::vector<CaseFiles> case_folders(const std::filesystem::path& root, const FolderOptions& options,
                                           std::vector<std::string>* skipped) {
  std::vector<std::filesystem::path> folders, without;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (!entry.is_directory() || is_passed_over(entry.path())) continue;
    const bool is_empty = data_files(entry.path()).empty();
    if (is_empty && holds_results(entry.path(), 3)) continue;  // runs/ with the run folders in it
    (is_empty ? without : folders).push_back(entry.path());
  }
  if (folders.empty() || options.modalities.empty()) {
    const auto advice = layout_advice(root, options.need_labels);
    check(advice.empty(), "{}: {}", root.string(), advice);
  }
  std::sort(folders.begin(), folders.end());
  std::sort(without.begin(), without.end());
  check(!folders.empty(),
        "{}: no layout that pam knows: expected images/ and labels/, train/ and trainannot/, or one folder per case "
        "with NIfTI files or pictures in it",
        root.string());
  check(!options.modalities.empty(),
        "{}: holds one folder per case ({} of them, such as {}); say which of the files there are its images, by a "
        "word of their names each, in channel order, such as: FolderOptions::modalities t1 t2 flair",
        root.string(), folders.size(), folders.front().filename().string());
  if (skipped != nullptr) {
    for (const auto& folder : without) skipped->push_back(folder.string() + ": holds no NIfTI file and no picture");
    without.clear();
  }
  check(
      without.empty(),
      "{}: {} of {} folders hold no NIfTI file and no picture (nested deeper, or not fetched?); a case's files lie in "
      "its folder: move them there, or move the folder away if it is no case",
      unpaired_text(without), without.size(), without.size() + folders.size());
  std::vector<CaseFiles> cases;
  for (const auto& folder : folders) {
    const auto files = data_files(folder);
    CaseFiles item;
    item.name = folder.filename().string();
    find_or_skip(skipped, [&] {
      for (const auto& word : options.modalities) item.images.push_back(file_named(files, word, folder, true));
      item.labels = file_named(files, options.label_name, folder, options.need_labels);
      cases.push_back(std::move(item));
    });
  }
  check_any_found(cases, root, skipped);
  return cases;
}

/// CamVid: SPLIT and SPLITannot side by side. Throws where such a pair has another name, or half of it is missing: its
/// cases would be left out.
inline std::vector<CaseFiles> camvid_cases(const std::filesystem::path& root, bool need_labels) {
  const std::map<std::string, std::string> splits{
      {"train", "train"}, {"val", "val"}, {"validation", "val"}, {"valid", "val"}, {"test", "test"}};
  const std::string annot = "annot";
  std::string validation;
  std::vector<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    auto name = entry.path().filename().string();
    if (!entry.is_directory()) continue;
    const bool labels = name.size() > annot.size() && name.substr(name.size() - annot.size()) == annot;
    if (labels) name.resize(name.size() - annot.size());
    const bool images = std::filesystem::is_directory(root / name);
    check(!labels || images, "{}: holds {}annot/, but no {}/ with its images; add it, or move the folder away",
          root.string(), name, name);
    check(!labels || splits.count(name) > 0,
          "{}: {} and {}annot look like images and their labels, but the parts are called train, val (or validation, "
          "valid) and test; rename both, or move them away",
          root.string(), name, name);
    if (labels || splits.count(name) == 0) continue;
    folders.push_back(name);
    if (splits.at(name) != "val") continue;
    check(validation.empty(), "{}: holds {}/ and {}/, which are the same part; keep one", root.string(), validation,
          name);
    validation = name;
  }
  std::sort(folders.begin(), folders.end());
  std::vector<CaseFiles> cases;
  for (const auto& folder : folders) {
    auto found = pair_folders(root / folder, root / (folder + annot), need_labels);
    for (auto& item : found) item.split = splits.at(folder);
    cases.insert(cases.end(), found.begin(), found.end());
  }
  return cases;
}

/// Refuses options for one folder per case where the layout is `layout`: they would be ignored.
inline void check_no_case_words(const FolderOptions& options, const std::string& layout) {
  const char* rule = "{}, where files are paired by name; {} is for one folder per case: leave it out";
  check(options.modalities.empty(), rule, layout, "FolderOptions::modalities");
  check(options.label_name == FolderOptions().label_name, rule, layout, "FolderOptions::label_name");
}

inline std::vector<CaseFiles> cases_in_root(const FolderOptions& options, std::vector<std::string>* skipped) {
  const auto& root = options.root;
  check(std::filesystem::is_directory(root), "{}: no such folder", root.string());
  for (const auto& [images, labels] : {std::pair{"images", "labels"}, {"imagesTr", "labelsTr"}}) {
    if (!std::filesystem::is_directory(root / images)) continue;
    check_no_case_words(options, fmt::format("{}: holds {}/ and {}/", root.string(), images, labels));
    const bool has_labels = std::filesystem::is_directory(root / labels);
    check(has_labels || !options.need_labels,
          "{}: holds {}/, but no {}/ with the labels; rename their folder to {}, or give FolderOptions::images {} and "
          "FolderOptions::labels",
          root.string(), images, labels, labels, (root / images).string());
    return pair_folders(root / images, has_labels || options.need_labels ? root / labels : std::filesystem::path(),
                        options.need_labels);
  }
  if (std::filesystem::is_directory(root / "trainannot")) {
    check_no_case_words(options, root.string() + ": holds train/ and trainannot/");
    return camvid_cases(root, options.need_labels);
  }
  return case_folders(root, options, skipped);
}

}  // namespace detail

/// The cases of a folder (or of single files), sorted by name. Nothing is decoded yet. Throws `Error`: an empty or
/// absent folder, an image without a label or a label without an image (naming them), two files of one name, a layout
/// that pam does not know, `modalities` or another `label_name` where the layout is not one folder per case. Where
/// `skipped` is given, case folders that lack a file are left out instead, and the reasons are added to it.
inline std::vector<CaseFiles> find_cases(const FolderOptions& options, std::vector<std::string>* skipped = nullptr) {
  check(options.root.empty() != options.images.empty(),
        "find_cases: give either one folder (root) or the images, not {}", options.root.empty() ? "neither" : "both");
  if (options.root.empty()) detail::check_no_case_words(options, options.images.string() + ": is given as the images");
  std::vector<CaseFiles> cases;
  if (!options.root.empty()) {
    cases = detail::cases_in_root(options, skipped);
  } else if (std::filesystem::is_regular_file(options.images)) {
    check(!options.need_labels || std::filesystem::is_regular_file(options.labels),
          "{}: no such label file for the image {}; check its path", options.labels.string(), options.images.string());
    std::error_code ignored;
    check(!std::filesystem::equivalent(options.images, options.labels, ignored),
          "{}: is given as the image and as its own label; name the label file", options.images.string());
    cases.push_back({stem_of(options.images), {options.images}, options.labels});
  } else {
    check(std::filesystem::is_directory(options.images), "{}: no such file or folder; check its path",
          options.images.string());
    check(!options.need_labels || !options.labels.empty(), "{}: the folder of the labels is not given",
          options.images.string());
    cases = detail::pair_folders(options.images, options.labels, options.need_labels);
  }
  std::sort(cases.begin(), cases.end(), [](const CaseFiles& a, const CaseFiles& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < cases.size(); ++i) {
    check(cases[i].name != cases[i - 1].name, "{} and {}: both are the case \"{}\"; rename one",
          cases[i - 1].images.front().string(), cases[i].images.front().string(), cases[i].name);
  }
  return cases;
}

}  // namespace pam

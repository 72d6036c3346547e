// SPDX-License-Identifier: MIT
/// `find_cases`: finds which files of a folder belong together, for the common layouts of data sets.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/detail/folder_pairs.hpp>
#include <pam/datasets/found_cases.hpp>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// Where cases are. Either `images` (and `labels`), files or folders; or `root`, one of
///   root/images + root/labels (also imagesTr + labelsTr)             per case one file, or one per nnU-Net channel
///   root/train + root/trainannot, root/val + root/valannot, …        CamVid; the cases carry their split
///   root/CASE/…                                                      one folder per case; `modalities` name its files
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

/// One folder per case.
inline std::vector<CaseFiles> case_folders(const std::filesystem::path& root, const FolderOptions& options) {
  std::vector<std::filesystem::path> folders, without;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (!entry.is_directory() || entry.path().filename().string().front() == '.') continue;
    if (entry.path().filename() == "__MACOSX") continue;  // what macOS puts into zip archives
    (data_files(entry.path()).empty() ? without : folders).push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  std::sort(without.begin(), without.end());
  check(!folders.empty(),
        "{}: no layout that pam knows: expected images/ and labels/, train/ and trainannot/, or one folder per case "
        "with NIfTI files or pictures in it",
        root.string());
  check(!options.modalities.empty(),
        "{}: holds one folder per case ({} of them); name the image files of a case, for example t1,t2,flair",
        root.string(), folders.size());
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
    for (const auto& word : options.modalities) item.images.push_back(file_named(files, word, folder, true));
    item.labels = file_named(files, options.label_name, folder, options.need_labels);
    cases.push_back(std::move(item));
  }
  return cases;
}

/// CamVid: SPLIT and SPLITannot side by side.
inline std::vector<CaseFiles> camvid_cases(const std::filesystem::path& root, bool need_labels) {
  std::vector<CaseFiles> cases;
  for (const std::string split : {"train", "val", "test"}) {
    if (!std::filesystem::is_directory(root / split)) continue;
    auto found = pair_folders(root / split, root / (split + "annot"), need_labels);
    for (auto& item : found) item.split = split;
    cases.insert(cases.end(), found.begin(), found.end());
  }
  return cases;
}

inline std::vector<CaseFiles> cases_in_root(const FolderOptions& options) {
  const auto& root = options.root;
  check(std::filesystem::is_directory(root), "{}: no such folder", root.string());
  for (const auto& [images, labels] : {std::pair{"images", "labels"}, {"imagesTr", "labelsTr"}}) {
    if (!std::filesystem::is_directory(root / images)) continue;
    const bool has_labels = std::filesystem::is_directory(root / labels);
    return pair_folders(root / images, has_labels || options.need_labels ? root / labels : std::filesystem::path(),
                        options.need_labels);
  }
  if (std::filesystem::is_directory(root / "trainannot")) return camvid_cases(root, options.need_labels);
  return case_folders(root, options);
}

}  // namespace detail

/// The cases of a folder (or of single files), sorted by name. Nothing is decoded yet. Throws `Error`: an empty or
/// absent folder, an image without a label or a label without an image (naming them), two files of one name, a layout
/// that pam does not know.
inline std::vector<CaseFiles> find_cases(const FolderOptions& options) {
  check(options.root.empty() != options.images.empty(),
        "find_cases: give either one folder (root) or the images, not {}", options.root.empty() ? "neither" : "both");
  std::vector<CaseFiles> cases;
  if (!options.root.empty()) {
    cases = detail::cases_in_root(options);
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

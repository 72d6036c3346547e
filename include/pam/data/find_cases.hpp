// SPDX-License-Identifier: MIT
/// `find_cases`: which files in a folder belong together, for the layouts that people keep their data in.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/case.hpp>
#include <pam/io/image.hpp>
#include <pam/io/nifti.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// Where cases are. Either `images` (and `labels`), files or folders; or `root`, one of
///   root/images + root/labels (also imagesTr + labelsTr)             one file, or one per nnU-Net channel, a case
///   root/train + root/trainannot, root/val + root/valannot, …        CamVid; the cases carry their split
///   root/CASE/…                                                      one folder a case; `modalities` name its files
/// Files are paired by name: equal stems, else equal stems after a suffix such as _mask, _seg or _0000 is taken off.
struct FolderOptions {
  std::filesystem::path root = {};
  std::filesystem::path images = {};
  std::filesystem::path labels = {};
  /// For one folder a case: the image files in channel order, each named by a word of its file name ("flair" finds
  /// BraTS_01_flair.nii.gz, any case), or by a pattern with * and ?.
  std::vector<std::string> modalities = {};
  std::string label_name = "seg";  ///< for one folder a case: the label file, named in the same way
  bool need_labels = true;         ///< false: cases without labels are taken too (prediction)
};

namespace detail {

inline std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// The file name without its extension (.nii.gz counts as one).
inline std::string stem_of(const std::filesystem::path& path) {
  auto name = path.filename().string();
  const auto cut = lower(name);
  for (const char* extension : {".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff"}) {
    const std::string end = extension;
    if (cut.size() > end.size() && cut.compare(cut.size() - end.size(), end.size(), end) == 0) {
      return name.substr(0, name.size() - end.size());
    }
  }
  return name;
}

/// The stem without the first of `suffixes` that it ends in (any case).
template <typename Suffixes>
std::string without_suffix(const std::string& stem, const Suffixes& suffixes) {
  const auto small = lower(stem);
  for (const std::string end : suffixes) {
    if (small.size() > end.size() && small.compare(small.size() - end.size(), end.size(), end) == 0) {
      return stem.substr(0, stem.size() - end.size());
    }
  }
  return stem;
}

/// The name of the case that tools append to, for label and for image files.
inline std::string bare_label_stem(const std::string& stem) {
  static const std::array<const char*, 14> kSuffixes{
      "_mask",         "-mask", "_masks",      "_label",       "-label",  "_labels", "_seg",
      "_segmentation", "_gt",   "_annotation", "_groundtruth", "_manual", "_msk",    "_l"};
  return without_suffix(stem, kSuffixes);
}
inline std::string bare_image_stem(const std::string& stem) {
  static const std::array<const char*, 4> kSuffixes{"_image", "-image", "_img", "_0000"};
  return without_suffix(stem, kSuffixes);
}

inline bool is_data_file(const std::filesystem::directory_entry& entry) {
  const auto name = entry.path().filename().string();
  return entry.is_regular_file() && name.front() != '.' && (is_nifti_name(entry.path()) || is_image_name(entry.path()));
}

/// The NIfTI files and pictures in `folder`, sorted; hidden and other files are passed over.
inline std::vector<std::filesystem::path> data_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (is_data_file(entry)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Files by key; two files of one key are refused, naming both.
template <typename Key>
std::map<std::string, std::filesystem::path> by_key(const std::vector<std::filesystem::path>& files, const Key& key) {
  std::map<std::string, std::filesystem::path> result;
  for (const auto& file : files) {
    const auto [place, is_new] = result.emplace(key(stem_of(file)), file);
    check(is_new, "{} and {}: both would be the case \"{}\"; rename or remove one", place->second.string(),
          file.string(), place->first);
  }
  return result;
}

/// nnU-Net's channels: NAME_0000, NAME_0001, … beside the label NAME. Empty where the folder does not follow that.
inline std::map<std::string, std::vector<std::filesystem::path>> channel_groups(
    const std::vector<std::filesystem::path>& images) {
  std::map<std::string, std::vector<std::filesystem::path>> groups;
  for (const auto& image : images) {
    const auto stem = stem_of(image);
    const bool is_channel =
        stem.size() > 5 && stem[stem.size() - 5] == '_' &&
        std::all_of(stem.end() - 4, stem.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!is_channel) return {};
    groups[stem.substr(0, stem.size() - 5)].push_back(image);
  }
  return groups;
}

inline std::string unpaired_text(const std::vector<std::filesystem::path>& files) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(files.size(), 3); ++i)
    text += (i > 0 ? ", " : "") + files[i].string();
  return files.size() > 3 ? fmt::format("{} and {} more", text, files.size() - 3) : text;
}

/// Images and labels of two folders as cases.
inline std::vector<CaseFiles> pair_folders(const std::filesystem::path& image_folder,
                                           const std::filesystem::path& label_folder, bool need_labels) {
  for (const auto& folder : {image_folder, label_folder}) {
    check(folder.empty() || std::filesystem::is_directory(folder), "{}: no such folder", folder.string());
  }
  const auto images = data_files(image_folder);
  check(!images.empty(), "{}: the folder holds no NIfTI files (.nii, .nii.gz) and no pictures (.png, .jpg, .tif)",
        image_folder.string());
  const auto labels = label_folder.empty() ? std::vector<std::filesystem::path>() : data_files(label_folder);
  check(!labels.empty() || !need_labels, "{}: the folder holds no label files (.nii, .nii.gz, .png, .tif)",
        label_folder.string());
  const auto same = [](const std::string& stem) { return stem; };
  auto label_of = by_key(labels, same);
  std::map<std::string, std::vector<std::filesystem::path>> image_of;
  const auto channels = channel_groups(images);
  const bool has_channels =
      std::any_of(channels.begin(), channels.end(), [&](const auto& group) { return label_of.count(group.first) > 0; });
  if (has_channels) {
    image_of = channels;
  } else {
    for (const auto& [stem, path] : by_key(images, same)) image_of[stem] = {path};
    const bool is_paired =
        std::any_of(image_of.begin(), image_of.end(), [&](const auto& item) { return label_of.count(item.first) > 0; });
    if (!is_paired && !labels.empty()) {
      image_of.clear();
      for (const auto& [stem, path] : by_key(images, bare_image_stem)) image_of[stem] = {path};
      label_of = by_key(labels, bare_label_stem);
    }
  }
  std::vector<CaseFiles> cases;
  std::vector<std::filesystem::path> without;
  for (const auto& [stem, paths] : image_of) {
    const auto label = label_of.find(stem);
    if (label == label_of.end() && need_labels) without.push_back(paths.front());
    cases.push_back({stem, paths, label == label_of.end() ? std::filesystem::path() : label->second});
    if (label != label_of.end()) label_of.erase(label);
  }
  check(without.empty(),
        "{}: no label file of that name in {} ({} of {} images have none); add it or take the image away",
        unpaired_text(without), label_folder.string(), without.size(), image_of.size());
  std::vector<std::filesystem::path> left;
  for (const auto& item : label_of) left.push_back(item.second);
  check(left.empty(), "{}: no image file of that name in {} ({} labels have none); add it or take the label away",
        unpaired_text(left), image_folder.string(), left.size());
  return cases;
}

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

/// One folder a case.
inline std::vector<CaseFiles> case_folders(const std::filesystem::path& root, const FolderOptions& options) {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.is_directory() && entry.path().filename().string().front() != '.' && !data_files(entry.path()).empty()) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  check(!folders.empty(),
        "{}: no layout that pam knows: expected images/ and labels/, train/ and trainannot/, or one folder a case with "
        "NIfTI files "
        "or pictures in it",
        root.string());
  check(!options.modalities.empty(),
        "{}: holds one folder a case ({} of them); name the image files of a case, for example t1,t2,flair",
        root.string(), folders.size());
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
/// absent folder, an image without label or a label without image (naming them), two files of one name, no known
/// layout.
inline std::vector<CaseFiles> find_cases(const FolderOptions& options) {
  check(options.root.empty() != options.images.empty(),
        "find_cases: give either one folder (root) or the images, not {}", options.root.empty() ? "neither" : "both");
  std::vector<CaseFiles> cases;
  if (!options.root.empty()) {
    cases = detail::cases_in_root(options);
  } else if (std::filesystem::is_regular_file(options.images)) {
    check(!options.need_labels || std::filesystem::is_regular_file(options.labels),
          "{}: no such label file for the image {}", options.labels.string(), options.images.string());
    cases.push_back({detail::stem_of(options.images), {options.images}, options.labels});
  } else {
    check(std::filesystem::is_directory(options.images), "{}: no such file or folder", options.images.string());
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

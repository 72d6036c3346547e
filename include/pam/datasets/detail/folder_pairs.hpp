// SPDX-License-Identifier: MIT
/// Internals of datasets/find_cases.hpp: the data files of folders, and the pairing of images and labels by name.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/found_cases.hpp>
#include <pam/images/image.hpp>
#include <pam/images/nifti.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pam::detail {

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

inline bool has_data_name(const std::filesystem::directory_entry& entry) {
  return entry.path().filename().string().front() != '.' &&
         (is_nifti_name(entry.path()) || is_image_name(entry.path()));
}

/// The NIfTI files and pictures in `folder`, sorted; hidden and other files are skipped. A link whose file is not there
/// (not fetched yet by git-annex or DataLad) is refused: if it were skipped, its case would silently be missing.
inline std::vector<std::filesystem::path> data_files(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  check(!error, "{}: the folder cannot be read: {}; check its path and permissions", folder.string(), error.message());
  std::vector<std::filesystem::path> files;
  for (const auto& entry : entries) {
    if (!has_data_name(entry)) continue;
    check(!entry.is_symlink() || entry.exists(),
          "{}: is a link to a file that is not there; fetch the file, or remove the link", entry.path().string());
    if (entry.is_regular_file()) files.push_back(entry.path());
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

/// Refuses groups that are not NAME_0000 … NAME_000n, each number once, equally many of every name: with a gap, the
/// channels of one case would not be those of another.
inline void check_channels(const std::map<std::string, std::vector<std::filesystem::path>>& groups) {
  const auto& [first, expected] = *groups.begin();
  for (const auto& [name, files] : groups) {
    for (std::size_t i = 0; i < files.size(); ++i) {
      check(stem_of(files[i]) == fmt::format("{}_{:04}", name, i),
            "{}: expected the channel {}_{:04} here; the channels of a case are {}_0000, {}_0001, … without a gap and "
            "each once: add the missing file or remove the one too many",
            files[i].string(), name, i, name, name);
    }
    check(files.size() == expected.size(),
          "case {}: has {} channels, case {} has {}; give every case the same channels", name, files.size(), first,
          expected.size());
  }
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
  std::error_code ignored;
  check(!std::filesystem::equivalent(image_folder, label_folder, ignored),
        "{}: is given as the folder of the images and of the labels, so every image would be its own label; put the "
        "labels in a folder of their own",
        image_folder.string());
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
    check_channels(channels);
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

}  // namespace pam::detail

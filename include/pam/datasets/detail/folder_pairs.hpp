// SPDX-License-Identifier: MIT
/// Internals of datasets/find_cases.hpp: the pairing of images and labels by name.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/data_files.hpp>
#include <pam/datasets/unicode_forms.hpp>
#include <pam/datasets/found_cases.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pam::detail {

inline std::string bare_image_stem(const std::string& stem) {
  static const std::array<const char*, 4> kSuffixes{"_image", "-image", "_img", "_0000"};
  return without_suffix(stem, kSuffixes);
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
  std::vector<std::filesystem::path> left;
  for (const auto& item : label_of) left.push_back(item.second);
  check(without.empty(),
        "{}: no label file of that name in {} ({} of {} images have none); add it or take the image away{}",
        unpaired_text(without), label_folder.string(), without.size(), image_of.size(),
        unicode_form_notice(without, left));
  check(left.empty(), "{}: no image file of that name in {} ({} labels have none); add it or take the label away",
        unpaired_text(left), image_folder.string(), left.size());
  return cases;
}

}  // namespace pam::detail

// SPDX-License-Identifier: MIT
/// The definitions of find_cityscapes.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
#include <pam/datasets/find_cityscapes.hpp>
#include <pam/datasets/found_cases.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pam {

namespace detail {

PAM_FUNC std::filesystem::path cityscapes_part(const std::filesystem::path& root, const char* part) {
  const auto holds_part = [&](const std::filesystem::path& folder) {
    return is_folder(folder / part / "train") || is_folder(folder / part / "val");
  };
  const auto found = folders_where(root, holds_part, 1);
  check(!found.empty(), "{}: there is no {}/train in it. {}", root.string(), part, help_text(kCityscapesHelp));
  check(found.size() == 1, "{}: holds {} folders with {} in them: {}; give one", root.string(), found.size(), part,
        unpaired_text(found));
  for (const char* split : {"train", "val"}) {
    check(is_folder(found[0] / part / split), "{}: no such folder. {}", (found[0] / part / split).string(),
          help_text(kCityscapesHelp));
  }
  return found[0] / part;
}

PAM_FUNC std::vector<std::string> stems_with(const std::filesystem::path& folder, const std::string& end) {
  std::vector<std::string> stems;
  if (!is_folder(folder)) return stems;
  for (const auto& entry : entries_in(folder)) {
    const auto name = entry.filename().string();
    if (name.size() <= end.size() || name.compare(name.size() - end.size(), end.size(), end) != 0) continue;
    stems.push_back(name.substr(0, name.size() - end.size()));
  }
  return stems;
}

PAM_FUNC CityscapesScan scan_cityscapes(const std::filesystem::path& images, const std::filesystem::path& labels,
                                        const std::string& split) {
  const std::string image_end = "_leftImg8bit.png", label_end = "_gtFine_labelIds.png";
  CityscapesScan scan;
  for (const auto& folder : folders_in(images / split)) {
    const auto city = folder.filename();
    const auto stems = stems_with(folder, image_end), labelled = stems_with(labels / split / city, label_end);
    std::set<std::string> left(labelled.begin(), labelled.end());
    for (const auto& stem : stems) {
      const auto label = labels / split / city / (stem + label_end);
      if (left.erase(stem) == 0) scan.missing.push_back(label);
      scan.cases.push_back({stem, {folder / (stem + image_end)}, label, city.string()});
    }
    if (!stems.empty()) scan.cities.push_back(city.string());
    for (const auto& stem : left) scan.without_image.push_back(labels / split / city / (stem + label_end));
  }
  for (const auto& folder : folders_in(labels / split)) {
    const auto city = folder.filename();
    if (std::find(scan.cities.begin(), scan.cities.end(), city.string()) != scan.cities.end()) continue;
    if (is_folder(images / split / city)) continue;  // counted above
    for (const auto& stem : stems_with(folder, label_end)) scan.without_image.push_back(folder / (stem + label_end));
  }
  check(!scan.cases.empty(), "{}: its city folders hold no *{} pictures. {}", (images / split).string(), image_end,
        help_text(kCityscapesHelp));
  check(scan.missing.empty(), "{}: no such label file ({} of {} pictures in {} have none). {}",
        unpaired_text(scan.missing), scan.missing.size(), scan.cases.size(), (images / split).string(),
        help_text(kCityscapesHelp));
  return scan;
}

PAM_FUNC std::string held_out_city(const std::vector<std::string>& cities, const std::string& wanted,
                                   const std::filesystem::path& train) {
  if (wanted == "none") return "";
  check(wanted.empty() || std::count(cities.begin(), cities.end(), wanted) > 0,
        "{}: there is no training city \"{}\" to validate on; nearest: {} (or \"none\")", train.string(), wanted,
        joined(nearest_names(wanted, cities, 3), ", "));
  check(cities.size() >= 2, "{}: holds one city, {}, which cannot both train and validate; add one, or hold out none",
        train.string(), cities.front());
  return wanted.empty() ? cities.back() : wanted;
}

}  // namespace detail
PAM_FUNC FoundCases find_cityscapes(const std::filesystem::path& given, const std::string& val_city) {
  const auto root = detail::checked_root(given, detail::kCityscapesHelp);
  const auto images = detail::cityscapes_part(root, "leftImg8bit"), labels = detail::cityscapes_part(root, "gtFine");
  FoundCases found;
  for (const std::string split : {"train", "val"}) {
    auto scan = detail::scan_cityscapes(images, labels, split);
    const auto held_out = split == "train" ? detail::held_out_city(scan.cities, val_city, images / split) : "";
    for (auto& item : scan.cases) {
      const bool is_held_out = !held_out.empty() && item.split == held_out;  // `split` still names the city
      item.split = split == "val" ? "test" : is_held_out ? "val" : "train";
      found.cases.push_back(std::move(item));
    }
    if (!held_out.empty()) {
      found.notices.push_back(fmt::format("validation: the training city {}; test: the official val/", held_out));
    }
    if (!scan.without_image.empty()) {
      found.notices.push_back(fmt::format("{}: {} label files have no picture and are ignored",
                                          detail::unpaired_text(scan.without_image), scan.without_image.size()));
    }
  }
  for (const auto& other : detail::folders_in(images)) {
    const auto name = other.filename().string();
    if (name == "train" || name == "val") continue;
    found.notices.push_back(fmt::format("{}: ignored ({})", other.string(),
                                        name == "test" ? "its labels are not public" : "it has no fine labels"));
  }
  detail::sort_cases(found.cases);
  return found;
}

}  // namespace pam

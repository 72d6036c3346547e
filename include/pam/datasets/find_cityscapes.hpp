// SPDX-License-Identifier: MIT
/// `find_cityscapes`: the pictures and labels of Cityscapes (Cordts et al., CVPR 2016) as downloaded, with the split of
/// the experiments: all official training cities but one train, that one validates, and the official val/ tests.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
#include <pam/datasets/found_cases.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// Label map of the official category "vehicle" in labelIds pictures: car 26, truck 27, bus 28, caravan 29, trailer 30,
/// train 31, motorcycle 32, bicycle 33. Everything else, void (0 to 6) included, is background. The ninth label,
/// licence plate, has the id -1: the official converter does not draw it, so plates carry the id of their vehicle.
/// Source: cityscapesscripts/helpers/labels.py and preparation/json2labelImg.py.
inline constexpr const char* kCityscapesVehicles = "26-33";

namespace detail {

inline constexpr DataSetHelp kCityscapesHelp{
    "Cityscapes is available after registration at https://www.cityscapes-dataset.com (leftImg8bit_trainvaltest.zip "
    "and gtFine_trainvaltest.zip)",
    "ROOT/leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and ROOT/gtFine/{train,val}/CITY/*_gtFine_labelIds.png"};

/// The folder `part`, in the root or in a folder that its archive was unpacked to.
inline std::filesystem::path cityscapes_part(const std::filesystem::path& root, const char* part) {
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

/// The stems of the files in `folder` that end in `end`, without it; none where the folder is absent.
inline std::vector<std::string> stems_with(const std::filesystem::path& folder, const std::string& end) {
  std::vector<std::string> stems;
  if (!is_folder(folder)) return stems;
  for (const auto& entry : entries_in(folder)) {
    const auto name = entry.filename().string();
    if (name.size() <= end.size() || name.compare(name.size() - end.size(), end.size(), end) != 0) continue;
    stems.push_back(name.substr(0, name.size() - end.size()));
  }
  return stems;
}

/// The pictures and labels of one split.
struct CityscapesScan {
  std::vector<CaseFiles> cases;
  std::vector<std::string> cities;                            ///< those that hold pictures
  std::vector<std::filesystem::path> missing, without_image;  ///< label files
};

inline CityscapesScan scan_cityscapes(const std::filesystem::path& images, const std::filesystem::path& labels,
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
  check(!scan.cases.empty(), "{}: its city folders hold no *{} pictures. {}", (images / split).string(), image_end,
        help_text(kCityscapesHelp));
  check(scan.missing.empty(), "{}: no such label file ({} of {} pictures in {} have none). {}",
        unpaired_text(scan.missing), scan.missing.size(), scan.cases.size(), (images / split).string(),
        help_text(kCityscapesHelp));
  return scan;
}

/// The training city to validate on.
inline std::string held_out_city(const std::vector<std::string>& cities, const std::string& wanted,
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

/// The fine-labelled pictures below `given`, sorted by name; the name is the file's without _leftImg8bit.png. `split`
/// is "val" for the training city `val_city` (default: the last by name; "none": no city), "train" for the other
/// training cities, and "test" for the official val/. Official test/ has no labels and is ignored, with a warning.
/// `given` may also hold the two archives' folders. Throws `Error`: a data set that is not there (the message says
/// where to register, and the layout), a picture without its label file (naming it), a city that is not there (naming
/// the nearest).
inline FoundCases find_cityscapes(const std::filesystem::path& given, const std::string& val_city = "") {
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

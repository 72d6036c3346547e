// SPDX-License-Identifier: MIT
/// `find_cityscapes`: the pictures and labels of Cityscapes (Cordts et al., CVPR 2016) as downloaded, with the split of
/// the experiments: all official training cities but one train, that one validates, and the official val/ tests.
#pragma once

#include <pam/core/config.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
#include <pam/datasets/found_cases.hpp>

#include <filesystem>
#include <string>
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
std::filesystem::path cityscapes_part(const std::filesystem::path& root, const char* part);

/// The stems of the files in `folder` that end in `end`, without it; none where the folder is absent.
std::vector<std::string> stems_with(const std::filesystem::path& folder, const std::string& end);

/// The pictures and labels of one split.
struct CityscapesScan {
  std::vector<CaseFiles> cases;
  std::vector<std::string> cities;                            ///< those that hold pictures
  std::vector<std::filesystem::path> missing, without_image;  ///< label files
};

CityscapesScan scan_cityscapes(const std::filesystem::path& images, const std::filesystem::path& labels,
                               const std::string& split);

/// The training city to validate on.
std::string held_out_city(const std::vector<std::string>& cities, const std::string& wanted,
                          const std::filesystem::path& train);

}  // namespace detail

/// The fine-labelled pictures below `given`, sorted by name; the name is the file's without _leftImg8bit.png. `split`
/// is "val" for the training city `val_city` (default: the last by name; "none": no city), "train" for the other
/// training cities, and "test" for the official val/. Official test/ has no labels and is ignored, with a warning.
/// `given` may also hold the two archives' folders. Throws `Error`: a data set that is not there (the message says
/// where to register, and the layout), a picture without its label file (naming it), a city that is not there (naming
/// the nearest).
FoundCases find_cityscapes(const std::filesystem::path& given, const std::string& val_city = "");

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/datasets/find_cityscapes-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// `CaseFiles`: the files of one patient's volume, or of one picture, on disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace pam {

/// The part of a volume that a case is made of (images/hemispheres.hpp).
enum class CasePart { Whole, LeftHemisphere, RightHemisphere };

/// The files of one case, not read yet.
struct CaseFiles {
  std::string name;                           ///< unique in its data set; splits and scores refer to cases by name
  std::vector<std::filesystem::path> images;  ///< modalities in channel order; one file may hold several channels
  std::filesystem::path labels;               ///< empty where there are none
  std::string split = "";                     ///< "train", "val" or "test" where the folder's layout says so
  CasePart part = CasePart::Whole;
};

}  // namespace pam

// SPDX-License-Identifier: MIT
/// `FoundCases`: what a finder of an official layout returns.
#pragma once

#include <pam/data/case_files.hpp>

#include <string>
#include <vector>

namespace pam {

/// What a finder of an official layout (datasets/find_brats.hpp …) found.
struct FoundCases {
  std::vector<CaseFiles> cases;      ///< sorted by name
  std::vector<std::string> notices;  ///< notes and warnings for the user: cases left out and why, no grades known …
};

}  // namespace pam

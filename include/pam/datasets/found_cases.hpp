// SPDX-License-Identifier: MIT
/// `FoundCases`: what a finder of an official layout returns.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/case_files.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam {

/// What a finder of an official layout (datasets/find_brats.hpp …) found.
struct FoundCases {
  std::vector<CaseFiles> cases;      ///< sorted by name
  std::vector<std::string> notices;  ///< notes and warnings for the user: cases left out and why, no grades known …
};

namespace detail {

/// Runs `find`, which finds the files of one case and throws where one is missing. Where `skipped` is given, the reason
/// is added to it instead.
template <typename Find>
void find_or_skip(std::vector<std::string>* skipped, const Find& find) {
  try {
    find();
  } catch (const Error& error) {
    if (skipped == nullptr) throw;
    skipped->push_back(error.what());
  }
}

/// Throws `Error` where all cases of `root` were skipped.
inline void check_any_found(const std::vector<CaseFiles>& cases, const std::filesystem::path& root,
                            const std::vector<std::string>* skipped) {
  if (!cases.empty() || skipped == nullptr || skipped->empty()) return;
  fail("{}: none of its {} case folders has all files; the last: {}", root.string(), skipped->size(), skipped->back());
}

}  // namespace detail

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Internals of datasets/find_cityscapes.hpp, find_brats.hpp and find_isles.hpp: looking through downloaded data sets.
/// A folder that cannot be read and a data set that is not there are each an `Error`; the latter says where to get it.
#pragma once

#include <pam/core/config.hpp>
#include <pam/datasets/detail/folder_pairs.hpp>
#include <pam/images/nifti.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace pam::detail {

/// What is said where a data set is not found.
struct DataSetHelp {
  const char* source;  ///< "BRATS is available from …"
  const char* layout;  ///< its folders and files
};
inline std::string help_text(const DataSetHelp& help) {
  return fmt::format("{}; expected layout: {}", help.source, help.layout);
}

bool is_folder(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);

/// The entries of `folder`, sorted, without hidden files. Where it cannot be read: throws if `must`, else returns none.
std::vector<std::filesystem::path> entries_in(const std::filesystem::path& folder, bool must = true);

/// The folders among them, without __MACOSX and pam's own results.
std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder, bool must = true);

/// The root without a slash at its end; refuses one that is not a folder with something in it.
std::filesystem::path checked_root(const std::filesystem::path& root, const DataSetHelp& help);

/// `folder` if it `is_wanted`, else those of its subfolders that are, `depth` levels down: archives unpack into wrapper
/// folders. Subfolders that cannot be read are skipped.
template <typename IsWanted>
std::vector<std::filesystem::path> folders_where(const std::filesystem::path& folder, const IsWanted& is_wanted,
                                                 int depth) {
  if (is_wanted(folder)) return {folder};
  std::vector<std::filesystem::path> found;
  if (depth == 0) return found;
  for (const auto& below : folders_in(folder, false)) {
    const auto more = folders_where(below, is_wanted, depth - 1);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

/// A NIfTI file with the name that says what it is: its own, or that of its folder where it is the only file there.
struct NamedFile {
  std::filesystem::path name, file;
};

/// The NIfTI files of one case: those in `folder`, and those one folder down where `is_holder(subfolder)`.
template <typename IsHolder>
std::vector<NamedFile> case_files(const std::filesystem::path& folder, const IsHolder& is_holder, bool must = true) {
  std::vector<NamedFile> files;
  for (const auto& entry : entries_in(folder, must)) {
    if (is_file(entry) && is_nifti_name(entry)) files.push_back({entry.filename(), entry});
    if (!is_folder(entry) || !is_holder(entry)) continue;
    for (const auto& inner : entries_in(entry, must)) {
      if (is_file(inner) && is_nifti_name(inner)) files.push_back({entry.filename(), inner});
    }
  }
  return files;
}

/// "a, b, c and 4 more"
std::string some_of(const std::vector<std::string>& names, std::size_t shown = 3);

/// The one file that a word of `words` names (the first word that names any); empty where none does, an error where two
/// do.
std::filesystem::path one_named(const std::vector<NamedFile>& files, const std::vector<std::string>& words,
                                const std::string& case_name);

/// As `one_named`, but throws where none is found; the message lists what is there.
std::filesystem::path required_file(const std::vector<NamedFile>& files, const std::vector<std::string>& words,
                                    const std::string& case_name, const std::filesystem::path& folder,
                                    const DataSetHelp& help);

/// Sorted by name; two cases of one name are refused.
void sort_cases(std::vector<CaseFiles>& cases);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/datasets/detail/dataset_folders-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// Internals of datasets/find_cityscapes.hpp, find_brats.hpp and find_isles.hpp: looking through downloaded data sets.
/// A folder that cannot be read and a data set that is not there are each an `Error`; the latter says where to get it.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/find_cases.hpp>
#include <pam/datasets/found_cases.hpp>
#include <pam/images/nifti.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
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

inline bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}
inline bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

/// The entries of `folder`, sorted, without hidden files. Where it cannot be read: throws if `must`, else returns none.
inline std::vector<std::filesystem::path> entries_in(const std::filesystem::path& folder, bool must = true) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  std::filesystem::directory_iterator place(folder, error);
  for (; !error && place != std::filesystem::directory_iterator(); place.increment(error)) {
    if (place->path().filename().string().front() != '.') entries.push_back(place->path());
  }
  check(!error || !must, "{}: the folder cannot be read: {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

inline std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder, bool must = true) {
  auto entries = entries_in(folder, must);
  entries.erase(std::remove_if(entries.begin(), entries.end(), [](const auto& entry) { return !is_folder(entry); }),
                entries.end());
  return entries;
}

/// The root without a slash at its end; refuses one that is not a folder with something in it.
inline std::filesystem::path checked_root(const std::filesystem::path& root, const DataSetHelp& help) {
  std::error_code ignored;
  check(!root.empty(), "no folder of the data set is given. {}", help_text(help));
  check(std::filesystem::exists(root, ignored), "{}: no such folder. {}", root.string(), help_text(help));
  check(is_folder(root), "{}: is a file, not the folder of the data set. {}", root.string(), help_text(help));
  check(!entries_in(root).empty(), "{}: the folder is empty. {}", root.string(), help_text(help));
  return root.has_filename() ? root : root.parent_path();
}

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
inline std::string some_of(const std::vector<std::string>& names, std::size_t shown = 3) {
  const auto count = std::min(names.size(), shown);
  const auto text =
      joined(std::vector<std::string>(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count)));
  return names.size() > count ? fmt::format("{} and {} more", text, names.size() - count) : text;
}

/// The one file that a word of `words` names (the first word that names any); empty where none does, an error where two
/// do.
inline std::filesystem::path one_named(const std::vector<NamedFile>& files, const std::vector<std::string>& words,
                                       const std::string& case_name) {
  for (const auto& word : words) {
    std::vector<std::filesystem::path> found;
    for (const auto& item : files) {
      if (names_file(word, item.name)) found.push_back(item.file);
    }
    check(found.size() <= 1, "case {}: more than one {} file: {}; remove all but one", case_name, word,
          unpaired_text(found));
    if (!found.empty()) return found.front();
  }
  return {};
}

/// As `one_named`, but throws where none is found; the message lists what is there.
inline std::filesystem::path required_file(const std::vector<NamedFile>& files, const std::vector<std::string>& words,
                                           const std::string& case_name, const std::filesystem::path& folder,
                                           const DataSetHelp& help) {
  const auto file = one_named(files, words, case_name);
  std::vector<std::string> there;
  if (file.empty()) {
    for (const auto& item : files) there.push_back(item.name.string());
  }
  check(!file.empty(), "case {}: no {} file in {} (which holds {}); download it again or remove the case. {}",
        case_name, words.front(), folder.string(), there.empty() ? "no NIfTI file" : some_of(there, 6),
        help_text(help));
  return file;
}

/// Sorted by name; two cases of one name are refused.
inline void sort_cases(std::vector<CaseFiles>& cases) {
  std::sort(cases.begin(), cases.end(), [](const CaseFiles& a, const CaseFiles& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < cases.size(); ++i) {
    check(cases[i].name != cases[i - 1].name, "{} and {}: both are the case \"{}\"; remove one",
          cases[i - 1].images.front().string(), cases[i].images.front().string(), cases[i].name);
  }
}

}  // namespace pam::detail

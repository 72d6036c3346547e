// SPDX-License-Identifier: MIT
/// The definitions of dataset_folders.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
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

PAM_FUNC bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

PAM_FUNC bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

PAM_FUNC std::vector<std::filesystem::path> entries_in(const std::filesystem::path& folder, bool must) {
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

PAM_FUNC std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder, bool must) {
  auto entries = entries_in(folder, must);
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [](const auto& entry) { return !is_folder(entry) || is_passed_over(entry); }),
                entries.end());
  return entries;
}

PAM_FUNC std::filesystem::path checked_root(const std::filesystem::path& root, const DataSetHelp& help) {
  std::error_code ignored;
  check(!root.empty(), "no folder of the data set is given. {}", help_text(help));
  check(std::filesystem::exists(root, ignored), "{}: no such folder. {}", root.string(), help_text(help));
  check(is_folder(root), "{}: is a file, not the folder of the data set. {}", root.string(), help_text(help));
  check(!entries_in(root).empty(), "{}: the folder is empty. {}", root.string(), help_text(help));
  return root.has_filename() ? root : root.parent_path();
}

PAM_FUNC std::string some_of(const std::vector<std::string>& names, std::size_t shown) {
  const auto count = std::min(names.size(), shown);
  const auto text = joined(std::vector<std::string>(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count)));
  return names.size() > count ? fmt::format("{} and {} more", text, names.size() - count) : text;
}

PAM_FUNC std::filesystem::path one_named(const std::vector<NamedFile>& files, const std::vector<std::string>& words,
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

PAM_FUNC std::filesystem::path required_file(const std::vector<NamedFile>& files, const std::vector<std::string>& words,
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

PAM_FUNC void sort_cases(std::vector<CaseFiles>& cases) {
  std::sort(cases.begin(), cases.end(), [](const CaseFiles& a, const CaseFiles& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < cases.size(); ++i) {
    check(cases[i].name != cases[i - 1].name, "{} and {}: both are the case \"{}\"; remove one",
          cases[i - 1].images.front().string(), cases[i].images.front().string(), cases[i].name);
  }
}

}  // namespace pam::detail

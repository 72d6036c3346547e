// SPDX-License-Identifier: MIT
/// `other_files_warning`, `folders_below_warning`: what lies in the folders of the data and is not read.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/case_files.hpp>
#include <pam/datasets/data_files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <vector>

namespace pam {
namespace detail {

/// Files that operating systems and tools leave behind: hidden ones (with ._NAME of macOS), and these.
inline bool is_clutter(const std::filesystem::path& path) {
  const auto name = lower(path.filename().string());
  return name.front() == '.' || name == "thumbs.db" || name == "desktop.ini" || name == "__macosx";
}

}  // namespace detail

/// One sentence that counts the files in `folders` (not below them) that are neither NIfTI nor pictures of a kind that
/// pam reads, and names the first three; empty where there are none. Clutter does not count: hidden files, Thumbs.db,
/// desktop.ini.
[[nodiscard]] inline std::string other_files_warning(const std::set<std::filesystem::path>& folders) {
  std::vector<std::string> found;
  for (const auto& folder : folders) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder.empty() ? "." : folder, ignored)) {
      if (entry.is_directory(ignored) || detail::has_data_name(entry) || detail::is_clutter(entry.path())) continue;
      found.push_back(entry.path().string());
    }
  }
  if (found.empty()) return {};
  std::sort(found.begin(), found.end());
  const auto shown = std::min<std::size_t>(found.size(), 3);
  const auto more = found.size() > shown ? fmt::format(" and {} more", found.size() - shown) : std::string();
  const std::vector<std::string> first(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(shown));
  return fmt::format(
      "{} beside the data {} not read, being neither NIfTI (.nii, .nii.gz) nor PNG, JPEG, TIFF, BMP or WebP: {}{}",
      found.size() == 1 ? "1 file" : fmt::format("{} files", found.size()), found.size() == 1 ? "is" : "are",
      joined(first, ", "), more);
}

/// The same for the folders that the files of `cases` lie in.
[[nodiscard]] inline std::string other_files_warning(const std::vector<CaseFiles>& cases) {
  std::set<std::filesystem::path> folders;
  for (const auto& each : cases) {
    for (const auto& image : each.images) folders.insert(image.parent_path());
    if (!each.labels.empty()) folders.insert(each.labels.parent_path());
  }
  return other_files_warning(folders);
}

/// One sentence that counts the folders which lie beside the files of several cases and hold NIfTI files or pictures
/// too, which are not read, and names the first; empty where there are none.
[[nodiscard]] inline std::string folders_below_warning(const std::vector<CaseFiles>& cases) {
  std::map<std::filesystem::path, std::size_t> folders;
  for (const auto& each : cases) {
    if (!each.images.empty()) ++folders[each.images.front().parent_path()];
    if (!each.labels.empty()) ++folders[each.labels.parent_path()];
  }
  std::vector<std::string> found;
  for (const auto& [folder, count] : folders) {
    if (count < 2) continue;  // one folder per case
    for (const auto& below : folders_with_data(folder)) {
      if (folders.count(below) == 0) found.push_back(below.string());
    }
  }
  if (found.empty()) return {};
  std::sort(found.begin(), found.end());
  const bool one = found.size() == 1;
  return fmt::format("{} beside the cases {} images or labels too, which are not read: {}{}; move its files up",
                     one ? "1 folder" : fmt::format("{} folders", found.size()), one ? "holds" : "hold", found.front(),
                     one ? "" : ", …");
}

}  // namespace pam

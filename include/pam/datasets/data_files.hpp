// SPDX-License-Identifier: MIT
/// The data files of a folder, and what their names say: the case, the kind of file, the channel.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/image.hpp>
#include <pam/images/nifti.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <vector>

namespace pam {

/// The name of the empty file that pam's programs leave in the folders of their results: such a folder is never taken
/// for a case, wherever it lies.
inline constexpr const char* kResultsMarker = ".pam-results";

/// Whether `folder`, or with `depth` > 0 a folder so many levels below it, has a `kResultsMarker`.
[[nodiscard]] inline bool holds_results(const std::filesystem::path& folder, int depth = 0) {
  std::error_code error;
  if (std::filesystem::exists(folder / kResultsMarker, error)) return true;
  if (depth == 0) return false;
  for (std::filesystem::directory_iterator place(folder, error);
       !error && place != std::filesystem::directory_iterator(); place.increment(error)) {
    std::error_code ignored;
    if (place->is_directory(ignored) && holds_results(place->path(), depth - 1)) return true;
  }
  return false;
}

namespace detail {

/// Folders that are not data: hidden ones, what macOS adds to archives, and results of pam's programs.
inline bool is_passed_over(const std::filesystem::path& folder) {
  const auto name = folder.filename().string();
  return name.empty() || name.front() == '.' || name == "__MACOSX" || holds_results(folder);
}

inline std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

inline bool has_data_name(const std::filesystem::directory_entry& entry) {
  return entry.path().filename().string().front() != '.' &&
         (is_nifti_name(entry.path()) || is_image_name(entry.path()));
}

}  // namespace detail

/// The file name without its extension (.nii.gz counts as one).
[[nodiscard]] inline std::string stem_of(const std::filesystem::path& path) {
  auto name = path.filename().string();
  const auto cut = detail::lower(name);
  for (const char* extension : {".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}) {
    const std::string end = extension;
    if (cut.size() > end.size() && cut.compare(cut.size() - end.size(), end.size(), end) == 0) {
      return name.substr(0, name.size() - end.size());
    }
  }
  return name;
}

/// The stem without the first of `suffixes` that it ends in (any case).
template <typename Suffixes>
[[nodiscard]] std::string without_suffix(const std::string& stem, const Suffixes& suffixes) {
  const auto small = detail::lower(stem);
  for (const std::string end : suffixes) {
    if (small.size() > end.size() && small.compare(small.size() - end.size(), end.size(), end) == 0) {
      return stem.substr(0, stem.size() - end.size());
    }
  }
  return stem;
}

/// The stem of a label file without the word that tools append to the name of the case: "_seg", "_mask" and the like.
[[nodiscard]] inline std::string bare_label_stem(const std::string& stem) {
  static const std::array<const char*, 14> kSuffixes{
      "_mask",         "-mask", "_masks",      "_label",       "-label",  "_labels", "_seg",
      "_segmentation", "_gt",   "_annotation", "_groundtruth", "_manual", "_msk",    "_l"};
  return without_suffix(stem, kSuffixes);
}

/// The NIfTI files and pictures in `folder`, sorted; hidden and other files are skipped. A link whose file is not there
/// (not fetched yet by git-annex or DataLad) is refused: if it were skipped, its case would silently be missing. So is
/// a .hdr/.img pair.
[[nodiscard]] inline std::vector<std::filesystem::path> data_files(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  check(!error, "{}: the folder cannot be read: {}; check its path and permissions", folder.string(), error.message());
  std::vector<std::filesystem::path> files;
  for (const auto& entry : entries) {
    const auto half = detail::lower(entry.path().extension().string());
    auto other_half = entry.path();
    other_half.replace_extension(half == ".hdr" ? ".img" : ".hdr");
    check((half != ".hdr" && half != ".img") || !std::filesystem::exists(other_half),
          "{}: is one half of a .hdr/.img pair (NIfTI or Analyze 7.5), which pam does not read; convert it to .nii.gz",
          entry.path().string());
    if (!detail::has_data_name(entry)) continue;
    check(!entry.is_symlink() || entry.exists(),
          "{}: is a link to a file that is not there; fetch the file, or remove the link", entry.path().string());
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The folders in `folder` that hold NIfTI files or pictures, sorted; hidden ones and results of pam's programs are
/// passed over, and so is what cannot be read.
[[nodiscard]] inline std::vector<std::filesystem::path> folders_with_data(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? fs::path(".") : folder, ignored)) {
    if (!entry.is_directory(ignored) || detail::is_passed_over(entry.path())) continue;
    const fs::directory_iterator inside(entry.path(), ignored);
    const bool holds = std::any_of(begin(inside), end(inside), [&](const auto& file) {
      return file.is_regular_file(ignored) && detail::has_data_name(file);
    });
    if (holds) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// nnU-Net's channels: NAME_0000, NAME_0001, … beside the label NAME. Empty where the folder does not follow that.
[[nodiscard]] inline std::map<std::string, std::vector<std::filesystem::path>> channel_groups(
    const std::vector<std::filesystem::path>& images) {
  std::map<std::string, std::vector<std::filesystem::path>> groups;
  for (const auto& image : images) {
    const auto stem = stem_of(image);
    const bool is_channel =
        stem.size() > 5 && stem[stem.size() - 5] == '_' &&
        std::all_of(stem.end() - 4, stem.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!is_channel) return {};
    groups[stem.substr(0, stem.size() - 5)].push_back(image);
  }
  return groups;
}

/// Refuses groups that are not NAME_0000 … NAME_000n, each number once, equally many of every name: with a gap, the
/// channels of one case would not be those of another.
inline void check_channels(const std::map<std::string, std::vector<std::filesystem::path>>& groups) {
  const auto& [first, expected] = *groups.begin();
  for (const auto& [name, files] : groups) {
    for (std::size_t i = 0; i < files.size(); ++i) {
      check(stem_of(files[i]) == fmt::format("{}_{:04}", name, i),
            "{}: expected the channel {}_{:04} here; the channels of a case are {}_0000, {}_0001, … without a gap and "
            "each once: add the missing file or remove the one too many",
            files[i].string(), name, i, name, name);
    }
    check(files.size() == expected.size(),
          "case {}: has {} channels, case {} has {}; give every case the same channels", name, files.size(), first,
          expected.size());
  }
}

}  // namespace pam

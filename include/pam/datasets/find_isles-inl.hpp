// SPDX-License-Identifier: MIT
/// The definitions of find_isles.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
#include <pam/datasets/find_cases.hpp>
#include <pam/datasets/find_isles.hpp>
#include <pam/datasets/found_cases.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pam {

namespace detail {

PAM_FUNC std::vector<std::filesystem::path> folders_named(const std::filesystem::path& folder,
                                                          const std::string& prefix, bool must) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : folders_in(folder, must)) {
    if (lower(entry.filename().string()).compare(0, prefix.size(), prefix) == 0) found.push_back(entry);
  }
  return found;
}

PAM_FUNC std::filesystem::path isles2018_folder(const std::filesystem::path& root, std::vector<std::string>& notices) {
  auto found = folders_where(
      root, [](const auto& folder) { return !folders_named(folder, "case_", false).empty(); }, 2);
  if (found.size() <= 1) return found.empty() ? std::filesystem::path() : found.front();
  const auto is_training = [](const auto& folder) { return lower(folder.filename().string()) == "training"; };
  const auto training = std::find_if(found.begin(), found.end(), is_training);
  check(std::count_if(found.begin(), found.end(), is_training) == 1,
        "{}: case_N folders lie in several places: {}; give one of them", root.string(), unpaired_text(found));
  const auto chosen = *training;
  found.erase(training);
  notices.push_back(fmt::format("{}: ignored (no labels are public for the test cases)", unpaired_text(found)));
  return chosen;
}

PAM_FUNC void add_isles2018(IslesCases& result, const std::filesystem::path& folder, bool need_labels,
                            std::vector<std::string>* skipped) {
  result.edition = IslesEdition::Isles2018;
  result.modalities = {"CBF", "CBV", "MTT", "Tmax"};
  for (const auto& place : folders_named(folder, "case_")) {
    find_or_skip(skipped, [&] {
      CaseFiles item;
      item.name = place.filename().string();
      const auto files = case_files(place, [](const auto&) { return true; });
      for (const auto& modality : result.modalities) {
        item.images.push_back(required_file(files, {modality}, item.name, place, kIslesHelp));
      }
      item.labels = need_labels ? required_file(files, {"OT"}, item.name, place, kIslesHelp)
                                : one_named(files, {"OT"}, item.name);
      result.cases.push_back(std::move(item));
    });
  }
}

PAM_FUNC void add_nifti_below(const std::filesystem::path& folder, std::vector<NamedFile>& files) {
  for (const auto& entry : entries_in(folder)) {
    if (is_folder(entry) && !is_passed_over(entry)) add_nifti_below(entry, files);
    if (is_file(entry) && is_nifti_name(entry)) files.push_back({entry.filename(), entry});
  }
}

PAM_FUNC std::filesystem::path isles22_folder(const std::filesystem::path& root) {
  const auto found = folders_where(
      root,
      [](const auto& folder) {
        const bool is_derived = folder.filename() == "derivatives" || folder.parent_path().filename() == "derivatives";
        return !is_derived && !folders_named(folder, "sub-", false).empty();
      },
      2);
  check(found.size() <= 1, "{}: sub-* folders lie in several places: {}; give one of them", root.string(),
        unpaired_text(found));
  return found.empty() ? std::filesystem::path() : found.front();
}

PAM_FUNC std::map<std::string, std::filesystem::path> isles22_masks(const std::filesystem::path& folder) {
  std::vector<NamedFile> files;
  if (is_folder(folder)) add_nifti_below(folder, files);
  std::map<std::string, std::filesystem::path> masks;
  for (const auto& item : files) {
    if (!names_file("msk", item.name)) continue;
    const auto name = item.name.string();
    const auto [place, is_new] = masks.emplace(name.substr(0, name.find('_')), item.file);
    check(is_new, "case {}: more than one msk file: {}, {}; remove all but one", place->first, place->second.string(),
          item.file.string());
  }
  return masks;
}

PAM_FUNC void add_flair(IslesCases& result, const std::vector<std::filesystem::path>& flairs) {
  std::vector<std::string> without;
  for (std::size_t i = 0; i < flairs.size(); ++i) {
    if (flairs[i].empty()) without.push_back(result.cases[i].name);
  }
  if (!without.empty()) {
    result.notices.push_back(
        fmt::format("channels of every case: DWI and ADC; FLAIR is left out, because {} of {} cases have none ({}); "
                    "remove those cases to have it as the third channel",
                    without.size(), result.cases.size(), some_of(without)));
    return;
  }
  result.modalities.emplace_back("FLAIR");
  for (std::size_t i = 0; i < flairs.size(); ++i) result.cases[i].images.push_back(flairs[i]);
}

PAM_FUNC void add_isles22(IslesCases& result, const std::filesystem::path& folder, bool need_labels,
                          std::vector<std::string>* skipped) {
  result.edition = IslesEdition::Isles22;
  result.modalities = {"DWI", "ADC"};
  auto derivatives = folder / "derivatives";
  if (!is_folder(derivatives)) {
    derivatives =
        std::filesystem::absolute(folder / "x").lexically_normal().parent_path().parent_path() / "derivatives";
  }
  auto masks = isles22_masks(derivatives);
  std::vector<std::filesystem::path> flairs;
  for (const auto& place : folders_named(folder, "sub-")) {
    find_or_skip(skipped, [&] {
      CaseFiles item;
      item.name = place.filename().string();
      std::vector<NamedFile> files;
      add_nifti_below(place, files);
      for (const char* modality : {"dwi", "adc"}) {
        item.images.push_back(required_file(files, {modality}, item.name, place, kIslesHelp));
      }
      auto flair = one_named(files, {"flair"}, item.name);
      const auto mask = masks.find(item.name);
      check(mask != masks.end() || !need_labels, "case {}: no label file {}. {}", item.name,
            (derivatives / item.name / "ses-0001" / (item.name + "_ses-0001_msk.nii.gz")).string(),
            help_text(kIslesHelp));
      if (mask != masks.end()) {
        item.labels = mask->second;
        masks.erase(mask);
      }
      flairs.push_back(std::move(flair));
      result.cases.push_back(std::move(item));
    });
  }
  add_flair(result, flairs);
  std::vector<std::string> left;
  for (const auto& mask : masks) left.push_back(mask.first);
  if (!left.empty()) {
    result.notices.push_back(fmt::format("{}: {} label files have no images and are ignored ({})", derivatives.string(),
                                         left.size(), some_of(left)));
  }
}

}  // namespace detail
PAM_FUNC IslesCases find_isles(const std::filesystem::path& given, bool need_labels,
                               std::vector<std::string>* skipped) {
  const auto root = detail::checked_root(given, detail::kIslesHelp);
  IslesCases result;
  const auto smir = detail::isles2018_folder(root, result.notices), bids = detail::isles22_folder(root);
  check(smir.empty() || bids.empty(), "{}: holds both ISLES 2018 ({}) and ISLES'22 ({}); give one of them",
        root.string(), smir.string(), bids.string());
  check(!smir.empty() || !bids.empty(), "{}: holds no case_N and no sub-* folders. {}", root.string(),
        detail::help_text(detail::kIslesHelp));
  if (bids.empty()) {
    detail::add_isles2018(result, smir, need_labels, skipped);
  } else {
    detail::add_isles22(result, bids, need_labels, skipped);
  }
  detail::check_any_found(result.cases, root, skipped);
  detail::sort_cases(result.cases);
  return result;
}

}  // namespace pam

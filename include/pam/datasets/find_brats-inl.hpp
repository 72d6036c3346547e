// SPDX-License-Identifier: MIT
/// The definitions of find_brats.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/detail/brats_grades.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
#include <pam/datasets/find_brats.hpp>
#include <pam/datasets/found_cases.hpp>
#include <pam/images/nifti.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pam {

namespace detail {

PAM_FUNC std::vector<std::string> brats_words(const std::string& modality) {
  static const std::map<std::string, std::vector<std::string>> kLater{
      {"t1", {"t1", "t1n"}}, {"t1ce", {"t1ce", "t1c"}}, {"t2", {"t2", "t2w"}}, {"flair", {"flair", "t2f"}}};
  const auto place = kLater.find(lower(modality));
  return place == kLater.end() ? std::vector<std::string>{modality} : place->second;
}

PAM_FUNC std::filesystem::path brats_root(const std::filesystem::path& given) {
  const auto root = checked_root(given, kBratsHelp);
  const auto is_layout = [](const std::filesystem::path& folder) {
    const auto below = folders_in(folder, false);
    return std::any_of(below.begin(), below.end(), [](const auto& entry) {
      return !is_nifti_name(entry) &&
             (grade_of_folder(entry) != BratsGrade::Unknown || !brats_files(entry, false).empty());
    });
  };
  const auto found = folders_where(root, is_layout, 2);
  check(!found.empty() || brats_files(root).empty(),
        "{}: is the folder of one case; give the folder that holds the case folders", root.string());
  check(!found.empty(), "{}: holds no case folders with NIfTI files (archives have to be unpacked first). {}",
        root.string(), help_text(kBratsHelp));
  check(found.size() == 1, "{}: holds several data sets: {}; give one of them", root.string(), unpaired_text(found));
  return found.front();
}

PAM_FUNC std::vector<BratsFolder> brats_folders(const std::filesystem::path& root, std::vector<std::string>& notices) {
  std::vector<BratsFolder> cases;
  std::vector<std::string> empty;
  const auto add = [&](const std::filesystem::path& folder, BratsGrade grade) {
    if (brats_files(folder).empty()) {
      empty.push_back(folder.string());
    } else {
      cases.push_back({folder, grade});
    }
  };
  for (const auto& folder : folders_in(root)) {
    const auto grade = grade_of_folder(folder);
    if (grade == BratsGrade::Unknown) {
      add(folder, grade_of_folder(root));
      continue;
    }
    for (const auto& inner : folders_in(folder)) add(inner, grade);
  }
  check(!cases.empty(), "{}: its case folders hold no NIfTI files. {}", root.string(), help_text(kBratsHelp));
  if (!empty.empty()) {
    notices.push_back(fmt::format("skipped, because they hold no NIfTI files ({}): {}", empty.size(), some_of(empty)));
  }
  return cases;
}

PAM_FUNC std::filesystem::path brats_labels(const std::vector<NamedFile>& files, const std::string& name,
                                            const std::filesystem::path& folder, bool need_labels,
                                            std::vector<std::string>& notices) {
  const auto usual = one_named(files, {"seg"}, name);
  if (!usual.empty()) return usual;
  const auto odd = one_named(files, {"segm", "segmentation"}, name);
  if (!odd.empty())
    notices.push_back(fmt::format("case {}: its label file is named {}", name, odd.filename().string()));
  return odd.empty() && need_labels ? required_file(files, {"seg"}, name, folder, kBratsHelp) : odd;
}

}  // namespace detail
PAM_FUNC FoundCases find_brats(const BratsOptions& options, std::vector<std::string>* skipped) {
  check(!options.modalities.empty(),
        "BRATS: name at least one modality, such as: BratsOptions::modalities t1 t1ce t2 flair");
  for (auto one = options.modalities.begin(); one != options.modalities.end(); ++one) {
    check(std::find(options.modalities.begin(), one, *one) == one, "BRATS: the modality {} is named twice", *one);
  }
  const auto root = detail::brats_root(options.root);
  FoundCases found;
  auto folders = detail::brats_folders(root, found.notices);
  detail::keep_high_grade(folders, options.grades, {root, options.root}, found.notices);
  bool is_later = false;
  for (const auto& [folder, grade] : folders) {
    CaseFiles item;
    item.name = folder.filename().string();
    is_later = is_later || detail::lower(item.name).compare(0, 6, "brats-") == 0;  // BraTS-GLI-00001-000
    const auto files = detail::brats_files(folder);
    detail::find_or_skip(skipped, [&, &folder = folder] {
      for (const auto& modality : options.modalities) {
        item.images.push_back(
            detail::required_file(files, detail::brats_words(modality), item.name, folder, detail::kBratsHelp));
      }
      item.labels = detail::brats_labels(files, item.name, folder, options.need_labels, found.notices);
      found.cases.push_back(std::move(item));
    });
  }
  detail::check_any_found(found.cases, root, skipped);
  if (is_later && options.check_names) {
    found.notices.emplace_back(
        "these cases are named as in BraTS 2023 and later, where enhancing tumour has the label 3, not 4; give "
        "CaseOptions::labels = LabelMap::parse(\"3\")");
  }
  detail::sort_cases(found.cases);
  return found;
}

PAM_FUNC std::string brats_label_notice(const CaseFiles& item) {
  if (item.labels.empty()) return "";
  const auto labels = read_nifti(item.labels).voxels;
  if (labels.eq(4).any().item<bool>() || !labels.eq(3).any().item<bool>()) return "";
  return fmt::format(
      "{}: holds label 3 but no 4; if it is of BraTS 2023 or later, enhancing tumour is 3: give CaseOptions::labels = "
      "LabelMap::parse(\"3\")",
      item.labels.string());
}

}  // namespace pam

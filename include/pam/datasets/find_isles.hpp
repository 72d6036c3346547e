// SPDX-License-Identifier: MIT
/// `find_isles`: the cases of ISLES 2018 (CT perfusion maps, SMIR's folders) and ISLES'22 (MRI, BIDS) as downloaded.
#pragma once

#include <pam/core/config.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
#include <pam/datasets/found_cases.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pam {

/// Label map of both editions: 1 = lesion.
inline constexpr const char* kIslesLesion = "1";

enum class IslesEdition { Isles2018, Isles22 };

/// What `find_isles` found.
struct IslesCases : FoundCases {
  IslesEdition edition = IslesEdition::Isles2018;
  std::vector<std::string> modalities = {};  ///< the same for every case, in channel order
  /// Whether modalities of one case lie on different grids, so that `CaseOptions::resample` is needed.
  [[nodiscard]] bool needs_resampling() const { return edition == IslesEdition::Isles22; }
};

namespace detail {

inline constexpr DataSetHelp kIslesHelp{
    "ISLES 2018 is available after registration at http://www.isles-challenge.org (SMIR, "
    "https://www.smir.ch/ISLES/Start2018; also Zenodo record 17736412), ISLES'22 from Zenodo "
    "(https://zenodo.org/records/7960856)",
    "ISLES 2018: ROOT/TRAINING/case_N/ with the folders *CT_CBF*, *CT_CBV*, *CT_MTT*, *CT_Tmax* and *OT*, one .nii in "
    "each; ISLES'22: ROOT[/rawdata]/sub-strokecaseNNNN/ses-0001/ with *_dwi, *_adc and *_FLAIR.nii.gz at any depth and "
    "ROOT/derivatives/sub-strokecaseNNNN/ses-0001/*_msk.nii.gz"};

/// Subfolders whose names start with `prefix`, any case.
std::vector<std::filesystem::path> folders_named(const std::filesystem::path& folder, const std::string& prefix,
                                                 bool must = true);

/// The folder of ISLES 2018 that holds case_N: TRAINING where it is among them. Empty where there is none.
std::filesystem::path isles2018_folder(const std::filesystem::path& root, std::vector<std::string>& notices);

void add_isles2018(IslesCases& result, const std::filesystem::path& folder, bool need_labels,
                   std::vector<std::string>* skipped);

/// All NIfTI files below a folder, by their own names: BIDS calls the folder of the ADC map "dwi".
void add_nifti_below(const std::filesystem::path& folder, std::vector<NamedFile>& files);

/// The folder of ISLES'22 that holds sub-*; empty where there is none.
std::filesystem::path isles22_folder(const std::filesystem::path& root);

/// The mask files by subject ("sub-strokecase0009").
std::map<std::string, std::filesystem::path> isles22_masks(const std::filesystem::path& folder);

/// The third channel, where every case has it; else a warning. `flairs`: one per case, empty where it has none.
void add_flair(IslesCases& result, const std::vector<std::filesystem::path>& flairs);

void add_isles22(IslesCases& result, const std::filesystem::path& folder, bool need_labels,
                 std::vector<std::string>* skipped);

}  // namespace detail

/// The cases of ISLES 2018 or ISLES'22 below `given` (up to two wrapper folders down), sorted by name. Channels: CBF,
/// CBV, MTT, Tmax; or DWI, ADC, FLAIR, where FLAIR is left out of every case, with a warning, if one case has none.
/// ISLES 2018's CT and 4DPWI, and TESTING beside TRAINING, are ignored (give TESTING itself to predict on it).
/// Without `need_labels`, cases without labels are taken too. Note that the 94 cases of ISLES 2018 come from 63
/// patients (two slabs of a brain are two cases), and the download does not say which belong together. Throws `Error`:
/// a data set that is not there (the message says where to register, and the layout), a missing modality or label
/// (naming the case and what is there), two files where one is expected. Where `skipped` is given, cases that lack a
/// file are left out instead, and the reasons are added to it.
IslesCases find_isles(const std::filesystem::path& given, bool need_labels = true,
                      std::vector<std::string>* skipped = nullptr);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/datasets/find_isles-inl.hpp>
#endif

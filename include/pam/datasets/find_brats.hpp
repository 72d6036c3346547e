// SPDX-License-Identifier: MIT
/// `find_brats`: the cases of BRATS 2017 to 2021 (and BraTS-GLI's later names) as downloaded; only the high-grade ones,
/// where folders or a table give the grades.
#pragma once

#include <pam/core/config.hpp>
#include <pam/datasets/detail/brats_grades.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>
#include <pam/datasets/found_cases.hpp>
#include <pam/images/nifti.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pam {

/// Label map: enhancing tumour is 4 up to BraTS 2021. BraTS-GLI 2023 and later re-code it to 3: use "3" there
/// (`find_brats` warns where the cases' names are of those years; `brats_label_notice` looks into a label file).
inline constexpr const char* kBratsEnhancing = "4";

struct BratsOptions {
  std::filesystem::path root = {};                                      ///< see `find_brats`
  std::vector<std::string> modalities = {"t1", "t1ce", "t2", "flair"};  ///< channel order
  std::filesystem::path grades = {};  ///< CSV with a column Grade (HGG, LGG) and one of case names; overrides all else
  bool need_labels = true;            ///< false: cases without a seg file are taken too
  bool check_names = true;  ///< warn where names are those of BraTS 2023 or later, whose enhancing tumour is label 3
};

namespace detail {

inline constexpr DataSetHelp kBratsHelp{
    "BRATS is available after registration: 2017 to 2020 at CBICA (https://www.med.upenn.edu/cbica/brats2020), from "
    "2021 on at Synapse (https://www.synapse.org, syn25829067)",
    "ROOT/[HGG/|LGG/]CASE/CASE_{t1,t1ce,t2,flair,seg}.nii or .nii.gz, one folder per case"};

/// The words that name a modality: BraTS-GLI 2023 renamed them.
std::vector<std::string> brats_words(const std::string& modality);

/// The files of a case; some unpackers make CASE_t1.nii a folder that holds the file.
inline std::vector<NamedFile> brats_files(const std::filesystem::path& folder, bool must = true) {
  return case_files(folder, is_nifti_name, must);
}

/// The folder that holds case folders, or HGG and LGG.
std::filesystem::path brats_root(const std::filesystem::path& given);

/// All case folders below the root, with the grade that HGG and LGG folders give.
std::vector<BratsFolder> brats_folders(const std::filesystem::path& root, std::vector<std::string>& notices);

/// The seg file; a file called …Segm… or …segmentation… (BraTS20_Training_355) is taken, with a warning.
std::filesystem::path brats_labels(const std::vector<NamedFile>& files, const std::string& name,
                                   const std::filesystem::path& folder, bool need_labels,
                                   std::vector<std::string>& notices);

}  // namespace detail

/// The cases below `root`, sorted by name. `root` (or one folder up to two levels below it, such as
/// MICCAI_BraTS2020_TrainingData) holds HGG/ and LGG/ with case folders, or case folders: 2018's Brats18_…, 2020's
/// BraTS20_Training_NNN with name_mapping.csv, 2021's BraTS2021_NNNNN. Cases that the folders or the table do not call
/// high-grade are left out, with a warning; where no grades are known, all are taken, with a warning.
/// Throws `Error`: a data set that is not there (the message says where to register, and the layout), a missing
/// modality or label (naming the case and what is there), two files for one modality, a table that cannot be used, no
/// high-grade case. Where `skipped` is given, cases that lack a file are left out instead, and the reasons are added.
FoundCases find_brats(const BratsOptions& options, std::vector<std::string>* skipped = nullptr);

/// Reads the label file of one case and returns a warning if it holds label 3 but no 4 (enhancing tumour is then
/// probably 3, as in BraTS-GLI 2023), else "". Takes as long as loading the case's labels.
std::string brats_label_notice(const CaseFiles& item);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/datasets/find_brats-inl.hpp>
#endif

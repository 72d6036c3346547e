// SPDX-License-Identifier: MIT
/// Internals of datasets/find_brats.hpp: the grades of cases, from a table such as BraTS 2020's name_mapping.csv.
#pragma once

#include <pam/core/config.hpp>
#include <pam/datasets/detail/folder_pairs.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pam::detail {

enum class BratsGrade { Unknown, Low, High };

/// Grades by case name, and the file that says so.
struct BratsGrades {
  std::filesystem::path table = {};
  std::map<std::string, BratsGrade> of = {};
};

/// The cells of one line of CSV, without spaces and quotes around them; quoted cells may hold the delimiter.
std::vector<std::string> csv_cells(const std::string& line, char delimiter);

BratsGrade parse_grade(const std::string& cell);

/// Reads a table: the column Grade, and in any column the case's name. Rows of other cases, and grades that are neither
/// HGG nor LGG, are ignored. `of` is empty where there is no such column or no row of `names`; `why` then says which.
BratsGrades grades_in(const std::filesystem::path& table, const std::vector<std::string>& names, std::string& why);

/// The table that the user named; throws if it holds no grade of these cases.
BratsGrades read_brats_grades(const std::filesystem::path& table, const std::vector<std::string>& names);

/// The first CSV in `folders` that holds grades of these cases; an empty result where none does.
BratsGrades find_brats_grades(const std::vector<std::filesystem::path>& folders, const std::vector<std::string>& names);

/// A case folder, and its grade where the folder above is called HGG or LGG.
struct BratsFolder {
  std::filesystem::path folder;
  BratsGrade grade = BratsGrade::Unknown;
};

BratsGrade grade_of_folder(const std::filesystem::path& folder);

/// Grades from the table that is given, else from HGG and LGG folders, else from a table beside the cases.
std::string grade_cases(std::vector<BratsFolder>& cases, const std::filesystem::path& table,
                        const std::vector<std::filesystem::path>& roots);

/// Removes every case that is not known to be high-grade; keeps all cases where no grades are known.
void keep_high_grade(std::vector<BratsFolder>& cases, const std::filesystem::path& table,
                     const std::vector<std::filesystem::path>& roots, std::vector<std::string>& notices);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/datasets/detail/brats_grades-inl.hpp>
#endif

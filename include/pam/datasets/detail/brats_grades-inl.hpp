// SPDX-License-Identifier: MIT
/// The definitions of brats_grades.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/datasets/detail/brats_grades.hpp>
#include <pam/datasets/detail/dataset_folders.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace pam::detail {

PAM_FUNC std::vector<std::string> csv_cells(const std::string& line, char delimiter) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (const char letter : line) {
    if (letter == '"') {
      quoted = !quoted;
    } else if (letter == delimiter && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += letter;
    }
  }
  for (auto& cell : cells) {
    const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
    cell.erase(std::find_if_not(cell.rbegin(), cell.rend(), is_space).base(), cell.end());
    cell.erase(cell.begin(), std::find_if_not(cell.begin(), cell.end(), is_space));
  }
  return cells;
}

PAM_FUNC BratsGrade parse_grade(const std::string& cell) {
  const auto text = lower(cell);
  if (text == "hgg" || text == "high" || text == "gbm") return BratsGrade::High;
  return text == "lgg" || text == "low" ? BratsGrade::Low : BratsGrade::Unknown;
}

PAM_FUNC BratsGrades grades_in(const std::filesystem::path& table, const std::vector<std::string>& names,
                               std::string& why) {
  std::ifstream stream(table);
  check(stream.good(), "{}: the table of grades cannot be opened", table.string());
  std::string line;
  std::getline(stream, line);
  if (line.compare(0, 3, "\xEF\xBB\xBF") == 0) line.erase(0, 3);  // a spreadsheet's byte order mark
  const char delimiter = line.find(',') == std::string::npos && line.find(';') != std::string::npos ? ';' : ',';
  const auto header = csv_cells(line, delimiter);
  const auto column =
      std::find_if(header.begin(), header.end(), [](const auto& cell) { return lower(cell) == "grade"; });
  BratsGrades grades{table, {}};
  if (column == header.end()) {
    why = fmt::format("has no column \"Grade\", only {}", some_of(header, 8));
    return grades;
  }
  const auto place = static_cast<std::size_t>(column - header.begin());
  const std::set<std::string> wanted(names.begin(), names.end());
  while (std::getline(stream, line)) {
    const auto cells = csv_cells(line, delimiter);
    const auto grade = place < cells.size() ? parse_grade(cells[place]) : BratsGrade::Unknown;
    if (grade == BratsGrade::Unknown) continue;
    for (const auto& cell : cells) {
      if (wanted.count(cell) == 0) continue;
      const auto [entry, is_new] = grades.of.emplace(cell, grade);
      check(is_new || entry->second == grade, "{}: calls the case {} both HGG and LGG; correct the table",
            table.string(), cell);
    }
  }
  if (grades.of.empty()) {
    why =
        fmt::format("grades (HGG or LGG) none of the {} cases, the first of which is {}", names.size(), names.front());
  }
  return grades;
}

PAM_FUNC BratsGrades read_brats_grades(const std::filesystem::path& table, const std::vector<std::string>& names) {
  check(is_file(table), "{}: no such file; the table of grades is a CSV with a column Grade and one of case names",
        table.string());
  std::string why;
  auto grades = grades_in(table, names, why);
  check(!grades.of.empty(), "{}: {}; the table of grades is a CSV with a column Grade and one of case names",
        table.string(), why);
  return grades;
}

PAM_FUNC BratsGrades find_brats_grades(const std::vector<std::filesystem::path>& folders,
                                       const std::vector<std::string>& names) {
  for (const auto& folder : folders) {
    for (const auto& file : entries_in(folder)) {
      if (!is_file(file) || lower(file.extension().string()) != ".csv") continue;
      std::string why;
      auto grades = grades_in(file, names, why);
      if (!grades.of.empty()) return grades;
    }
  }
  return {};
}

PAM_FUNC BratsGrade grade_of_folder(const std::filesystem::path& folder) {
  const auto name = lower(folder.filename().string());
  return name == "hgg" ? BratsGrade::High : name == "lgg" ? BratsGrade::Low : BratsGrade::Unknown;
}

PAM_FUNC std::string grade_cases(std::vector<BratsFolder>& cases, const std::filesystem::path& table,
                                 const std::vector<std::filesystem::path>& roots) {
  std::vector<std::string> names;
  for (const auto& item : cases) names.push_back(item.folder.filename().string());
  BratsGrades grades;
  if (!table.empty()) {
    grades = read_brats_grades(table, names);
  } else {
    const bool known = std::any_of(cases.begin(), cases.end(),
                                   [](const BratsFolder& item) { return item.grade != BratsGrade::Unknown; });
    if (known) return "the HGG and LGG folders";
    grades = find_brats_grades(roots, names);
    if (grades.of.empty()) return "";
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto place = grades.of.find(names[i]);
    cases[i].grade = place == grades.of.end() ? BratsGrade::Unknown : place->second;
  }
  return grades.table.string();
}

PAM_FUNC void keep_high_grade(std::vector<BratsFolder>& cases, const std::filesystem::path& table,
                              const std::vector<std::filesystem::path>& roots, std::vector<std::string>& notices) {
  const auto source = grade_cases(cases, table, roots);
  if (source.empty()) {
    notices.push_back(
        fmt::format("no HGG folder and no grade table (a CSV with a column Grade, beside the cases or given): all {} "
                    "cases are taken, low-grade ones too, if there are any",
                    cases.size()));
    return;
  }
  std::vector<std::string> low, unknown;
  for (const auto& item : cases) {
    if (item.grade == BratsGrade::Low) low.push_back(item.folder.filename().string());
    if (item.grade == BratsGrade::Unknown) unknown.push_back(item.folder.filename().string());
  }
  const auto left = low.size() + unknown.size();
  check(left < cases.size(),
        "{}: no case is high-grade according to {}; the enhancing tumour of high-grade cases is the task, so give the "
        "folder of those, or another table of grades",
        roots.front().string(), source);
  cases.erase(std::remove_if(cases.begin(), cases.end(),
                             [](const BratsFolder& item) { return item.grade != BratsGrade::High; }),
              cases.end());
  if (left > 0) {
    notices.push_back(
        fmt::format("{}: {} high-grade cases are taken, {} low-grade ones left out", source, cases.size(), low.size()));
  }
  if (!unknown.empty()) {
    notices.push_back(
        fmt::format("{}: {} cases are of no known grade and left out: {}", source, unknown.size(), some_of(unknown)));
  }
}

}  // namespace pam::detail

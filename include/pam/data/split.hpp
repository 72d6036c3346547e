// SPDX-License-Identifier: MIT
/// Splits of a data set: by case, never by slice (slices of one patient are too alike to be trained and tested on).
/// Every split is a pure function of the sorted names and a seed.
#pragma once

#include <pam/core/config.hpp>
#include <pam/data/case_files.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace pam {

/// Names of cases, sorted within each part.
struct Split {
  std::vector<std::string> train = {};
  std::vector<std::string> validation = {};
  std::vector<std::string> test = {};
};

/// The names of cases, in their order.
std::vector<std::string> names_of(const std::vector<CaseFiles>& cases);

namespace detail {

std::vector<std::string> shuffled_names(std::vector<std::string> names, std::uint64_t seed);

std::vector<std::string> sorted_range(const std::vector<std::string>& names, std::size_t start, std::size_t end);

}  // namespace detail

/// Random parts of the given shares, which must sum to 1. Each part that has a share gets at least one case; throws
/// where there are fewer cases than parts. Example: `split_by_fraction(names, 0.7, 0.1, 0.2, seed)`.
Split split_by_fraction(const std::vector<std::string>& names, double train, double validation, double test,
                        std::uint64_t seed);

/// Fold `fold` (0 … folds - 1) of a k-fold cross-validation: its cases are the test set, the others train. Every case
/// is tested in exactly one fold; fold sizes differ by one at most. `validation` = share of the training cases held
/// out.
Split split_by_fold(const std::vector<std::string>& names, std::int64_t folds, std::int64_t fold, std::uint64_t seed,
                    double validation = 0);

/// The names in any part of `split`.
std::set<std::string> names_in(const Split& split);

/// Checks explicit lists: every name is that of a case, none is in two parts, and the lists are not all empty.
Split split_by_lists(const std::vector<std::string>& names, Split lists);

/// The split that the cases carry from their folders (train/, val/, test/); throws where one carries none.
Split split_by_folder(const std::vector<CaseFiles>& cases);

/// The cases of these names, in their order in `cases`.
std::vector<CaseFiles> select_cases(const std::vector<CaseFiles>& cases, const std::vector<std::string>& names);

/// {"train": […], "validation": […], "test": […]}
inline nlohmann::json split_to_json(const Split& split) {
  return {{"train", split.train}, {"validation", split.validation}, {"test", split.test}};
}

/// Reads such a file ("val" is taken for "validation"); parts may be absent, other keys are refused. Of nnU-Net's
/// splits_final.json, [{"train": […], "val": […]}, …], it reads fold `fold`: its train cases train and its val cases,
/// which nnU-Net scores, test. Throws `Error` naming the file: not such a file, no such fold.
Split read_split(const std::filesystem::path& path, std::int64_t fold = 0);

/// The folds in a file of nnU-Net's form; 0 for a file with one split. Throws as `read_split` does.
std::int64_t folds_in_split(const std::filesystem::path& path);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/data/split-inl.hpp>
#endif

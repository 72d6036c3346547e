// SPDX-License-Identifier: MIT
/// The definitions of split.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/case_files.hpp>
#include <pam/data/detail/random.hpp>
#include <pam/data/split.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pam {

PAM_FUNC std::vector<std::string> names_of(const std::vector<CaseFiles>& cases) {
  std::vector<std::string> names;
  for (const auto& item : cases) names.push_back(item.name);
  return names;
}

namespace detail {

PAM_FUNC std::vector<std::string> shuffled_names(std::vector<std::string> names, std::uint64_t seed) {
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  check(twice == names.end(), "split: the case {} occurs twice; every case needs a name of its own",
        twice == names.end() ? "" : *twice);
  SampleRandom(seed).shuffle(names);
  return names;
}

PAM_FUNC std::vector<std::string> sorted_range(const std::vector<std::string>& names, std::size_t start,
                                               std::size_t end) {
  std::vector<std::string> part(names.begin() + static_cast<std::ptrdiff_t>(start),
                                names.begin() + static_cast<std::ptrdiff_t>(end));
  std::sort(part.begin(), part.end());
  return part;
}

}  // namespace detail
PAM_FUNC Split split_by_fraction(const std::vector<std::string>& names, double train, double validation, double test,
                                 std::uint64_t seed) {
  const double shares[3] = {train, validation, test};
  check(std::all_of(shares, shares + 3, [](double share) { return share >= 0; }) &&
            std::abs(train + validation + test - 1) < 1e-6,
        "split: the shares must not be negative and must sum to 1, got {} + {} + {}", train, validation, test);
  const auto order = detail::shuffled_names(names, seed);
  const auto parts = std::count_if(shares, shares + 3, [](double share) { return share > 0; });
  check(static_cast<std::int64_t>(order.size()) >= parts, "split: {} cases cannot be split into {} parts", order.size(),
        parts);
  const auto total = static_cast<double>(order.size());
  std::int64_t counts[3] = {};
  for (int i = 1; i < 3; ++i)
    counts[i] = shares[i] > 0 ? std::max<std::int64_t>(1, std::llround(shares[i] * total)) : 0;
  counts[0] = static_cast<std::int64_t>(order.size()) - counts[1] - counts[2];
  while (counts[0] < (train > 0 ? 1 : 0)) {  // rounding took the last one
    --*std::max_element(counts + 1, counts + 3);
    ++counts[0];
  }
  if (train == 0 && counts[0] != 0) counts[test > 0 ? 2 : 1] += counts[0], counts[0] = 0;
  const auto first = static_cast<std::size_t>(counts[0]), second = first + static_cast<std::size_t>(counts[1]);
  return {detail::sorted_range(order, 0, first), detail::sorted_range(order, first, second),
          detail::sorted_range(order, second, order.size())};
}

PAM_FUNC Split split_by_fold(const std::vector<std::string>& names, std::int64_t folds, std::int64_t fold,
                             std::uint64_t seed, double validation) {
  const auto order = detail::shuffled_names(names, seed);
  const auto count = static_cast<std::int64_t>(order.size());
  check(folds >= 2 && folds <= count, "split: {} folds need 2 to {} (the number of cases)", folds, count);
  check(fold >= 0 && fold < folds, "split: there is no fold {}; folds are 0 … {}", fold, folds - 1);
  check(validation >= 0 && validation < 1, "split: the validation share must be in [0, 1), got {}", validation);
  const auto start = static_cast<std::size_t>(count * fold / folds),
             end = static_cast<std::size_t>(count * (fold + 1) / folds);
  Split split;
  split.test = detail::sorted_range(order, start, end);
  std::vector<std::string> rest(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(start));
  rest.insert(rest.end(), order.begin() + static_cast<std::ptrdiff_t>(end), order.end());
  if (validation == 0) {
    split.train = detail::sorted_range(rest, 0, rest.size());
    return split;
  }
  auto inner = split_by_fraction(rest, 1 - validation, validation, 0, seed + 1);
  split.train = std::move(inner.train);
  split.validation = std::move(inner.validation);
  return split;
}

PAM_FUNC std::set<std::string> names_in(const Split& split) {
  std::set<std::string> names;
  for (const auto* part : {&split.train, &split.validation, &split.test}) names.insert(part->begin(), part->end());
  return names;
}

PAM_FUNC Split split_by_lists(const std::vector<std::string>& names, Split lists) {
  const std::set<std::string> known(names.begin(), names.end());
  std::set<std::string> used;
  for (auto* part : {&lists.train, &lists.validation, &lists.test}) {
    std::sort(part->begin(), part->end());
    for (const auto& name : *part) {
      check(known.count(name) > 0,
            "split: there is no case \"{}\"; there are {} cases, from \"{}\" to \"{}\"; a case is named without "
            "extension, and each that is listed must be there",
            name, known.size(), known.empty() ? "" : *known.begin(), known.empty() ? "" : *known.rbegin());
      check(used.insert(name).second, "split: the case \"{}\" is listed twice; a case is in one part, once", name);
    }
  }
  check(!used.empty(), "split: the lists are empty");
  return lists;
}

PAM_FUNC Split split_by_folder(const std::vector<CaseFiles>& cases) {
  Split split;
  for (const auto& item : cases) {
    auto* part = item.split == "train"  ? &split.train
                 : item.split == "val"  ? &split.validation
                 : item.split == "test" ? &split.test
                                        : nullptr;
    check(part != nullptr, "split: the case {} lies in no train/, val/ or test/ folder", item.name);
    part->push_back(item.name);
  }
  return split;
}

PAM_FUNC std::vector<CaseFiles> select_cases(const std::vector<CaseFiles>& cases,
                                             const std::vector<std::string>& names) {
  const std::set<std::string> wanted(names.begin(), names.end());
  std::vector<CaseFiles> result;
  std::copy_if(cases.begin(), cases.end(), std::back_inserter(result),
               [&](const auto& item) { return wanted.count(item.name) > 0; });
  check(result.size() == wanted.size(), "split: {} of {} named cases exist", result.size(), wanted.size());
  return result;
}

namespace detail {

PAM_FUNC nlohmann::json split_file(const std::filesystem::path& path) {
  std::ifstream stream(path);
  check(stream.good(), "{}: the split cannot be opened; check its path", path.string());
  try {
    return nlohmann::json::parse(stream);
  } catch (const nlohmann::json::exception& exception) {
    fail("{}: is not a split of the form {{\"train\": [names], \"test\": [names]}}: {}", path.string(),
         exception.what());
  }
}

}  // namespace detail

PAM_FUNC Split read_split(const std::filesystem::path& path, std::int64_t fold) {
  auto json = detail::split_file(path);
  const bool has_folds = json.is_array();
  if (has_folds) {
    const auto folds = static_cast<std::int64_t>(json.size());
    check(folds > 0, "{}: the list of folds is empty", path.string());
    check(fold >= 0 && fold < folds, "{}: there is no fold {}; the file has folds 0 to {}", path.string(), fold,
          folds - 1);
    auto one = json[static_cast<std::size_t>(fold)];
    json = std::move(one);
  }
  try {
    Split split;
    for (const auto& [key, value] : json.items()) {
      auto* part = key == "train"                        ? &split.train
                   : key == "validation" || key == "val" ? &split.validation
                   : key == "test"                       ? &split.test
                                                         : nullptr;
      check(part != nullptr,
            "{}: unknown key \"{}\"; a split has train, validation and test, or is a list of folds with train and val",
            path.string(), key);
      check(part->empty(), "{}: \"val\" and \"validation\" are the same part; keep one", path.string());
      *part = value.get<std::vector<std::string>>();
    }
    if (has_folds && split.test.empty()) std::swap(split.test, split.validation);
    return split;
  } catch (const nlohmann::json::exception& exception) {
    fail("{}: is not a split of the form {{\"train\": [names], \"test\": [names]}}: {}", path.string(),
         exception.what());
  }
}

PAM_FUNC std::int64_t folds_in_split(const std::filesystem::path& path) {
  const auto json = detail::split_file(path);
  check(!json.is_array() || !json.empty(), "{}: the list of folds is empty", path.string());
  return json.is_array() ? static_cast<std::int64_t>(json.size()) : 0;
}

}  // namespace pam

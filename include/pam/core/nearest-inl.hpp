// SPDX-License-Identifier: MIT
/// The definitions of nearest.hpp.
#pragma once

#include <pam/core/nearest.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pam {

PAM_FUNC std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

PAM_FUNC std::vector<std::string> nearest_names(const std::string& name, const std::vector<std::string>& candidates,
                                                std::size_t count) {
  constexpr std::size_t kLongest = 256;
  std::vector<std::pair<std::size_t, std::size_t>> order;
  order.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto distance =
        edit_distance(std::string_view(name).substr(0, kLongest), std::string_view(candidates[i]).substr(0, kLongest));
    order.emplace_back(distance, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::string> nearest;
  for (std::size_t i = 0; i < std::min(count, order.size()); ++i) nearest.push_back(candidates[order[i].second]);
  return nearest;
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// The definitions of value_counts.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/value_counts.hpp>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace pam::detail {

PAM_FUNC void add_values(const torch::Tensor& values, ValueCounts& counts) {
  constexpr std::int64_t kPiece = 1 << 16;  // as float64 it stays in the cache
  const auto flat = values.reshape(-1);
  for (std::int64_t start = 0; start < flat.numel(); start += kPiece) {
    const auto piece = flat.narrow(0, start, std::min(kPiece, flat.numel() - start)).to(torch::kDouble).contiguous();
    const auto* data = piece.data_ptr<double>();
    for (std::int64_t i = 0, end = 0; i < piece.numel(); i = end) {
      while (end < piece.numel() && data[end] == data[i]) ++end;  // neighbours are mostly equal
      end = std::max(end, i + 1);                                 // NaN equals nothing
      auto place = counts.find(data[i]);
      if (place == counts.end() && counts.size() >= kMostValues) {
        place = counts.lower_bound(data[i]);
        if (place != counts.begin()) --place;
      }
      if (place == counts.end()) place = counts.emplace(data[i], 0).first;
      place->second += end - i;
    }
  }
}

PAM_FUNC std::string percent(std::int64_t part, std::int64_t whole) {
  return formatted("{:.3g} %", 100 * static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1)));
}

PAM_FUNC std::string shares_text(const ValueCounts& counts, std::size_t named) {
  std::vector<std::pair<double, std::int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& one, const auto& other) { return one.second > other.second; });
  std::int64_t total = 0;
  for (const auto& each : sorted) total += each.second;
  std::string text;
  for (std::size_t i = 0; i < std::min(named, sorted.size()); ++i) {
    text += formatted("{}{:.6g} ({})", i == 0 ? "" : ", ", sorted[i].first, percent(sorted[i].second, total));
  }
  if (sorted.size() > named) text += formatted(" and {} others", sorted.size() - named);
  return text;
}

}  // namespace pam::detail

// SPDX-License-Identifier: MIT
/// `name_list`: names for a sentence.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace pam {

/// "a, b, c and 4 more": at most `most` of `names` by name, and how many more there are.
[[nodiscard]] inline std::string name_list(const std::vector<std::string>& names, std::size_t most = 8) {
  const auto shown = static_cast<std::ptrdiff_t>(std::min(most, names.size()));
  const auto text = joined(std::vector<std::string>(names.begin(), names.begin() + shown), ", ");
  return names.size() > most ? text + " and " + std::to_string(names.size() - most) + " more" : text;
}

}  // namespace pam

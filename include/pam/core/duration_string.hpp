// SPDX-License-Identifier: MIT
/// `duration_string`: seconds as people read them.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace pam {

/// "47 s", "12:05 min", "3:07:00 h"; "?" for what is no duration (negative, NaN, infinite).
[[nodiscard]] inline std::string duration_string(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto whole = std::llround(std::min(seconds, 1e9));
  if (whole < 60) return formatted("{} s", whole);
  if (whole < 3600) return formatted("{}:{:02} min", whole / 60, whole % 60);
  return formatted("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace pam

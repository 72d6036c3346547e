// SPDX-License-Identifier: MIT
/// `nearest_names`: the "did you mean" of every message about an unknown name.
#pragma once

#include <pam/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pam {

/// The number of single-character insertions, deletions and substitutions that turn `a` into `b` (Levenshtein).
/// O(|a|·|b|) time, O(|b|) memory.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The at most `count` members of `candidates` closest to `name` by `edit_distance`, nearest first; equals keep the
/// order of `candidates`. Names over 256 characters are compared by their first 256, so hostile input stays cheap.
/// Example: `nearest_names("wunt", {"fpa", "unet", "wunet"}, 2)` gives {"wunet", "unet"}.
[[nodiscard]] std::vector<std::string> nearest_names(const std::string& name,
                                                     const std::vector<std::string>& candidates, std::size_t count);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/core/nearest-inl.hpp>
#endif

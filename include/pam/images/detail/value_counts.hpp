// SPDX-License-Identifier: MIT
/// Which values a tensor holds and how often, for messages.
#pragma once

#include <pam/core/torch.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace pam::detail {

/// Value → how many there are.
using ValueCounts = std::map<double, std::int64_t>;

/// More different values than an 8- or 16-bit file has are not counted apart.
constexpr std::size_t kMostValues = 1 << 16;

/// Adds the values of `values`, of any type and shape. Where there are more than `kMostValues` different ones, those
/// that come later are counted with the nearest smaller one that is there.
void add_values(const torch::Tensor& values, ValueCounts& counts);

/// "0 (85.2 %), 255 (12 %), 254 (0.3 %) and 140 others": the most frequent first, at most `named` of them.
std::string shares_text(const ValueCounts& counts, std::size_t named = 5);

/// "85.2 %".
std::string percent(std::int64_t part, std::int64_t whole);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/images/detail/value_counts-inl.hpp>
#endif

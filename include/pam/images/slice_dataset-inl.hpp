// SPDX-License-Identifier: MIT
/// The definitions of slice_dataset.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/dataset.hpp>
#include <pam/data/ordered_workers.hpp>
#include <pam/images/case.hpp>
#include <pam/images/detail/slice_store.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/slice_dataset.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

namespace pam {

PAM_FUNC SliceChoice parse_slice_choice(const std::string& name) {
  if (name == "foreground") return SliceChoice::Foreground;
  if (name == "brain") return SliceChoice::Brain;
  if (name == "all") return SliceChoice::All;
  fail("slices: \"{}\" is not one of foreground, brain, all", name);
}

namespace detail {

PAM_FUNC bool wants_slice(const Case& source, std::int64_t z, SliceChoice choice) {
  if (choice == SliceChoice::All || !source.is_volume) return true;
  if (choice == SliceChoice::Foreground) {
    const auto labels = source.labels[z].contiguous();
    const auto* values = labels.data_ptr<std::int16_t>();
    return std::any_of(values, values + labels.numel(), [](std::int16_t label) { return label > 0; });
  }
  return source.occupied[static_cast<std::size_t>(z)];
}

}  // namespace detail
}  // namespace pam

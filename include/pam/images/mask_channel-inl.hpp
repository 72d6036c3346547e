// SPDX-License-Identifier: MIT
/// The definitions of mask_channel.hpp.
#pragma once

#include <pam/images/mask_channel.hpp>

#include <array>
#include <cstddef>

namespace pam {
namespace detail {

constexpr std::array<const char*, 5> kMaskChannels{"grey", "red", "green", "blue", "alpha"};

}  // namespace detail

PAM_FUNC const char* to_string(MaskChannel value) { return detail::kMaskChannels[static_cast<std::size_t>(value)]; }

PAM_FUNC bool from_string(const std::string& name, MaskChannel& value) {
  for (std::size_t i = 0; i < detail::kMaskChannels.size(); ++i) {
    if (name != detail::kMaskChannels[i]) continue;
    value = static_cast<MaskChannel>(i);
    return true;
  }
  return false;
}

}  // namespace pam

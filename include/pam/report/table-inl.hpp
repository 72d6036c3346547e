// SPDX-License-Identifier: MIT
/// The definitions of table.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/report/table.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace pam {

PAM_FUNC std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace pam

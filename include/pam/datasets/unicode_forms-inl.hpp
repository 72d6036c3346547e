// SPDX-License-Identifier: MIT
/// The definitions of unicode_forms.hpp.
#pragma once

#include <pam/datasets/data_files.hpp>
#include <pam/datasets/unicode_forms.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pam {
namespace detail {

/// A name as characters of which every accented one, however it is written, is '*', and Korean syllables are letters.
struct NameOutline {
  std::u32string text;
  bool combines = false;  ///< holds combining characters, or single Korean letters (NFD)
};

PAM_FUNC NameOutline outline_of(const std::string& name) {
  NameOutline outline;
  for (std::size_t i = 0; i < name.size();) {
    const auto first = static_cast<unsigned char>(name[i]);
    const std::size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    std::uint32_t code = length == 1 ? first : first & (0xFFU >> (length + 1));
    for (std::size_t k = 1; k < length && i + k < name.size(); ++k) {
      code = code << 6 | (static_cast<unsigned char>(name[i + k]) & 0x3FU);
    }
    i += length;
    const bool is_combining = (code >= 0x300 && code <= 0x36F) || code == 0x3099 || code == 0x309A;
    if (is_combining && !outline.text.empty()) {
      outline.text.back() = U'*';
      outline.combines = true;
    } else if (code >= 0xAC00 && code <= 0xD7A3) {  // a Korean syllable: Unicode Standard, section 3.12
      const auto syllable = code - 0xAC00, last = syllable % 28;
      outline.text += static_cast<char32_t>(0x1100 + syllable / (21 * 28));
      outline.text += static_cast<char32_t>(0x1161 + syllable % (21 * 28) / 28);
      if (last > 0) outline.text += static_cast<char32_t>(0x11A7 + last);
    } else if (code >= 0x1100 && code <= 0x11FF) {
      outline.text += static_cast<char32_t>(code);
      outline.combines = true;
    } else {
      outline.text += code < 0x80 ? static_cast<char32_t>(code) : U'*';
    }
  }
  return outline;
}

}  // namespace detail

PAM_FUNC std::string unicode_form_notice(const std::vector<std::filesystem::path>& some,
                                         const std::vector<std::filesystem::path>& others) {
  for (const auto& one : some) {
    const auto outline = detail::outline_of(stem_of(one));
    const auto is_ascii = [](char32_t letter) { return letter < 0x80 && letter != U'*'; };
    if (std::all_of(outline.text.begin(), outline.text.end(), is_ascii)) continue;
    for (const auto& other : others) {
      const auto partner = detail::outline_of(stem_of(other));
      if (partner.text != outline.text || partner.combines == outline.combines) continue;
      return fmt::format(
          "; {} and {} look the same, but are written in two Unicode forms: the first with {}, the second with {}; "
          "rename one of them, such as with convmv -f utf8 -t utf8 --nfc",
          one.string(), other.string(),
          outline.combines ? "separate accents or letters (NFD, as macOS has it)" : "whole characters (NFC)",
          partner.combines ? "separate accents or letters (NFD, as macOS has it)" : "whole characters (NFC)");
    }
  }
  return "";
}

}  // namespace pam

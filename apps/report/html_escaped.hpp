// SPDX-License-Identifier: MIT
/// `html_escaped`: any bytes as text of an HTML page or an SVG drawing.
#pragma once

#include <string>
#include <string_view>

namespace pam::apps {

/// `text` for an element's content or a quoted attribute: & < > " ' escaped, control characters (which HTML forbids)
/// and bytes that are not UTF-8 replaced by U+FFFD.
[[nodiscard]] inline std::string html_escaped(std::string_view text) {
  std::string out;
  const auto continuation = [&](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t more = c < 0x80                ? 0
                             : c >= 0xC2 && c < 0xE0 ? 1
                             : c >= 0xE0 && c < 0xF0 ? 2
                             : c >= 0xF0 && c < 0xF5 ? 3
                                                     : 9;
    bool whole = more < 9;
    for (std::size_t k = 1; whole && k <= more; ++k) whole = continuation(i + k);
    if (whole && more > 1) {  // overlong forms, surrogates and what lies beyond U+10FFFF
      const auto next = static_cast<unsigned char>(text[i + 1]);
      whole = !((c == 0xE0 && next < 0xA0) || (c == 0xED && next >= 0xA0) || (c == 0xF0 && next < 0x90) ||
                (c == 0xF4 && next >= 0x90));
    }
    if (!whole || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
      out += "\xEF\xBF\xBD";
    } else if (more > 0) {
      out += text.substr(i, more + 1);
      i += more;
    } else {
      switch (c) {
        case '&':
          out += "&amp;";
          break;
        case '<':
          out += "&lt;";
          break;
        case '>':
          out += "&gt;";
          break;
        case '"':
          out += "&quot;";
          break;
        case '\'':
          out += "&#39;";
          break;
        default:
          out += static_cast<char>(c);
      }
    }
  }
  return out;
}

}  // namespace pam::apps

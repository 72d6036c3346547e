// SPDX-License-Identifier: MIT
/// `PlaneSize`: height and width of a plane, and where a centred window of another size begins in it.
#pragma once

#include <pam/core/error.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

namespace pam {

/// Height and width of a plane in pixels; 0 × 0 = not given.
struct PlaneSize {
  std::int64_t height = 0, width = 0;
  /// Throws `Error` where one of the two is given, or one is negative.
  [[nodiscard]] bool given() const {
    check((height > 0 && width > 0) || (height == 0 && width == 0),
          "a size of {} x {} pixels (height, width): give two positive numbers, or none", height, width);
    return height > 0;
  }
  friend bool operator==(const PlaneSize& a, const PlaneSize& b) { return a.height == b.height && a.width == b.width; }
  friend bool operator!=(const PlaneSize& a, const PlaneSize& b) { return !(a == b); }
};

/// "160x160", height first; "" where it is not given.
inline std::string to_string(PlaneSize size) {
  return size.given() ? formatted("{}x{}", size.height, size.width) : std::string();
}
/// The reverse; false, and `size` as it was, for anything else and for sides above 32767.
inline bool from_string(const std::string& text, PlaneSize& size) {
  PlaneSize read;
  char rest = 0;
  const bool two = std::sscanf(text.c_str(), "%5ldx%5ld%c", &read.height, &read.width, &rest) == 2;
  const bool right = two && read.height > 0 && read.width > 0 && read.height <= 32767 && read.width <= 32767;
  if (right || text.empty()) size = right ? read : PlaneSize{};
  return right || text.empty();
}

/// The first index of the centred window of `size` in `length`; negative where the window is larger (padding). If the
/// difference is odd, the extra pixel is at the end. Between sizes of one parity, cropping undoes padding exactly.
inline std::int64_t centre_offset(std::int64_t length, std::int64_t size) {
  return size <= length ? (length - size) / 2 : -((size - length) / 2);
}

}  // namespace pam

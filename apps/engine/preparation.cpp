// SPDX-License-Identifier: MIT
#include "engine/preparation.hpp"

namespace pam::apps {

Normalise parse_normalise(const std::string& name) {
  auto normalise = Normalise::Auto;
  check(from_string(name, normalise), "--normalise {}: must be auto, zscore, unit or none", name);
  return normalise;
}

PlaneSize parse_plane(const std::string& flag, const std::string& text) {
  PlaneSize size;
  check(from_string(text, size), "{} {}: must be HEIGHTxWIDTH in pixels, such as 160x160", flag, text);
  return size;
}

}  // namespace pam::apps

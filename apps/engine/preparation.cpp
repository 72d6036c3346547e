// SPDX-License-Identifier: MIT
#include "engine/preparation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace pam::apps {
namespace {

constexpr std::array<std::pair<const char*, Normalise>, 4> kNormalise{
    {{"auto", Normalise::Auto}, {"zscore", Normalise::ZScore}, {"unit", Normalise::Unit}, {"none", Normalise::None}}};

std::string plane_text(PlaneSize size) { return size.given() ? fmt::format("{}x{}", size.height, size.width) : ""; }

}  // namespace

Normalise parse_normalise(const std::string& name) {
  for (const auto& [known, value] : kNormalise) {
    if (name == known) return value;
  }
  fail("--normalise {}: must be auto, zscore, unit or none", name);
}

std::string to_string(Normalise normalise) {
  return std::find_if(kNormalise.begin(), kNormalise.end(), [&](const auto& each) { return each.second == normalise; })
      ->first;
}

PlaneSize parse_plane(const std::string& flag, const std::string& text) {
  if (text.empty()) return {};
  PlaneSize size;
  char rest = 0;
  const bool two = std::sscanf(text.c_str(), "%5ldx%5ld%c", &size.height, &size.width, &rest) == 2;
  check(two && size.height > 0 && size.width > 0 && size.height <= 32767 && size.width <= 32767,
        "{} {}: must be HEIGHTxWIDTH in pixels, such as 160x160", flag, text);
  return size;
}

nlohmann::json preparation_json(const CaseOptions& options) {
  return {{"normalise", to_string(options.normalise)}, {"channels", options.channels},
          {"crop", plane_text(options.crop)},          {"pad", plane_text(options.at_least)},
          {"resize", plane_text(options.resize)},      {"resample", options.resample},
          {"ignore_affine", options.ignore_affine},    {"zero_non_finite", options.zero_non_finite}};
}

void read_preparation(const nlohmann::json& json, CaseOptions& options, const std::string& where) {
  if (json.is_null()) return;
  check(json.is_object(), "{}: pam.input must be a JSON object, got {}", where, json.type_name());
  try {
    for (const auto& [key, value] : json.items()) {
      if (key == "normalise") {
        options.normalise = parse_normalise(value.get<std::string>());
      } else if (key == "channels") {
        options.channels = value.get<std::int64_t>();
      } else if (key == "crop") {
        options.crop = parse_plane("crop", value.get<std::string>());
      } else if (key == "pad") {
        options.at_least = parse_plane("pad", value.get<std::string>());
      } else if (key == "resize") {
        options.resize = parse_plane("resize", value.get<std::string>());
      } else if (key == "resample") {
        options.resample = value.get<bool>();
      } else if (key == "ignore_affine") {
        options.ignore_affine = value.get<bool>();
      } else if (key == "zero_non_finite") {
        options.zero_non_finite = value.get<bool>();
      } else {
        fail("{}: its pam.input has \"{}\", which this pam does not know; use the pam that trained it", where, key);
      }
    }
  } catch (const nlohmann::json::exception& error) {
    fail("{}: its pam.input cannot be read: {}", where, error.what());
  }
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/options_json.hpp>
#include <pam/images/reorientation.hpp>
#include <pam/inference/preparation.hpp>

namespace pam {
namespace detail {

/// As `preparation_from_json` reads it.
PAM_FUNC std::string normalise_name(const CaseOptions& options) {
  if (options.normalise != Normalise::Window) return to_string(options.normalise);
  return formatted("window:{}:{}", options.window_low, options.window_high);
}

}  // namespace detail

PAM_FUNC nlohmann::json preparation_to_json(const CaseOptions& options) {
  nlohmann::json json = {{"normalise", detail::normalise_name(options)},
                         {"channels", options.channels},
                         {"crop", to_string(options.crop)},
                         {"pad", to_string(options.pad_to_at_least)},
                         {"resize", to_string(options.resize)},
                         {"resample", options.resample},
                         {"ignore_affine", options.ignore_affine},
                         {"zero_non_finite", options.zero_non_finite}};
  // Only where they are given: an older pam refuses what it does not know.
  if (!options.orient.empty()) json["orient"] = options.orient;
  if (!options.axes.empty()) json["axes"] = options.axes;
  return json;
}

PAM_FUNC CaseOptions preparation_from_json(const nlohmann::json& json, const std::string& where) {
  check(json.is_object(), "{}: pam.input must be a JSON object, got {}", where, json.type_name());
  CaseOptions options;
  for (const auto& [key, value] : json.items()) {
    const auto field = where + ": pam.input." + key;
    const auto plane = [&, &item = value](PlaneSize& size) {
      check(item.is_string() && from_string(item.get<std::string>(), size),
            "{}: must be \"HEIGHTxWIDTH\" in pixels, such as \"160x160\", or \"\", got {}", field, item.dump());
    };
    if (key == "normalise") {
      if (value.is_string() && window_from_string(value.get<std::string>(), options.window_low, options.window_high)) {
        options.normalise = Normalise::Window;
      } else {
        detail::field_from_json(value, options.normalise, field);
      }
      options.as_trained = true;  // "auto" too: what it means is what the training did
    } else if (key == "channels") {
      detail::field_from_json(value, options.channels, field);
    } else if (key == "crop") {
      plane(options.crop);
    } else if (key == "pad") {
      plane(options.pad_to_at_least);
    } else if (key == "resize") {
      plane(options.resize);
    } else if (key == "resample") {
      detail::field_from_json(value, options.resample, field);
    } else if (key == "ignore_affine") {
      detail::field_from_json(value, options.ignore_affine, field);
    } else if (key == "orient" || key == "axes") {
      auto& code = key == "orient" ? options.orient : options.axes;
      check(value.is_string() && Reorientation::is_code(value.get<std::string>()),
            "{}: must be an orientation such as \"RAS\", got {}", field, value.dump());
      code = value.get<std::string>();
    } else if (key == "zero_non_finite") {
      detail::field_from_json(value, options.zero_non_finite, field);
    } else {
      fail("{}: its pam.input has \"{}\", which this pam does not know; use the pam that trained it", where, key);
    }
  }
  return options;
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// How images become a network's input, as text that travels with the weights ("pam.input" in their metadata), so that
/// `predict` prepares new images as training did.
#pragma once

#include <pam/images/load_case.hpp>

#include <nlohmann/json.hpp>

#include <string>

namespace pam::apps {

/// "auto", "zscore", "unit" or "none"; throws `Error` naming the flag for anything else.
Normalise parse_normalise(const std::string& name);
std::string to_string(Normalise normalise);

/// "160x160" as height and width; empty: not given. Throws `Error` naming the flag.
PlaneSize parse_plane(const std::string& flag, const std::string& text);

/// {"normalise": "zscore", "channels": 0, "crop": "160x160", "pad": "160x160", "resize": "", "resample": false,
/// "ignore_affine": false, "zero_non_finite": false}
nlohmann::json preparation_json(const CaseOptions& options);

/// Sets the fields of `options` that `json` has; `where` names the file in messages. Throws `Error` for what it does
/// not know: another preparation would give other predictions.
void read_preparation(const nlohmann::json& json, CaseOptions& options, const std::string& where);

}  // namespace pam::apps

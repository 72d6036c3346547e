// SPDX-License-Identifier: MIT
/// How images become a net's input, as JSON in the metadata of its weights ("pam.input"), so that new images are
/// prepared as those of the training were.
#pragma once

#include <pam/core/config.hpp>
#include <pam/images/case_options.hpp>

#include <nlohmann/json.hpp>

#include <string>

namespace pam {

/// {"normalise": "zscore", "channels": 0, "crop": "160x160", "pad": "160x160", "resize": "", "resample": false,
/// "ignore_affine": false, "zero_non_finite": false}: all of `options` that concerns images. "pad" is
/// `CaseOptions::pad_to_at_least`. And "orient" and "axes" where they are given.
[[nodiscard]] nlohmann::json preparation_to_json(const CaseOptions& options);

/// The reverse; fields that `json` lacks keep their defaults. Sets `CaseOptions::as_trained` where it names a
/// normalisation. `where` names the file in messages. Throws `Error` for
/// what it does not know: another preparation would give other predictions.
[[nodiscard]] CaseOptions preparation_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/preparation-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// The definitions of safetensors_header.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/detail/safetensors_header.hpp>
#include <pam/weights/state_dict.hpp>

#include <nlohmann/json.hpp>

#include <string>

namespace pam::detail {

PAM_FUNC std::string json_string(const std::string& file, const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail("{}: the name or metadata '{}' is not UTF-8, which safetensors files must be; rename it", file,
         printable(text));
  }
}

PAM_FUNC std::string metadata_json(const std::string& file, const Metadata& metadata) {
  std::string json = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    if (json.back() != '{') json += ',';
    json += json_string(file, key) + ':' + json_string(file, value);
  }
  return json + "}}";
}

}  // namespace pam::detail

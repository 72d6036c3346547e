// SPDX-License-Identifier: MIT
/// Options structs as JSON, both ways, from the one list of fields in their `visit` (core/options.hpp).
#pragma once

#include <pam/core/nearest.hpp>
#include <pam/core/options.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace pam {

/// Every field of `options`, nested structs as objects, enums by name.
template <typename Options>
nlohmann::json options_to_json(const Options& options);

/// Sets the fields of `options` that `json` names and leaves the others. `where` names the file or option in messages.
/// Throws on an unknown key (with the nearest names), a wrong type, and an unknown enum name.
template <typename Options>
void options_from_json(const nlohmann::json& json, Options& options, const std::string& where);

namespace detail {

template <typename T>
struct is_vector : std::false_type {};
template <typename T>
struct is_vector<std::vector<T>> : std::true_type {};

template <typename T>
nlohmann::json field_to_json(const T& value) {
  if constexpr (is_vector<T>::value) {
    auto array = nlohmann::json::array();
    for (const auto& item : value) array.push_back(field_to_json(item));
    return array;
  } else if constexpr (std::is_enum_v<T>) {
    return to_string(value);
  } else if constexpr (has_visit<T>::value) {
    return options_to_json(value);
  } else {
    return value;
  }
}

template <typename T>
void field_from_json(const nlohmann::json& json, T& value, const std::string& where) {
  const auto wrong = [&](const char* wanted) {
    fail("{}: must be {}, got {}; see the option's documentation", where, wanted, json.dump());
  };
  if constexpr (std::is_same_v<T, nlohmann::json>) {  // options of something else, which checks them itself
    value = json;
  } else if constexpr (is_vector<T>::value) {
    if (!json.is_array()) wrong("an array");
    T items;
    for (std::size_t i = 0; i < json.size(); ++i) {
      items.emplace_back();
      field_from_json(json[i], items.back(), formatted("{}[{}]", where, i));
    }
    value = std::move(items);
  } else if constexpr (std::is_enum_v<T>) {
    if (!json.is_string()) wrong("a name in quotes");
    if (!from_string(json.get<std::string>(), value)) wrong(option_names(value));
  } else if constexpr (has_visit<T>::value) {
    options_from_json(json, value, where);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) wrong("true or false");
    value = json.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (!json.is_number_integer()) wrong("a whole number");
    if (json.is_number_unsigned() &&
        json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) {
      wrong("a number that fits 64 bits");
    }
    value = json.get<T>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) wrong("a number");
    value = json.get<T>();
  } else {
    if (!json.is_string()) wrong("text in quotes");
    value = json.get<T>();
  }
}

}  // namespace detail

template <typename Options>
nlohmann::json options_to_json(const Options& options) {
  auto json = nlohmann::json::object();
  Options::visit(options, [&](const char* name, const auto& value) { json[name] = detail::field_to_json(value); });
  return json;
}

template <typename Options>
void options_from_json(const nlohmann::json& json, Options& options, const std::string& where) {
  check(json.is_object(), "{}: must be a JSON object of options, got {}", where, json.dump());
  std::vector<std::string> known;
  Options::visit(options, [&](const char* name, auto& value) {
    known.emplace_back(name);
    if (const auto found = json.find(name); found != json.end()) {
      detail::field_from_json(*found, value, where + "." + name);
    }
  });
  for (const auto& item : json.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    fail("{}: there is no option \"{}\"; did you mean {}?", where, item.key(),
         joined(nearest_names(item.key(), known, 3), ", "));
  }
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// What all options structs have in common: each lists its fields once, in `visit`, and printing, comparison and JSON
/// (core/options_json.hpp) are derived from that list.
///
///     struct XOptions {
///       TORCH_ARG(std::int64_t, stride) = 1;
///       template <typename Self, typename Visitor>
///       static void visit(Self& self, Visitor&& field) { field("stride", self.stride_); }
///     };
#pragma once

#include <pam/core/error.hpp>

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pam {

namespace detail {

template <typename T, typename = void>
struct has_visit : std::false_type {};
struct AnyVisitor {
  template <typename T>
  void operator()(const char*, T&) const {}
};
template <typename T>
struct has_visit<T, std::void_t<decltype(T::visit(std::declval<const T&>(), AnyVisitor{}))>> : std::true_type {};

template <typename T>
std::string option_string(const T& value);

template <typename T>
std::string option_string(const std::vector<T>& values) {
  std::string text = "[";
  for (const auto& value : values) text += (text.size() > 1 ? ", " : "") + option_string(value);
  return text + "]";
}

/// ("stride", "2"), … in the order of `visit`.
template <typename Options>
std::vector<std::pair<std::string, std::string>> option_strings(const Options& options) {
  std::vector<std::pair<std::string, std::string>> fields;
  Options::visit(options,
                 [&](const char* name, const auto& value) { fields.emplace_back(name, option_string(value)); });
  return fields;
}

/// "stride=2, dilation=9": the fields that differ from `base`, from the `skip`-th on.
template <typename Options>
std::string changed_options(const Options& options, const Options& base, std::size_t skip = 0) {
  const auto fields = option_strings(options), defaults = option_strings(base);
  std::string text;
  for (std::size_t i = skip; i < fields.size(); ++i) {
    if (fields[i].second == defaults[i].second) continue;
    text += (text.empty() ? "" : ", ") + fields[i].first + "=" + fields[i].second;
  }
  return text;
}

template <typename T>
std::string option_string(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return to_string(value);  // each option enum has one, found by argument-dependent lookup
  } else if constexpr (has_visit<T>::value) {
    return "{" + changed_options(value, T{}) + "}";
  } else {
    return formatted("{}", value);
  }
}

}  // namespace detail

/// Two options structs are equal when all their fields are.
template <typename Options, std::enable_if_t<detail::has_visit<Options>::value, int> = 0>
bool operator==(const Options& a, const Options& b) {
  return detail::option_strings(a) == detail::option_strings(b);
}
template <typename Options, std::enable_if_t<detail::has_visit<Options>::value, int> = 0>
bool operator!=(const Options& a, const Options& b) {
  return !(a == b);
}

/// Prints `pam::ConvBlock(3, 32, stride=2)`: the first `required` fields by position, then those that are not default.
template <typename Options>
void print_options(std::ostream& stream, const char* name, const Options& options, std::size_t required) {
  const auto fields = detail::option_strings(options);
  stream << "pam::" << name << '(';
  for (std::size_t i = 0; i < required; ++i) stream << (i ? ", " : "") << fields[i].second;
  const auto changed = detail::changed_options(options, Options{}, required);
  stream << (required && !changed.empty() ? ", " : "") << changed << ')';
}

}  // namespace pam

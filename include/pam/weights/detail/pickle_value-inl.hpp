// SPDX-License-Identifier: MIT
/// The definitions of pickle_value.hpp.
#pragma once

#include <pam/weights/detail/pickle_value.hpp>
#include <pam/weights/state_dict.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace pam::detail {

PAM_FUNC std::optional<PickleMeaning> find_pickle_global(std::string_view module, std::string_view name) {
  if (module == "__builtin__") module = "builtins";  // Python 2's name, which pickles of protocol 2 use
  if (module == "pathlib._local") module = "pathlib";  // Python 3.13's
  for (const auto& row : kPickleGlobals) {
    if (row.module == module && row.name == name) return PickleMeaning{row.meaning};
  }
  const bool untyped = name == "UntypedStorage" || name == "_UntypedStorage";
  if (untyped && (module == "torch.storage" || module == "torch")) {
    return PickleMeaning{PickleName::kStorage, find_element_type(torch::kUInt8)};
  }
  if (module != "torch") return std::nullopt;
  constexpr std::array<std::pair<std::string_view, torch::ScalarType>, 10> kTypes{{{"float64", torch::kFloat64},
                                                                                   {"float32", torch::kFloat32},
                                                                                   {"float16", torch::kFloat16},
                                                                                   {"bfloat16", torch::kBFloat16},
                                                                                   {"int64", torch::kInt64},
                                                                                   {"int32", torch::kInt32},
                                                                                   {"int16", torch::kInt16},
                                                                                   {"int8", torch::kInt8},
                                                                                   {"uint8", torch::kUInt8},
                                                                                   {"bool", torch::kBool}}};
  for (const auto& [type_name, type] : kTypes) {
    if (name == type_name) return PickleMeaning{PickleName::kType, find_element_type(type)};
  }
  for (const auto& row : kElementTypes) {
    if (name == row.storage) return PickleMeaning{PickleName::kStorage, &row};
  }
  // Known, but not types that pam reads: only a tensor of such a type is an error.
  constexpr std::array<std::string_view, 5> kOthers{"uint", "complex", "float8", "qint", "quint"};
  for (const auto prefix : kOthers) {
    if (name.substr(0, prefix.size()) == prefix) return PickleMeaning{PickleName::kType};
  }
  constexpr std::string_view kSuffix = "Storage";
  if (name.size() > kSuffix.size() && name.substr(name.size() - kSuffix.size()) == kSuffix) {
    return PickleMeaning{PickleName::kStorage};
  }
  return std::nullopt;
}

}  // namespace pam::detail

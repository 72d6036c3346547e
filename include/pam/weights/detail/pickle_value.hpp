// SPDX-License-Identifier: MIT
/// What the restricted unpickler makes of a pickle: plain values in one arena, and the allow-list of names that a
/// pickle may mention. A name is only ever a tag: nothing is imported, called or executed.
#pragma once

#include <pam/core/config.hpp>
#include <pam/weights/state_dict.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pam::detail {

/// What an allowed name means to the unpickler.
enum class PickleName : std::uint8_t {
  kDict,               // OrderedDict, Counter, defaultdict: calling it gives a dict
  kRebuildTensor,      // (storage, offset, size, stride, …)
  kRebuildTensorType,  // the same with the element type as seventh argument
  kRebuildParameter,   // (tensor, …)
  kRebuildSubclass,    // (function, type, arguments, state)
  kParameter,          // the class nn.Parameter
  kSize,               // torch.Size(tuple)
  kStorage,            // a storage class: `type` says of what
  kType,               // torch.float32, …
  kInert,              // known and harmless, but not needed for weights: calling it gives an opaque value
};

/// One row of the allow-list.
struct PickleGlobal {
  std::string_view module, name;
  PickleName meaning;
};

/// The allow-list, without storage classes and element types, which `find_pickle_global` takes from `kElementTypes`.
/// Inert are names that checkpoints contain besides the weights (PyTorch Lightning, nnU-Net, argparse, paths, dates).
inline constexpr std::array<PickleGlobal, 51> kPickleGlobals{{
    {"collections", "OrderedDict", PickleName::kDict},
    {"collections", "Counter", PickleName::kDict},
    {"collections", "defaultdict", PickleName::kDict},
    {"torch._utils", "_rebuild_tensor", PickleName::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", PickleName::kRebuildTensor},
    {"torch._utils", "_rebuild_tensor_v3", PickleName::kRebuildTensorType},
    {"torch._utils", "_rebuild_parameter", PickleName::kRebuildParameter},
    {"torch._utils", "_rebuild_parameter_with_state", PickleName::kRebuildParameter},
    {"torch._tensor", "_rebuild_from_type_v2", PickleName::kRebuildSubclass},
    {"torch.nn.parameter", "Parameter", PickleName::kParameter},
    {"torch.nn.parameter", "Buffer", PickleName::kParameter},
    {"torch", "Tensor", PickleName::kInert},
    {"torch", "Size", PickleName::kSize},
    {"torch", "device", PickleName::kInert},
    {"torch.serialization", "_get_layout", PickleName::kInert},
    {"_codecs", "encode", PickleName::kInert},
    {"builtins", "set", PickleName::kInert},
    {"builtins", "bytearray", PickleName::kInert},
    {"builtins", "complex", PickleName::kInert},
    {"builtins", "int", PickleName::kInert},
    {"builtins", "float", PickleName::kInert},
    {"builtins", "list", PickleName::kInert},
    {"builtins", "str", PickleName::kInert},
    {"builtins", "bool", PickleName::kInert},
    {"builtins", "bytes", PickleName::kInert},
    {"builtins", "tuple", PickleName::kInert},
    {"builtins", "frozenset", PickleName::kInert},
    {"builtins", "slice", PickleName::kInert},
    {"builtins", "range", PickleName::kInert},
    {"builtins", "xrange", PickleName::kInert},
    {"pathlib", "Path", PickleName::kInert},
    {"pathlib", "PosixPath", PickleName::kInert},
    {"pathlib", "WindowsPath", PickleName::kInert},
    {"pathlib", "PurePath", PickleName::kInert},
    {"pathlib", "PurePosixPath", PickleName::kInert},
    {"pathlib", "PureWindowsPath", PickleName::kInert},
    {"datetime", "datetime", PickleName::kInert},
    {"datetime", "date", PickleName::kInert},
    {"datetime", "time", PickleName::kInert},
    {"datetime", "timedelta", PickleName::kInert},
    {"datetime", "timezone", PickleName::kInert},
    {"collections", "deque", PickleName::kInert},
    {"decimal", "Decimal", PickleName::kInert},
    {"builtins", "dict", PickleName::kDict},
    {"numpy", "dtype", PickleName::kInert},
    {"numpy", "ndarray", PickleName::kInert},
    {"numpy.core.multiarray", "scalar", PickleName::kInert},
    {"numpy.core.multiarray", "_reconstruct", PickleName::kInert},
    {"numpy._core.multiarray", "scalar", PickleName::kInert},
    {"numpy._core.multiarray", "_reconstruct", PickleName::kInert},
    {"argparse", "Namespace", PickleName::kInert},
}};

/// The meaning of `module.name`, and for storage classes and element types the type (nullptr: one that pam lacks).
struct PickleMeaning {
  PickleName meaning;
  const ElementType* type = nullptr;
};

/// Looks `module.name` up in the allow-list; nothing where it is not on it.
std::optional<PickleMeaning> find_pickle_global(std::string_view module, std::string_view name);

/// A value of the pickle. Containers, storages and tensors live in the arena (`PickleData`) and are named by index, so
/// that cycles cost nothing and nothing is freed recursively. Strings lie in the pickle itself.
struct PickleValue {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kString,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor,
    kOpaque
  };
  Kind kind = Kind::kNone;
  PickleName name = PickleName::kInert;  // kGlobal
  std::uint32_t index = 0;               // kTuple, kList, kDict, kStorage, kTensor: place in the arena; kString: length
  std::int64_t number = 0;  // kBool, kInt: the value; kString: offset; kGlobal: row of kElementTypes, or -1
};

/// A storage that the pickle refers to: `count` elements of `type` in the record `data/<key>`.
struct PickledStorage {
  std::string_view key;
  const ElementType* type = nullptr;
  std::int64_t count = 0;
};

/// A tensor: a strided view of a storage. Not checked against the storage before it is made.
struct PickledTensor {
  std::uint32_t storage = 0;
  const ElementType* type = nullptr;
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes, strides;
};

/// Everything that a pickle held.
struct PickleData {
  PickleValue root;
  std::deque<std::vector<PickleValue>> items;  // tuples, lists, and dicts as key, value, key, value, …
  std::deque<PickledStorage> storages;
  std::deque<PickledTensor> tensors;
  std::string_view text;  // the pickle

  [[nodiscard]] std::string_view string(const PickleValue& value) const {
    return value.kind == PickleValue::Kind::kString ? text.substr(static_cast<std::size_t>(value.number), value.index)
                                                    : std::string_view();
  }
  /// The value of `key` in the dict `value`; the last one where a key is repeated, as in Python.
  [[nodiscard]] const PickleValue* find(const PickleValue& dict, std::string_view key) const {
    const auto& entries = items[dict.index];
    for (std::size_t i = entries.size(); i >= 2; i -= 2) {
      if (entries[i - 2].kind == PickleValue::Kind::kString && string(entries[i - 2]) == key) return &entries[i - 1];
    }
    return nullptr;
  }
};

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/weights/detail/pickle_value-inl.hpp>
#endif

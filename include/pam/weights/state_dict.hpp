// SPDX-License-Identifier: MIT
/// The content of weight files: named tensors in order, and metadata; and a table of the element types that files may
/// hold.
#pragma once

#include <pam/core/error.hpp>

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "pam reads and writes weight files on little-endian machines only"
#endif

namespace pam {

/// Tensors by name, in the order of the file or module. Names are unique.
using StateDict = std::vector<std::pair<std::string, torch::Tensor>>;

/// Text by key. pam's own keys: "format" ("pt"), "pam.version", "pam.net" (the net's JSON options), "pam.reversed"
/// ("true" or "false").
using Metadata = std::map<std::string, std::string>;

/// The content of a weight file of either format.
struct WeightsFile {
  StateDict tensors;
  Metadata metadata;
  // What a checkpoint of Python (.pt, .pth) holds beside `tensors`:
  std::string section = {};                      ///< the key under which `tensors` lie; empty: at the top
  std::vector<std::string> other_sections = {};  ///< further keys with weights, such as "model_ema"
  std::vector<std::string> skipped = {};         ///< entries among `tensors` that are none (numbers, text, dates)
};

/// The tensor called `name`, or an undefined one.
[[nodiscard]] torch::Tensor find_tensor(const StateDict& tensors, std::string_view name);

namespace detail {

void append_state(const torch::nn::Module& module, const std::string& prefix, StateDict& tensors);

/// One element type: in LibTorch, in safetensors, and as the storage class that Python's pickles name.
struct ElementType {
  torch::ScalarType type;
  const char* safetensors;
  const char* storage;
};

/// The element types that weight files may hold.
inline constexpr std::array<ElementType, 10> kElementTypes{{{torch::kFloat64, "F64", "DoubleStorage"},
                                                            {torch::kFloat32, "F32", "FloatStorage"},
                                                            {torch::kFloat16, "F16", "HalfStorage"},
                                                            {torch::kBFloat16, "BF16", "BFloat16Storage"},
                                                            {torch::kInt64, "I64", "LongStorage"},
                                                            {torch::kInt32, "I32", "IntStorage"},
                                                            {torch::kInt16, "I16", "ShortStorage"},
                                                            {torch::kInt8, "I8", "CharStorage"},
                                                            {torch::kUInt8, "U8", "ByteStorage"},
                                                            {torch::kBool, "BOOL", "BoolStorage"}}};

/// The row of `type`, or nullptr (complex, quantised and newer types).
const ElementType* find_element_type(torch::ScalarType type);

/// Text from a file as messages print it: control characters replaced, at most 120 bytes.
std::string printable(std::string_view text);

/// Throws unless `tensors` can be written to a weight file: unique names, defined dense tensors of a known type.
void check_writable(const std::string& file, const StateDict& tensors);

/// The bytes of `tensor` as files hold them: on the CPU, in C order, with a storage of its own or none to spare.
inline torch::Tensor writable_copy(const torch::Tensor& tensor) {
  return tensor.detach().to(torch::kCPU).resolve_neg().contiguous();
}

}  // namespace detail

/// The parameters and buffers of `module` under their names, in the order of Python's `state_dict()`: each module's
/// parameters, its buffers, then its children. The tensors are detached and share memory with the module's.
[[nodiscard]] StateDict state_dict(const torch::nn::Module& module);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/weights/state_dict-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// The definitions of state_dict.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/state_dict.hpp>

#include <string>
#include <string_view>
#include <unordered_set>

namespace pam {

PAM_FUNC torch::Tensor find_tensor(const StateDict& tensors, std::string_view name) {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
  }
  return {};
}

namespace detail {

PAM_FUNC void append_state(const torch::nn::Module& module, const std::string& prefix, StateDict& tensors) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    tensors.emplace_back(prefix + item.key(), item.value().detach());
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    tensors.emplace_back(prefix + item.key(), item.value().detach());
  }
  for (const auto& child : module.named_children()) append_state(*child.value(), prefix + child.key() + ".", tensors);
}

PAM_FUNC const ElementType* find_element_type(torch::ScalarType type) {
  for (const auto& row : kElementTypes) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

PAM_FUNC std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string shown(text.substr(0, kLongest));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text.size() > kLongest ? shown + "..." : shown;
}

PAM_FUNC void check_writable(const std::string& file, const StateDict& tensors) {
  std::unordered_set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    check(names.insert(name).second, "{}: two tensors are called '{}'; names must be unique", file, printable(name));
    check(tensor.defined(), "{}: tensor '{}' is undefined; leave it out", file, printable(name));
    check(tensor.layout() == torch::kStrided && !tensor.is_quantized(),
          "{}: tensor '{}' is sparse or quantised; make it dense first", file, printable(name));
    check(find_element_type(tensor.scalar_type()) != nullptr,
          "{}: tensor '{}' has element type {}, which weight files do not hold; convert it first", file,
          printable(name), c10::toString(tensor.scalar_type()));
  }
}

}  // namespace detail
PAM_FUNC StateDict state_dict(const torch::nn::Module& module) {
  StateDict tensors;
  detail::append_state(module, "", tensors);
  return tensors;
}

}  // namespace pam

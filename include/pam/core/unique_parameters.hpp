// SPDX-License-Identifier: MIT
/// `unique_parameters`: each parameter of a module once, also where parts of the module share parameters.
#pragma once

#include <pam/core/torch.hpp>

#include <set>
#include <vector>

namespace pam {

/// `tensors` in their order, each tensor once. LibTorch's `parameters()` lists a module that is registered under two
/// names twice, where Python's lists it once; code that accumulates or scales gradients must see it only once.
inline std::vector<torch::Tensor> unique_parameters(const std::vector<torch::Tensor>& tensors) {
  std::set<const void*> known;
  std::vector<torch::Tensor> once;
  for (const auto& tensor : tensors) {
    if (known.insert(tensor.unsafeGetTensorImpl()).second) once.push_back(tensor);
  }
  return once;
}

}  // namespace pam

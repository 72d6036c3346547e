// SPDX-License-Identifier: MIT
/// The definitions of pickle_writer.hpp.
#pragma once

#include <pam/weights/detail/pickle_writer.hpp>
#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace pam::detail {

PAM_FUNC std::vector<std::int64_t> packed_strides(at::IntArrayRef sizes) {
  std::vector<std::int64_t> strides(sizes.size());
  std::int64_t step = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<std::int64_t>(sizes[i], 1);
  }
  return strides;
}

PAM_FUNC std::string pickle_state_dict(const StateDict& tensors) {
  PickleWriter pickle;
  pickle.opcode("\x80\x02}(");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    pickle.string(name).global("torch._utils", "_rebuild_tensor_v2").opcode("((").string("storage");
    pickle.global("torch", find_element_type(tensor.scalar_type())->storage).string(std::to_string(i)).string("cpu");
    pickle.integer(tensor.numel()).opcode("tQ").integer(0).integers(tensor.sizes());
    pickle.integers(packed_strides(tensor.sizes())).opcode("\x89").global("collections", "OrderedDict");
    pickle.opcode(")RtR");
  }
  pickle.opcode("u.");
  return pickle.bytes();
}

}  // namespace pam::detail

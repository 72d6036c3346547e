// SPDX-License-Identifier: MIT
/// The pickle of a plain dict of tensors, in the few opcodes that every `torch.load(weights_only=True)` since 1.13
/// takes.
#pragma once

#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pam::detail {

/// Appends pickle opcodes (protocol 2, names from Python's Lib/pickletools.py) to a string.
class PickleWriter {
 public:
  PickleWriter& opcode(std::string_view code) {
    bytes_ += code;
    return *this;
  }
  PickleWriter& global(std::string_view module, std::string_view name) {
    bytes_ += 'c';
    bytes_ += module;
    bytes_ += '\n';
    bytes_ += name;
    bytes_ += '\n';
    return *this;
  }
  PickleWriter& string(std::string_view text) {
    bytes_ += 'X';
    return raw(static_cast<std::uint32_t>(text.size())).opcode(text);
  }
  PickleWriter& integer(std::int64_t number) {
    if (number >= 0 && number < 256) {
      bytes_ += 'K';
      return raw(static_cast<std::uint8_t>(number));
    }
    if (number >= INT32_MIN && number <= INT32_MAX) {
      bytes_ += 'J';
      return raw(static_cast<std::int32_t>(number));
    }
    bytes_ += "\x8a\x08";
    return raw(number);
  }
  PickleWriter& integers(at::IntArrayRef numbers) {
    bytes_ += '(';
    for (const auto number : numbers) integer(number);
    bytes_ += 't';
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  template <typename Number>
  PickleWriter& raw(Number number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  std::string bytes_;
};

/// The strides of a contiguous tensor of `sizes`, as torch counts them.
inline std::vector<std::int64_t> packed_strides(at::IntArrayRef sizes) {
  std::vector<std::int64_t> strides(sizes.size());
  std::int64_t step = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<std::int64_t>(sizes[i], 1);
  }
  return strides;
}

/// `{name: _rebuild_tensor_v2(storage i, 0, sizes, strides, False, OrderedDict()), …}`, where storage i is the record
/// `data/i` of the archive.
inline std::string pickle_state_dict(const StateDict& tensors) {
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

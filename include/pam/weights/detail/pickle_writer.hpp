// SPDX-License-Identifier: MIT
/// The pickle of a plain dict of tensors, in the few opcodes that every `torch.load(weights_only=True)` since 1.13
/// takes.
#pragma once

#include <pam/core/config.hpp>
#include <pam/weights/state_dict.hpp>

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
std::vector<std::int64_t> packed_strides(at::IntArrayRef sizes);

/// `{name: _rebuild_tensor_v2(storage i, 0, sizes, strides, False, OrderedDict()), …}`, where storage i is the record
/// `data/i` of the archive.
std::string pickle_state_dict(const StateDict& tensors);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/weights/detail/pickle_writer-inl.hpp>
#endif

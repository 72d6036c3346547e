// SPDX-License-Identifier: MIT
/// The definitions of mapped_tensor.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/detail/mapped_tensor.hpp>
#include <pam/weights/detail/memory_map.hpp>
#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace pam::detail {

PAM_FUNC torch::Tensor make_tensor(const std::shared_ptr<FileBytes>& bytes, std::uint8_t* data,
                                   std::uint64_t byte_count, const ElementType& type,
                                   const std::vector<std::uint64_t>& sizes, std::size_t alignment) {
  const std::vector<std::int64_t> shape(sizes.begin(), sizes.end());
  const auto options = torch::TensorOptions().dtype(type.type);
  if (byte_count == 0) return torch::empty(shape, options);
  if (reinterpret_cast<std::uintptr_t>(data) % std::max(alignment, c10::elementSize(type.type)) == 0) {
    return torch::from_blob(
        data, shape, [bytes](void*) {}, options);
  }
  auto tensor = torch::empty(shape, options);
  std::memcpy(tensor.data_ptr(), data, byte_count);
  return tensor;
}

PAM_FUNC void check_bools(const std::string& file, const std::string& name, const std::uint8_t* data,
                          std::uint64_t size) {
  check(std::all_of(data, data + size, [](std::uint8_t byte) { return byte <= 1; }),
        "{}: tensor '{}' is BOOL but holds bytes other than 0 and 1; the file is damaged", file, printable(name));
}

}  // namespace pam::detail

// SPDX-License-Identifier: MIT
/// Tensors over the bytes of a file, without a copy where alignment allows.
#pragma once

#include <pam/core/error.hpp>
#include <pam/weights/detail/memory_map.hpp>
#include <pam/weights/state_dict.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace pam::detail {

/// The tensor of one checked entry: mapped where the data are aligned to their type and to `alignment` bytes (as pam
/// and Python write them), else a copy. A mapped tensor keeps `bytes` alive.
torch::Tensor make_tensor(const std::shared_ptr<FileBytes>& bytes, std::uint8_t* data, std::uint64_t byte_count,
                          const ElementType& type, const std::vector<std::uint64_t>& sizes, std::size_t alignment = 1);

/// Bools are bytes 0 and 1; any other byte is undefined behaviour in C++.
void check_bools(const std::string& file, const std::string& name, const std::uint8_t* data, std::uint64_t size);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/weights/detail/mapped_tensor-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// Internals of images/nifti.hpp: raw voxels of any NIfTI-1 type to tensors, and the type a tensor is written as.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/nifti_header.hpp>
#include <pam/images/detail/nifti_stream.hpp>

#include <cstdint>
#include <cstring>
#include <optional>

namespace pam::detail {

/// An IEEE 754 binary128 number in native order, cut to double (whatever this machine's `long double` is).
double from_binary128(const unsigned char* bytes);

/// The block itself as a tensor: no copy.
torch::Tensor adopt(ByteBlock block, std::int64_t count, torch::Dtype dtype);

template <typename From, typename To>
torch::Tensor widen(const ByteBlock& block, std::int64_t count, torch::Dtype dtype) {
  auto result = torch::empty({count}, dtype);
  auto* target = result.data_ptr<To>();
  for (std::int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, block.bytes() + i * static_cast<std::int64_t>(sizeof(From)), sizeof(From));
    target[i] = static_cast<To>(value);
  }
  return result;
}

torch::Tensor from_quads(const ByteBlock& block, std::int64_t count);

/// uint64: int64 where every value fits, else float64.
torch::Tensor from_uint64(ByteBlock block, std::int64_t count);

/// Voxels in native byte order as a flat tensor; unsigned types that LibTorch lacks go to the next wider type.
torch::Tensor to_tensor(ByteBlock block, std::int64_t count, int datatype);

/// value · slope + intercept, computed in double; float32, or float64 where the voxels have more than 24 bits.
/// A slope that is 0 or not finite means that the voxels are not scaled (NIfTI-1 standard, "data scaling").
torch::Tensor scaled(const torch::Tensor& voxels, float slope, float intercept);

/// The NIfTI type in which a tensor of this type is stored without loss; none where NIfTI has no such type.
std::optional<int> nifti_type_of(torch::Dtype dtype);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/images/detail/nifti_voxels-inl.hpp>
#endif

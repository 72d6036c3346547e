// SPDX-License-Identifier: MIT
/// The definitions of nifti_voxels.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/images/detail/nifti_header.hpp>
#include <pam/images/detail/nifti_stream.hpp>
#include <pam/images/detail/nifti_voxels.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>

namespace pam::detail {

PAM_FUNC double from_binary128(const unsigned char* bytes) {
  std::uint64_t low = 0, high = 0;
  std::memcpy(&low, bytes, 8);
  std::memcpy(&high, bytes + 8, 8);
  const double sign = (high >> 63U) != 0 ? -1.0 : 1.0;
  const auto exponent = static_cast<int>((high >> 48U) & 0x7FFFU);
  const std::uint64_t fraction = high & 0xFFFFFFFFFFFFULL;
  if (exponent == 0x7FFF) {
    return (fraction | low) != 0 ? std::numeric_limits<double>::quiet_NaN()
                                 : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * 0.0;  // subnormal quads are far below the smallest double
  const double mantissa =
      1.0 + std::ldexp(static_cast<double>(fraction), -48) + std::ldexp(static_cast<double>(low >> 32U), -80);
  return sign * std::ldexp(mantissa, exponent - 16383);
}

PAM_FUNC torch::Tensor adopt(ByteBlock block, std::int64_t count, torch::Dtype dtype) {
  void* data = block.data.release();
  return torch::from_blob(
      data, {count}, [](void* memory) { std::free(memory); }, torch::TensorOptions(dtype));
}

PAM_FUNC torch::Tensor from_quads(const ByteBlock& block, std::int64_t count) {
  auto result = torch::empty({count}, torch::kDouble);
  auto* target = result.data_ptr<double>();
  const auto* source = reinterpret_cast<const unsigned char*>(block.bytes());
  for (std::int64_t i = 0; i < count; ++i) target[i] = from_binary128(source + 16 * i);
  return result;
}

PAM_FUNC torch::Tensor from_uint64(ByteBlock block, std::int64_t count) {
  bool fits = true;
  for (std::int64_t i = 0; i < count && fits; ++i) fits = (block.bytes()[i * 8 + 7] & 0x80) == 0;
  return fits ? adopt(std::move(block), count, torch::kLong)
              : widen<std::uint64_t, double>(block, count, torch::kDouble);
}

PAM_FUNC torch::Tensor to_tensor(ByteBlock block, std::int64_t count, int datatype) {
  switch (datatype) {
    case NIFTI_TYPE_UINT8:
      return adopt(std::move(block), count, torch::kByte);
    case NIFTI_TYPE_INT8:
      return adopt(std::move(block), count, torch::kChar);
    case NIFTI_TYPE_INT16:
      return adopt(std::move(block), count, torch::kShort);
    case NIFTI_TYPE_UINT16:
      return widen<std::uint16_t, std::int32_t>(block, count, torch::kInt);
    case NIFTI_TYPE_INT32:
      return adopt(std::move(block), count, torch::kInt);
    case NIFTI_TYPE_UINT32:
      return widen<std::uint32_t, std::int64_t>(block, count, torch::kLong);
    case NIFTI_TYPE_INT64:
      return adopt(std::move(block), count, torch::kLong);
    case NIFTI_TYPE_UINT64:
      return from_uint64(std::move(block), count);
    case NIFTI_TYPE_FLOAT32:
      return adopt(std::move(block), count, torch::kFloat);
    case NIFTI_TYPE_FLOAT64:
      return adopt(std::move(block), count, torch::kDouble);
    case NIFTI_TYPE_FLOAT128:
      return from_quads(block, count);
    default:
      fail("NIfTI datatype {} is not one that pam reads", datatype);
  }
}

PAM_FUNC torch::Tensor scaled(const torch::Tensor& voxels, float slope, float intercept) {
  if (!std::isfinite(slope) || slope == 0 || (slope == 1 && intercept == 0)) return voxels;
  const auto type = voxels.scalar_type();
  const bool is_wide = type == torch::kInt || type == torch::kLong || type == torch::kDouble;
  auto result = voxels.to(torch::kDouble, /*non_blocking=*/false, /*copy=*/true);
  result.mul_(static_cast<double>(slope)).add_(static_cast<double>(intercept));  // in place: volumes are large
  return is_wide ? result : result.to(torch::kFloat);
}

PAM_FUNC std::optional<int> nifti_type_of(torch::Dtype dtype) {
  switch (dtype) {
    case torch::kBool:
    case torch::kByte:
      return NIFTI_TYPE_UINT8;
    case torch::kChar:
      return NIFTI_TYPE_INT8;
    case torch::kShort:
      return NIFTI_TYPE_INT16;
    case torch::kInt:
      return NIFTI_TYPE_INT32;
    case torch::kLong:
      return NIFTI_TYPE_INT64;
    case torch::kHalf:
    case torch::kBFloat16:
    case torch::kFloat:
      return NIFTI_TYPE_FLOAT32;
    case torch::kDouble:
      return NIFTI_TYPE_FLOAT64;
    default:
      return std::nullopt;
  }
}

}  // namespace pam::detail

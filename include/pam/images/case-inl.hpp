// SPDX-License-Identifier: MIT
/// The definitions of case.hpp.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/case_files.hpp>
#include <pam/data/plane_size.hpp>
#include <pam/data/sample.hpp>
#include <pam/images/case.hpp>
#include <pam/images/nifti_geometry.hpp>

#include <algorithm>
#include <cstdint>

namespace pam {

PAM_FUNC Sample slice_of(const Case& source, std::int64_t z) {
  check(z >= 0 && z < source.slices(), "case {}: there is no slice {}, only 0 … {}", source.name, z,
        source.slices() - 1);
  Sample sample;
  sample.image = source.image.select(1, z);
  if (source.labels.defined()) sample.labels = source.labels[z].to(torch::kLong);
  sample.case_name = source.name;
  sample.slice = z;
  return sample;
}

namespace detail {

PAM_FUNC torch::Tensor window(const torch::Tensor& tensor, std::int64_t dimension, std::int64_t offset,
                              std::int64_t size, double fill) {
  const auto length = tensor.size(dimension);
  if (offset == 0 && size == length) return tensor;
  const auto from = std::max<std::int64_t>(offset, 0), to = std::min(offset + size, length);
  if (offset >= 0 && offset + size <= length) return tensor.narrow(dimension, offset, size);
  auto shape = tensor.sizes().vec();
  shape[static_cast<std::size_t>(dimension)] = size;
  auto result = torch::full(shape, fill, tensor.options());
  if (to > from) result.narrow(dimension, from - offset, to - from).copy_(tensor.narrow(dimension, from, to - from));
  return result;
}

}  // namespace detail
}  // namespace pam

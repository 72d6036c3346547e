// SPDX-License-Identifier: MIT
/// Masks for the tests of metrics: boxes, and random blobs of some size.
#pragma once

#include <pam/core/torch.hpp>

#include <cmath>
#include <initializer_list>
#include <utility>
#include <vector>

namespace pam::test {

using Box = std::vector<std::pair<std::int64_t, std::int64_t>>;  ///< half-open ranges, one per axis

/// A uint8 mask of `shape` with ones in all `boxes`.
inline torch::Tensor box_mask(std::vector<std::int64_t> shape, const std::vector<Box>& boxes) {
  auto mask = torch::zeros(shape, torch::kByte);
  for (const auto& box : boxes) {
    auto part = mask;
    for (std::size_t a = 0; a < box.size(); ++a)
      part = part.slice(static_cast<std::int64_t>(a), box[a].first, box[a].second);
    part.fill_(1);
  }
  return mask;
}

/// A uint8 mask of discs or balls around a few random centres (torch's global generator), with some single voxels
/// flipped.
inline torch::Tensor blob_mask(std::vector<std::int64_t> shape, double radius, std::int64_t blobs = 3) {
  auto nearest = torch::full(shape, 1e9, torch::kDouble);
  for (std::int64_t blob = 0; blob < blobs; ++blob) {
    auto squared = torch::zeros(shape, torch::kDouble);
    for (std::size_t a = 0; a < shape.size(); ++a) {
      std::vector<std::int64_t> along(shape.size(), 1);
      along[a] = shape[a];
      const auto centre = torch::rand({1}).item<double>() * static_cast<double>(shape[a]);
      squared = squared + (torch::arange(shape[a], torch::kDouble) - centre).square().view(along);
    }
    nearest = torch::minimum(nearest, squared);
  }
  const auto flipped = torch::rand(shape) < 0.002;
  return (nearest < radius * radius).logical_xor(flipped).to(torch::kByte);
}

/// The entries in C order, as JSON and std::vector take them.
template <typename T>
std::vector<T> entries(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.to(c10::CppTypeToScalarType<T>::value).contiguous();
  const auto* data = flat.template data_ptr<T>();
  return {data, data + flat.numel()};
}

}  // namespace pam::test

// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/distance_transform.hpp>

#include <algorithm>
#include <cmath>

namespace pam {

namespace detail {

PAM_FUNC std::vector<double> checked_spacing(torch::ArrayRef<double> spacing, std::int64_t axes, const char* who) {
  if (spacing.empty()) return std::vector<double>(static_cast<std::size_t>(axes), 1.0);
  check(static_cast<std::int64_t>(spacing.size()) == axes,
        "{}: spacing must have one entry for each of the {} axes, in the tensor's order, got {}", who, axes,
        spacing.size());
  // Beyond these bounds the squares of distances would overflow or vanish in a double.
  for (const double step : spacing) {
    check(step >= 1e-12 && step <= 1e12, "{}: spacing must be positive and finite (1e-12 to 1e12), got {}", who, step);
  }
  return spacing.vec();
}

/// Replaces f[0..n) by min over q of (w (x - q))² + f[q], keeping its work space between lines.
///
/// Parabolas are added from left to right. `vertex` lists those that are lowest somewhere, `start[k]` where the k-th
/// takes over from its left neighbour. Where a new parabola crosses the last one to the left of that one's start, the
/// last one is nowhere lowest and is dropped.
///
///     \     \     /     /
///      \     \   /     /     The parabolas of r and q > r cross at
///       \_    \ /    _/        x = (h(q) - h(r)) / (2 w² (q - r)),  h(q) = f[q] + w² q²:
///         \_   X   _/        left of x the one of r is lower, right of it the one of q.
///        r  \_/ \_/  q
class LowerEnvelope {
 public:
  explicit LowerEnvelope(std::size_t n) : vertex_(n), height_(n), start_(n), value_(n) {}

  void apply(double* f, std::int64_t n, double w) {
    auto* vertex = vertex_.data();
    double *heights = height_.data(), *starts = start_.data(), *value = value_.data();
    const double w2 = w * w;
    std::int64_t last = -1;
    for (std::int64_t q = 0; q < n; ++q) {
      if (f[q] == kFar) continue;  // no zero voxel along the axes done so far: no parabola
      const double height = f[q] + w2 * static_cast<double>(q * q);
      double start = -kFar;
      for (; last >= 0; --last) {
        start = (height - heights[last]) / (2 * w2 * static_cast<double>(q - vertex[last]));
        if (start > starts[last]) break;
        start = -kFar;
      }
      ++last;
      vertex[last] = q, heights[last] = height, starts[last] = start;
    }
    if (last < 0) return;  // a line without a parabola stays far
    for (std::int64_t k = 0; k <= last; ++k) value[k] = f[vertex[k]];
    std::int64_t k = 0;
    for (std::int64_t x = 0; x < n; ++x) {
      while (k < last && starts[k + 1] <= static_cast<double>(x)) ++k;
      const double step = w * static_cast<double>(x - vertex[k]);
      f[x] = step * step + value[k];
    }
  }

 private:
  std::vector<std::int64_t> vertex_;
  std::vector<double> height_, start_, value_;
};

/// Squared distances along the last axis: to the nearest 0 of `mask` in the same row of `n`; far where there is none.
PAM_FUNC void row_distances(const std::uint8_t* mask, double* squared, std::int64_t n, double w) {
  double steps = kFar;
  for (std::int64_t x = 0; x < n; ++x) squared[x] = steps = mask[x] == 0 ? 0 : steps + 1;
  steps = kFar;
  for (std::int64_t x = n - 1; x >= 0; --x) {
    steps = mask[x] == 0 ? 0 : steps + 1;
    const double distance = w * std::min(steps, squared[x]);
    squared[x] = distance * distance;
  }
}

/// The envelope along an axis of length `n` whose neighbours lie `inner` apart, for all `outer` × `inner` lines.
PAM_FUNC void axis_distances(double* squared, std::int64_t outer, std::int64_t n, std::int64_t inner, double w) {
  // Eight lines at once: each row of the block is then one cache line. A single line would touch n of them.
  constexpr std::int64_t kLines = 8;
  const auto blocks = (inner + kLines - 1) / kLines;
  at::parallel_for(0, outer * blocks, std::max<std::int64_t>(1, 32768 / (n * kLines)), [&](auto begin, auto end) {
    LowerEnvelope envelope(static_cast<std::size_t>(n));
    std::vector<double> buffer(static_cast<std::size_t>(kLines * n));
    double* lines = buffer.data();
    for (auto block = begin; block < end; ++block) {
      const auto first = (block % blocks) * kLines, count = std::min(kLines, inner - first);
      double* corner = squared + (block / blocks) * n * inner + first;
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < count; ++j) lines[j * n + i] = corner[i * inner + j];
      }
      for (std::int64_t j = 0; j < count; ++j) envelope.apply(lines + j * n, n, w);
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < count; ++j) corner[i * inner + j] = lines[j * n + i];
      }
    }
  });
}

}  // namespace detail

PAM_FUNC torch::Tensor distance_transform(const torch::Tensor& mask, torch::ArrayRef<double> spacing) {
  check(mask.defined() && mask.dim() >= 1 && mask.dim() <= 3 && c10::isIntegralType(mask.scalar_type(), true),
        "distance_transform: the mask must have 1 to 3 axes and hold whole numbers or bool, got {} of {}",
        shape_string(mask), mask.defined() ? toString(mask.scalar_type()) : "nothing");
  const auto axes = mask.dim();
  const auto steps = detail::checked_spacing(spacing, axes, "distance_transform");
  const auto bytes = mask.detach().ne(0).to(torch::kCPU, torch::kByte).contiguous();
  auto result = torch::empty(mask.sizes(), torch::kDouble);
  if (result.numel() == 0) return result;
  const auto n = mask.size(axes - 1);
  const auto* in = bytes.data_ptr<std::uint8_t>();
  auto* out = result.data_ptr<double>();
  at::parallel_for(0, result.numel() / n, std::max<std::int64_t>(1, 32768 / n), [&](auto begin, auto end) {
    for (auto row = begin; row < end; ++row) detail::row_distances(in + row * n, out + row * n, n, steps.back());
  });
  std::int64_t inner = n;
  for (auto axis = axes - 2; axis >= 0; --axis) {
    const auto length = mask.size(axis);
    detail::axis_distances(out, result.numel() / (length * inner), length, inner,
                           steps[static_cast<std::size_t>(axis)]);
    inner *= length;
  }
  return result.sqrt_();
}

}  // namespace pam

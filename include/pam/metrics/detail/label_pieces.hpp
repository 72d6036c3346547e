// SPDX-License-Identifier: MIT
/// Labels of two masks, piece by piece.
#pragma once

#include <pam/core/torch.hpp>

#include <algorithm>
#include <cstdint>

namespace pam::detail {

/// Calls `visit(prediction, truth, start, length)` with pointers to `length` labels as int64, from the start-th voxel
/// on. It converts pieces that stay in the cache; a whole volume of bytes converted at once would take eight times its
/// memory.
template <typename Visitor>
void for_label_pieces(const torch::Tensor& prediction, const torch::Tensor& truth, Visitor&& visit) {
  const auto p = prediction.detach().cpu().reshape(-1), t = truth.detach().cpu().reshape(-1);
  constexpr std::int64_t kPiece = 1 << 14;
  for (std::int64_t start = 0; start < t.numel(); start += kPiece) {
    const auto length = std::min(kPiece, t.numel() - start);
    const auto p_piece = p.narrow(0, start, length).to(torch::kLong),
               t_piece = t.narrow(0, start, length).to(torch::kLong);
    visit(p_piece.data_ptr<std::int64_t>(), t_piece.data_ptr<std::int64_t>(), start, length);
  }
}

}  // namespace pam::detail

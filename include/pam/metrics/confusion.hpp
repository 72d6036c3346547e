// SPDX-License-Identifier: MIT
/// `Confusion`: the four counts from which every overlap score follows. This is the only place where masks are
/// compared; scores are pure functions of the counts (metrics/overlap.hpp), and pooling or an all-reduce adds counts,
/// never ratios.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/error.hpp>

#include <cstdint>
#include <tuple>
#include <vector>

namespace pam {

/// Counts of pixels or voxels.
struct Confusion {
  std::int64_t tp = 0;  ///< foreground in both
  std::int64_t fp = 0;  ///< foreground in the prediction alone
  std::int64_t fn = 0;  ///< foreground in the truth alone
  std::int64_t tn = 0;  ///< background in both

  Confusion& operator+=(const Confusion& other) {
    tp += other.tp, fp += other.fp, fn += other.fn, tn += other.tn;
    return *this;
  }
  /// The number of pixels counted: all but the ignored ones.
  [[nodiscard]] std::int64_t total() const { return tp + fp + fn + tn; }
  /// Foreground and background exchanged.
  [[nodiscard]] Confusion background() const { return {tn, fn, fp, tp}; }
};

[[nodiscard]] inline Confusion operator+(Confusion a, const Confusion& b) { return a += b; }
[[nodiscard]] inline bool operator==(const Confusion& a, const Confusion& b) {
  return std::tie(a.tp, a.fp, a.fn, a.tn) == std::tie(b.tp, b.fp, b.fn, b.tn);
}
[[nodiscard]] inline bool operator!=(const Confusion& a, const Confusion& b) { return !(a == b); }

namespace detail {

/// Throws where the masks are not two tensors of whole numbers of one shape, with at least one entry.
void check_masks(const torch::Tensor& prediction, const torch::Tensor& truth);

}  // namespace detail

/// One-versus-rest counts of each class, index 0 (background) included: `confusion_by_class(p, t, 4)[2]` is class 2.
/// `prediction` and `truth`: whole numbers or bool, one shape (any), labels 0 … classes-1, on any device (counted
/// on the CPU); `truth` may hold `ignore_label`, whose pixels are left out. Throws on anything else.
[[nodiscard]] std::vector<Confusion> confusion_by_class(const torch::Tensor& prediction, const torch::Tensor& truth,
                                                        std::int64_t classes, std::int64_t ignore_label = -1);

/// Counts of two binary masks (0 and 1, or bool); otherwise as `confusion_by_class`.
[[nodiscard]] Confusion confusion(const torch::Tensor& prediction, const torch::Tensor& truth,
                                  std::int64_t ignore_label = -1);

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/metrics/confusion-inl.hpp>
#endif

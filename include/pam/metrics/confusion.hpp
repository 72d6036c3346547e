// SPDX-License-Identifier: MIT
/// `Confusion`: the four counts from which every overlap score follows. This is the only place where masks are
/// compared; scores are pure functions of the counts (metrics/overlap.hpp), and pooling or an all-reduce adds counts,
/// never ratios.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
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

inline void check_masks(const torch::Tensor& prediction, const torch::Tensor& truth) {
  check(prediction.defined() && truth.defined(), "masks: prediction is {} and truth is {}; both must be given",
        shape_string(prediction), shape_string(truth));
  check(prediction.sizes() == truth.sizes(), "masks: prediction {} and truth {} must have one shape",
        shape_string(prediction), shape_string(truth));
  check(prediction.numel() > 0, "masks: there is nothing to compare in masks of shape {}", shape_string(prediction));
  for (const auto* mask : {&prediction, &truth}) {
    check(c10::isIntegralType(mask->scalar_type(), /*includeBool=*/true),
          "masks: {} must hold whole numbers, got {}; threshold probabilities first, and convert labels with "
          ".to(torch::kLong)",
          mask == &prediction ? "the prediction" : "the truth", toString(mask->scalar_type()));
  }
}

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

/// counts[truth][prediction], row by row. Ignored pixels are not counted, and the prediction may hold anything there.
inline std::vector<std::int64_t> label_counts(const torch::Tensor& prediction, const torch::Tensor& truth,
                                              std::int64_t classes, std::int64_t ignore_label) {
  check_masks(prediction, truth);
  check(classes >= 2 && classes <= 4096, "masks: the number of classes, background included, must be 2 to 4096, got {}",
        classes);
  const auto unknown = [&](std::int64_t label, const char* whose) {
    fail("masks: unknown label {} in the {}; labels are 0 to {} (and {}, ignored, in the truth): map the values first",
         label, whose, classes - 1, ignore_label);
  };
  std::vector<std::int64_t> counts(static_cast<std::size_t>(classes * classes), 0);
  for_label_pieces(prediction, truth, [&](const auto* p, const auto* t, std::int64_t, std::int64_t length) {
    for (std::int64_t i = 0; i < length; ++i) {
      if (t[i] == ignore_label) continue;
      if (t[i] < 0 || t[i] >= classes) unknown(t[i], "truth");
      if (p[i] < 0 || p[i] >= classes) unknown(p[i], "prediction");
      ++counts[static_cast<std::size_t>(t[i] * classes + p[i])];
    }
  });
  return counts;
}

}  // namespace detail

/// One-versus-rest counts of each class, index 0 (background) included: `confusion_by_class(p, t, 4)[2]` is class 2.
/// `prediction` and `truth`: whole numbers or bool, one shape (any), labels 0 … classes-1, on any device (counted
/// on the CPU); `truth` may hold `ignore_label`, whose pixels are left out. Throws on anything else.
[[nodiscard]] inline std::vector<Confusion> confusion_by_class(const torch::Tensor& prediction,
                                                               const torch::Tensor& truth, std::int64_t classes,
                                                               std::int64_t ignore_label = -1) {
  const auto counts = detail::label_counts(prediction, truth, classes, ignore_label);
  const auto n = static_cast<std::size_t>(classes);
  std::vector<Confusion> result(n);
  std::int64_t all = 0;
  for (std::size_t t = 0; t < n; ++t) {
    for (std::size_t p = 0; p < n; ++p) {
      const auto count = counts[t * n + p];
      all += count;
      if (t == p) {
        result[t].tp += count;
      } else {
        result[t].fn += count;
        result[p].fp += count;
      }
    }
  }
  for (auto& one : result) one.tn = all - one.tp - one.fn - one.fp;
  return result;
}

/// Counts of two binary masks (0 and 1, or bool); otherwise as `confusion_by_class`.
[[nodiscard]] inline Confusion confusion(const torch::Tensor& prediction, const torch::Tensor& truth,
                                         std::int64_t ignore_label = -1) {
  return confusion_by_class(prediction, truth, 2, ignore_label)[1];
}

}  // namespace pam

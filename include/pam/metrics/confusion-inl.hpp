// SPDX-License-Identifier: MIT
#pragma once

#include <pam/metrics/confusion.hpp>
#include <pam/metrics/detail/label_pieces.hpp>

namespace pam {
namespace detail {

PAM_FUNC void check_masks(const torch::Tensor& prediction, const torch::Tensor& truth) {
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

/// counts[truth][prediction], row by row. Ignored pixels are not counted, and the prediction may hold anything there.
PAM_FUNC std::vector<std::int64_t> label_counts(const torch::Tensor& prediction, const torch::Tensor& truth,
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

PAM_FUNC std::vector<Confusion> confusion_by_class(const torch::Tensor& prediction, const torch::Tensor& truth,
                                                   std::int64_t classes, std::int64_t ignore_label) {
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

PAM_FUNC Confusion confusion(const torch::Tensor& prediction, const torch::Tensor& truth, std::int64_t ignore_label) {
  return confusion_by_class(prediction, truth, 2, ignore_label)[1];
}

}  // namespace pam

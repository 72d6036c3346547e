// SPDX-License-Identifier: MIT
/// Overlap scores and error rates as pure functions of a `Confusion`. A score whose denominator is zero is undefined
/// (`std::nullopt`; null in JSON), never 0, 1 or silently dropped:
///
///     | truth | prediction | iou, dice, miou, mdice  | fp_rate | fn_rate   |
///     |-------|------------|-------------------------|---------|-----------|
///     | empty | not        | iou and dice 0          | defined | undefined |  a false alarm
///     | not   | empty      | iou and dice 0          | 0       | 1         |  missed
///     | empty | empty      | undefined               | 0       | undefined |  empty
///
/// fp_rate is undefined only where no background pixel counts (FP + TN = 0).
#pragma once

#include <pam/metrics/confusion.hpp>

#include <optional>

namespace pam {

namespace detail {
inline std::optional<double> ratio(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}
inline std::optional<double> mean_of_two(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return std::nullopt;
  return (*a + *b) / 2;
}
}  // namespace detail

/// Intersection over union of the foreground: TP / (TP + FP + FN), in [0, 1]. (What the paper's tables
/// print as "IoU" is nearer to `miou`: 66 % beside an FN rate of 58 % cannot be the foreground's.)
[[nodiscard]] inline std::optional<double> iou(const Confusion& c) { return detail::ratio(c.tp, c.tp + c.fp + c.fn); }

/// Hard Dice of the foreground: 2 TP / (2 TP + FP + FN), in [0, 1].
[[nodiscard]] inline std::optional<double> dice(const Confusion& c) {
  return detail::ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn);
}

/// Mean of `iou` over foreground and background; undefined where either is: a mean that dropped the undefined
/// foreground would score an empty case 1.
[[nodiscard]] inline std::optional<double> miou(const Confusion& c) {
  return detail::mean_of_two(iou(c), iou(c.background()));
}

/// Mean of `dice` over foreground and background; undefined where either is. The released code calls this "IoU".
[[nodiscard]] inline std::optional<double> mdice(const Confusion& c) {
  return detail::mean_of_two(dice(c), dice(c.background()));
}

/// False positive rate FP / (FP + TN), in [0, 1]; tables print it in percent.
[[nodiscard]] inline std::optional<double> fp_rate(const Confusion& c) { return detail::ratio(c.fp, c.fp + c.tn); }

/// False negative rate FN / (TP + FN), in [0, 1]; tables print it in percent.
[[nodiscard]] inline std::optional<double> fn_rate(const Confusion& c) { return detail::ratio(c.fn, c.tp + c.fn); }

}  // namespace pam

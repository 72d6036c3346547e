// SPDX-License-Identifier: MIT
/// `LabelMap`: from the numbers in a label file to classes (0 = background, 1, 2, …) and the ignore label (-1).
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pam {

/// Which raw value becomes which class. Built by `parse`, `identity`, `nonzero` or `threshold`; immutable.
class LabelMap {
 public:
  /// The label of pixels that are excluded from training and scoring.
  static constexpr std::int64_t kIgnore = -1;

  /// The default: class numbers as they are (see `identity`).
  LabelMap() = default;

  /// Raw values 0 … `classes` - 1 are the classes; anything else is refused. `classes` = 0: any value from 0 up.
  static LabelMap identity(std::int64_t classes = 0);

  /// Every value but 0 is class 1.
  static LabelMap nonzero();

  /// Every value of at least `value` is class 1, all below is background: for masks whose edges are blurred or
  /// compressed, fractions too. Throws `Error` for NaN and infinity.
  static LabelMap threshold(double value);

  /// "71-78" (those are class 1), "26-33,35", "1=1,2=2", "4=1,255=ignore", "nonzero", "identity", ">=128"
  /// (`threshold`), JSON such as {"1": 1, "2-5": 2, "255": "ignore"}, or the name of a .json file with that. Values
  /// that are not named become background, or are refused where `strict` ("0" is always background unless it is named).
  /// Throws `Error` quoting the part that is wrong.
  static LabelMap parse(const std::string& text, bool strict = false);

  /// How many classes there are with the background; 0 where the map does not say (identity).
  [[nodiscard]] std::int64_t classes() const { return classes_; }
  /// The text that the map was parsed from, for messages and run records.
  [[nodiscard]] const std::string& text() const { return text_; }
  /// Whether it is one of `threshold`.
  [[nodiscard]] bool is_threshold() const { return threshold_.has_value(); }

  /// Raw labels of any shape and type → classes (or `kIgnore`) as int64, or as int16 (`dtype` = torch::kShort: a
  /// quarter of the memory for volumes). `where` names the file in messages.
  /// Floating-point labels must hold integers (to 1e-4, as headers with a scale slope give); throws `Error` with the
  /// file and the value for fractions, NaN, and values that the map refuses.
  [[nodiscard]] torch::Tensor apply(const torch::Tensor& raw, const std::string& where,
                                    torch::Dtype dtype = torch::kLong) const;

  /// The class of one raw value; throws as `apply` does.
  [[nodiscard]] std::int64_t class_of(std::int64_t value, const std::string& where) const;

 private:
  struct Range {
    std::int64_t low, high, target;
  };

  static std::string trim(const std::string& text);

  /// A whole number, with sign, at `position`; moves on.
  static std::optional<std::int64_t> number(const std::string& text, std::size_t& position);

  static Range parse_range(const std::string& text);

  static std::int64_t parse_target(const std::string& text, const std::string& part);

  void add_list(const std::string& text);

  void add_json(const std::string& text, const std::string& where);

  void finish();

  template <typename Class>
  void fill(const torch::Tensor& raw, Class* classes, const std::string& where) const;

  template <typename Raw, typename Class>
  void fill(const Raw* raw, Class* classes, std::int64_t count, const std::string& where) const;

  template <typename Class>
  [[nodiscard]] Class class_as(std::int64_t value, const std::string& where) const;

  /// A raw value as an integer; refuses fractions and NaN.
  template <typename Raw>
  static std::int64_t integer(Raw value, const std::string& where);

  std::optional<double> threshold_;
  std::vector<Range> ranges_;  ///< sorted, disjoint; empty = identity
  std::string text_ = "identity";
  std::int64_t classes_ = 0;
  bool strict_ = false;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/images/labels-inl.hpp>
#endif

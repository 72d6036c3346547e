// SPDX-License-Identifier: MIT
/// `Table`: rows of names and numbers, printed for the terminal (fixed width), as Markdown, or as CSV.
/// The numbers of a column have the same number of digits and are right-aligned, so that their points line up;
/// `mean ± std` does too. An undefined number (a missed case has no distance) is printed as a dash and is an empty
/// field in CSV, never 0.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pam {

/// The number of characters a terminal shows for UTF-8 `text` (code points; wide and combining ones count as one).
[[nodiscard]] std::size_t display_width(std::string_view text);

/// One field of a `Table`: a text, or a number with an optional standard deviation. NaN and `std::nullopt` mean
/// undefined.
struct Cell {
  Cell(std::string words) : text(std::move(words)) {}               // NOLINT: cells are written as literals
  Cell(const char* words) : text(words) {}                          // NOLINT
  Cell(double number) : numeric(true), value(number) {}             // NOLINT
  Cell(std::int64_t number) : Cell(static_cast<double>(number)) {}  // NOLINT
  Cell(int number) : Cell(static_cast<double>(number)) {}           // NOLINT
  Cell(const std::optional<double>& number)                         // NOLINT
      : Cell(number.value_or(std::numeric_limits<double>::quiet_NaN())) {}
  Cell(std::nullopt_t) : numeric(true) {}  // NOLINT
  Cell(double mean, double std) : numeric(true), value(mean), deviation(std) {}

  bool numeric = false;
  std::string text;
  double value = std::numeric_limits<double>::quiet_NaN();
  std::optional<double> deviation;  ///< sample standard deviation; NaN where one value alone gives none
};

/// A column's heading and how its numbers are printed.
struct Column {
  Column(std::string heading) : name(std::move(heading)) {}  // NOLINT: columns are written as literals
  Column(const char* heading) : name(heading) {}             // NOLINT
  /// A column of numbers with `decimals` digits after the point; `group_thousands` prints 3,129,248.
  Column(std::string heading, int decimals, bool group_thousands = false)
      : name(std::move(heading)), numeric(true), digits(decimals), grouped(group_thousands) {}

  std::string name;
  bool numeric = false;  ///< right-aligned
  int digits = 3;        ///< after the point
  bool grouped = false;  ///< a comma between thousands
};

/// See the head of this file. Example:
/// `Table table("Test cases", {"net", {"IoU", 3}}); table.row({"unet", {0.71, 0.02}}); std::cout << table.text();`
class Table {
 public:
  explicit Table(std::string caption, std::vector<Column> columns)
      : caption_(std::move(caption)), columns_(std::move(columns)) {
    check(!columns_.empty(), "Table '{}': a table needs at least one column", caption_);
  }

  /// Adds a row; throws unless it has one cell per column.
  Table& row(std::vector<Cell> cells);
  /// Adds a line printed under the table (what a column means, what was left out).
  Table& note(std::string sentence);

  [[nodiscard]] const std::string& caption() const { return caption_; }
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }
  [[nodiscard]] const std::vector<std::vector<Cell>>& rows() const { return rows_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// The cell as readers see it: "unet", "0.710", "0.710 ± 0.020", "3,129,248", or "–" where undefined. In a column
  /// where some cells have a deviation, the others are padded so that the means stay aligned.
  [[nodiscard]] std::string formatted(std::size_t row, std::size_t column) const;

  /// For a terminal: caption, a rule, aligned columns, notes.
  [[nodiscard]] std::string text() const;

  /// A GitHub-flavoured Markdown table, padded so that the source is readable too.
  [[nodiscard]] std::string markdown() const;

  /// RFC 4180 with a header line. Numbers in full precision; a column with deviations gets a second one, "NAME std".
  [[nodiscard]] std::string csv() const;

 private:
  [[nodiscard]] bool has_deviation(std::size_t column) const;

  static std::string number(double value, const Column& column);
  static std::string exact(double value) { return std::isnan(value) ? std::string() : pam::formatted("{}", value); }

  static std::string single_line(std::string text);
  static std::string markdown_escaped(const std::string& text);
  static std::string csv_escaped(const std::string& text);

  /// The heading and every row as strings of the column's width.
  [[nodiscard]] std::vector<std::vector<std::string>> aligned(bool for_markdown = false) const;

  /// Pads the part from " ± " on to one width, so that right alignment puts the means under each other.
  static void align_means(std::vector<std::vector<std::string>>& lines, std::size_t c);

  static std::string rule(const std::vector<std::string>& fields);

  std::string caption_;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::vector<std::string> notes_;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/report/table-inl.hpp>
#endif

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
  Table& row(std::vector<Cell> cells) {
    check(cells.size() == columns_.size(), "Table '{}': a row has {} cells, the table {} columns", caption_,
          cells.size(), columns_.size());
    rows_.push_back(std::move(cells));
    return *this;
  }
  /// Adds a line printed under the table (what a column means, what was left out).
  Table& note(std::string sentence) {
    notes_.push_back(std::move(sentence));
    return *this;
  }

  [[nodiscard]] const std::string& caption() const { return caption_; }
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }
  [[nodiscard]] const std::vector<std::vector<Cell>>& rows() const { return rows_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// The cell as readers see it: "unet", "0.710", "0.710 ± 0.020", "3,129,248", or "–" where undefined. In a column
  /// where some cells have a deviation, the others are padded so that the means stay aligned.
  [[nodiscard]] std::string formatted(std::size_t row, std::size_t column) const {
    const auto& cell = rows_.at(row).at(column);
    if (!cell.numeric) return single_line(cell.text);
    auto text = number(cell.value, columns_[column]);
    if (cell.deviation && !std::isnan(cell.value)) {
      text += " ± " + number(*cell.deviation, columns_[column]);
    }
    return text;
  }

  /// For a terminal: caption, a rule, aligned columns, notes.
  [[nodiscard]] std::string text() const {
    const auto lines = aligned();
    std::string out = caption_.empty() ? std::string() : single_line(caption_) + "\n";
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string line;
      for (std::size_t c = 0; c < columns_.size(); ++c) line += (c == 0 ? "" : "  ") + lines[i][c];
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
      if (i == 0) out += rule(lines[0]) + "\n";
    }
    for (const auto& sentence : notes_) out += single_line(sentence) + "\n";
    return out;
  }

  /// A GitHub-flavoured Markdown table, padded so that the source is readable too.
  [[nodiscard]] std::string markdown() const {
    auto lines = aligned(true);
    std::string out = caption_.empty() ? std::string() : "**" + markdown_escaped(caption_) + "**\n\n";
    for (std::size_t i = 0; i < lines.size(); ++i) {
      out += "|";
      for (const auto& field : lines[i]) out += " " + field + " |";
      out += "\n";
      if (i != 0) continue;
      out += "|";
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        const auto dashes = std::string(display_width(lines[0][c]), '-');
        out += columns_[c].numeric ? " " + dashes + ":|" : " " + dashes + " |";
      }
      out += "\n";
    }
    for (const auto& sentence : notes_) out += "\n" + markdown_escaped(sentence) + "\n";
    return out;
  }

  /// RFC 4180 with a header line. Numbers in full precision; a column with deviations gets a second one, "NAME std".
  [[nodiscard]] std::string csv() const {
    std::string out;
    const auto field = [&](const std::string& text, bool first) { out += (first ? "" : ",") + csv_escaped(text); };
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      field(columns_[c].name, c == 0);
      if (has_deviation(c)) field(columns_[c].name + " std", false);
    }
    out += "\n";
    for (const auto& cells : rows_) {
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        field(cells[c].numeric ? exact(cells[c].value) : cells[c].text, c == 0);
        if (has_deviation(c)) field(cells[c].deviation ? exact(*cells[c].deviation) : std::string(), false);
      }
      out += "\n";
    }
    return out;
  }

 private:
  [[nodiscard]] bool has_deviation(std::size_t column) const {
    return std::any_of(rows_.begin(), rows_.end(), [&](const auto& cells) { return cells[column].deviation; });
  }

  static std::string number(double value, const Column& column) {
    if (std::isnan(value)) return "–";
    if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
    auto text = formatted("{:." + std::to_string(column.digits) + "f}", value);
    if (!column.grouped) return text;
    const auto first = text.find_first_of("0123456789");
    for (auto at = std::min(text.find('.'), text.size()); at > first + 3;) text.insert(at -= 3, ",");
    return text;
  }
  static std::string exact(double value) { return std::isnan(value) ? std::string() : formatted("{}", value); }

  static std::string single_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    return text;
  }
  static std::string markdown_escaped(const std::string& text) {
    std::string out;
    for (const char c : single_line(text)) {
      if (c == '<') {
        out += "&lt;";
        continue;
      }
      if (std::string_view("|\\`*[]").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
    return out;
  }
  static std::string csv_escaped(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
  }

  /// The heading and every row as strings of the column's width.
  [[nodiscard]] std::vector<std::vector<std::string>> aligned(bool for_markdown = false) const {
    std::vector<std::vector<std::string>> lines(rows_.size() + 1);
    for (const auto& column : columns_) lines[0].push_back(single_line(column.name));
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (std::size_t c = 0; c < columns_.size(); ++c) lines[r + 1].push_back(formatted(r, c));
    }
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (columns_[c].numeric && has_deviation(c)) align_means(lines, c);
      std::size_t width = 0;
      for (auto& line : lines) {
        if (for_markdown && !columns_[c].numeric) line[c] = markdown_escaped(line[c]);
        width = std::max(width, display_width(line[c]));
      }
      for (auto& line : lines) {
        const std::string padding(width - display_width(line[c]), ' ');
        line[c] = columns_[c].numeric ? padding + line[c] : line[c] + padding;
      }
    }
    return lines;
  }

  /// Pads the part from " ± " on to one width, so that right alignment puts the means under each other.
  static void align_means(std::vector<std::vector<std::string>>& lines, std::size_t c) {
    const auto tail_of = [](const std::string& text) {
      const auto at = text.find(" ± ");
      return at == std::string::npos ? std::string() : text.substr(at);
    };
    std::size_t widest = 0;
    for (std::size_t i = 1; i < lines.size(); ++i) widest = std::max(widest, display_width(tail_of(lines[i][c])));
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const auto tail = tail_of(lines[i][c]);
      const std::string padding(widest - display_width(tail), ' ');
      const auto mean = lines[i][c].substr(0, lines[i][c].size() - tail.size());
      const auto deviation = tail.empty() ? padding : " ± " + padding + tail.substr(std::string_view(" ± ").size());
      lines[i][c] = mean + deviation;
    }
  }

  static std::string rule(const std::vector<std::string>& fields) {
    std::string out;
    for (std::size_t c = 0; c < fields.size(); ++c) {
      out += (c == 0 ? "" : "  ") + std::string(display_width(fields[c]), '-');
    }
    return out;
  }

  std::string caption_;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::vector<std::string> notes_;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/report/table-inl.hpp>
#endif

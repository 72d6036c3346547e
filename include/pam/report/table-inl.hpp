// SPDX-License-Identifier: MIT
/// The definitions of table.hpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>
#include <pam/core/error.hpp>
#include <pam/report/table.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace pam {

PAM_FUNC std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

PAM_FUNC Table& Table::row(std::vector<Cell> cells) {
  check(cells.size() == columns_.size(), "Table '{}': a row has {} cells, the table {} columns", caption_, cells.size(),
        columns_.size());
  rows_.push_back(std::move(cells));
  return *this;
}

PAM_FUNC Table& Table::note(std::string sentence) {
  notes_.push_back(std::move(sentence));
  return *this;
}

PAM_FUNC std::string Table::formatted(std::size_t row, std::size_t column) const {
  const auto& cell = rows_.at(row).at(column);
  if (!cell.numeric) return single_line(cell.text);
  auto text = number(cell.value, columns_[column]);
  if (cell.deviation && !std::isnan(cell.value)) {
    text += " ± " + number(*cell.deviation, columns_[column]);
  }
  return text;
}

PAM_FUNC std::string Table::text() const {
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

PAM_FUNC std::string Table::markdown() const {
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

PAM_FUNC std::string Table::csv() const {
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

PAM_FUNC bool Table::has_deviation(std::size_t column) const {
  return std::any_of(rows_.begin(), rows_.end(), [&](const auto& cells) { return cells[column].deviation; });
}

PAM_FUNC std::string Table::number(double value, const Column& column) {
  if (std::isnan(value)) return "–";
  if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
  auto text = pam::formatted("{:." + std::to_string(column.digits) + "f}", value);
  if (!column.grouped) return text;
  const auto first = text.find_first_of("0123456789");
  for (auto at = std::min(text.find('.'), text.size()); at > first + 3;) text.insert(at -= 3, ",");
  return text;
}

PAM_FUNC std::string Table::single_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return text;
}

PAM_FUNC std::string Table::markdown_escaped(const std::string& text) {
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

PAM_FUNC std::string Table::csv_escaped(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

PAM_FUNC std::vector<std::vector<std::string>> Table::aligned(bool for_markdown) const {
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

PAM_FUNC void Table::align_means(std::vector<std::vector<std::string>>& lines, std::size_t c) {
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

PAM_FUNC std::string Table::rule(const std::vector<std::string>& fields) {
  std::string out;
  for (std::size_t c = 0; c < fields.size(); ++c) {
    out += (c == 0 ? "" : "  ") + std::string(display_width(fields[c]), '-');
  }
  return out;
}

}  // namespace pam

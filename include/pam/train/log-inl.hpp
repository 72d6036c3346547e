// SPDX-License-Identifier: MIT
/// The definitions of log.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include <pam/train/log.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace pam {
namespace detail {

/// The two files and what they hold.
class MetricsFiles {
 public:
  explicit MetricsFiles(const std::filesystem::path& directory)
      : lines_(directory / "metrics.jsonl"), table_(directory / "metrics.csv") {}

  void handle(const Event& event) {
    if (const auto* started = std::get_if<Started>(&event)) begin(*started);
    if (const auto* end = std::get_if<EpochEnd>(&event)) append(row(*end));
  }

 private:
  using Row = nlohmann::ordered_json;

  static Row number(double value) { return std::isfinite(value) ? Row(value) : Row(nullptr); }

  static Row row(const EpochEnd& end) {
    Row row{{"epoch", end.epoch},
            {"step", end.step},
            {"loss", number(end.loss)},
            {"learning_rate", number(end.learning_rate)},
            {"seconds", number(end.seconds)},
            {"data_wait_share", number(end.data_wait_share)},
            {"images_per_second", number(end.images_per_second)}};
    if (!end.validation) return row;
    row["score"] = number(end.validation->score);
    row["best"] = end.best;
    for (const auto& [name, value] : end.validation->scores) {
      row[row.contains(name) ? "validation/" + name : name] = number(value);
    }
    return row;
  }

  void begin(const Started& started) {
    rows_.clear();
    columns_.clear();
    std::error_code error;
    std::filesystem::create_directories(lines_.parent_path(), error);
    read(started.epoch);
    for (const auto& row : rows_) add_columns(row);
    write_atomically(lines_, [&](std::ostream& out) {
      for (const auto& row : rows_) out << row.dump() << '\n';
    });
    write_table();
  }

  /// The rows of epochs up to `last`.
  void read(std::int64_t last) {
    std::ifstream in(lines_);
    for (std::string line; std::getline(in, line);) {
      auto row = Row::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!row.is_object()) continue;
      const auto epoch = row.find("epoch");
      if (epoch != row.end() && epoch->is_number_integer() && epoch->get<std::int64_t>() <= last) {
        rows_.push_back(std::move(row));
      }
    }
  }

  /// True where `row` has a column that no row before it had.
  bool add_columns(const Row& row) {
    const auto before = columns_.size();
    for (const auto& item : row.items()) {
      if (std::find(columns_.begin(), columns_.end(), item.key()) == columns_.end()) columns_.push_back(item.key());
    }
    return columns_.size() > before;
  }

  void append(Row row) {
    const bool widened = add_columns(row);
    append_text(lines_, row.dump() + '\n');
    rows_.push_back(std::move(row));
    if (widened) {
      write_table();
    } else {
      append_text(table_, table_line(rows_.back()));
    }
  }

  /// Writes all of `text` or nothing: a full disk must not leave half a row.
  static void append_text(const std::filesystem::path& path, const std::string& text) {
    std::error_code error;
    const auto before = std::filesystem::file_size(path, error);
    std::ofstream out(path, std::ios::app);
    out << text << std::flush;
    if (out.good()) return;
    const auto* reason = std::strerror(errno);
    out.close();
    if (!error) std::filesystem::resize_file(path, before, error);
    fail("{}: cannot be written: {}; is the disk full?", path.string(), reason);
  }

  void write_table() {
    write_atomically(table_, [&](std::ostream& out) {
      for (std::size_t i = 0; i < columns_.size(); ++i) out << (i ? "," : "") << quoted(columns_[i]);
      if (!columns_.empty()) out << '\n';
      for (const auto& row : rows_) out << table_line(row);
    });
  }

  [[nodiscard]] std::string table_line(const Row& row) const {
    std::string text;
    for (const auto& column : columns_) {
      if (&column != &columns_.front()) text += ',';
      const auto value = row.find(column);
      if (value != row.end() && !value->is_null()) text += value->is_string() ? quoted(*value) : value->dump();
    }
    return text + '\n';
  }

  /// As RFC 4180 has it.
  static std::string quoted(const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string result = "\"";
    for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
    return result + '"';
  }

  std::filesystem::path lines_, table_;
  std::vector<Row> rows_;
  std::vector<std::string> columns_;
};

}  // namespace detail

PAM_FUNC MetricsLog::MetricsLog(const std::filesystem::path& directory)
    : files_(std::make_shared<detail::MetricsFiles>(directory)) {}

PAM_FUNC void MetricsLog::operator()(const Event& event) { files_->handle(event); }

}  // namespace pam

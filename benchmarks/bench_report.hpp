// SPDX-License-Identifier: MIT
/// pam_bench's measurements as a table, as JSON lines and as CSV, and against the lines of an earlier run.
#pragma once

#include <pam/core/error.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace pam::bench {

/// One measurement; null marks what could not be measured.
using Row = nlohmann::ordered_json;

enum class Format { Table, Json, Csv };

/// What makes two rows the same measurement.
inline std::string row_key(const Row& row) {
  std::string key;
  for (const auto* field :
       {"name", "task", "device", "dtype", "layout", "backend", "batch", "channels", "size", "threads"}) {
    key += (row.contains(field) ? row[field].dump() : "") + " ";
  }
  return key;
}

/// The JSON lines of an earlier run. Throws `Error` where `path` cannot be read or holds something else.
class Baseline {
 public:
  explicit Baseline(const std::string& path) {
    std::ifstream file(path);
    check(file.good(), "{}: cannot be read; --baseline takes what pam_bench --json wrote", path);
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      if (line.empty()) continue;
      auto row = Row::parse(line, nullptr, /*allow_exceptions=*/false);
      check(row.is_object() && row.contains("ms") && row["ms"].is_number(),
            "{}: line {} is not a measurement of pam_bench --json", path, number);
      rows_.push_back(std::move(row));
    }
    check(!rows_.empty(), "{}: it holds no measurement", path);
  }

  /// Adds "baseline_ms" and "speedup", baseline over now; null where the earlier run did not measure this.
  void compare(Row& row) const {
    for (const auto* field : {"baseline_ms", "speedup"}) row[field] = nullptr;
    for (const auto& old : rows_) {
      if (row_key(old) != row_key(row)) continue;
      row["baseline_ms"] = old["ms"];
      row["speedup"] = old["ms"].get<double>() / row["ms"].get<double>();
    }
  }

 private:
  std::vector<Row> rows_;
};

/// Prints rows as they come. A table shows the columns that people read, the other formats all fields.
class Report {
 public:
  explicit Report(Format format) : format_(format) {}

  void add(const Row& row) {
    if (format_ == Format::Json) {
      fmt::print("{}\n", row.dump());
    } else if (format_ == Format::Csv) {
      if (first_) print_csv(row, [](const auto& item) { return item.key(); });
      print_csv(row, [](const auto& item) { return cell(item.value()); });
    } else {
      add_line(row);
    }
    first_ = false;
    std::fflush(stdout);
  }

 private:
  template <typename Text>
  static void print_csv(const Row& row, const Text& text) {
    std::string line;
    for (const auto& item : row.items()) line += (line.empty() ? "" : ",") + text(item);
    fmt::print("{}\n", line);
  }

  /// No field holds a comma but lists, whose entries are joined by x, and peer_mode never does.
  static std::string cell(const Row& value) {
    if (value.is_null()) return "";
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_array()) return value.dump();
    std::string joined;
    for (const auto& entry : value) joined += (joined.empty() ? "" : "x") + entry.dump();
    return joined;
  }

  static std::string number(const Row& row, const char* field, int digits, double factor = 1) {
    if (!row.contains(field) || !row[field].is_number()) return "-";
    return fmt::format("{:.{}f}", row[field].get<double>() * factor, digits);
  }

  void add_line(const Row& row) const {
    const bool peer = row.contains("ratio"), baseline = row.contains("speedup");
    if (first_) {
      fmt::print("{:<24} {:<5} {:<8} {:<6} {:<9} {:<11} {:>5} {:>9} {:>9} {:>9} {:>9} {:>8} {:>6} {:>9}", "name",
                 "task", "dtype", "layout", "backend", "convolution", "batch", "ms", "p10", "p90", "images/s",
                 "matrix %", "copy %", "peak MiB");
      fmt::print("{}{}\n", peer ? "   peer ms  ratio  peer's mode" : "", baseline ? "  before ms  speedup" : "");
    }
    const auto text = [&](const char* field) { return row[field].get<std::string>(); };
    fmt::print("{:<24} {:<5} {:<8} {:<6} {:<9} {:<11} {:>5} {:>9} {:>9} {:>9} {:>9} {:>8} {:>6} {:>9}", text("name"),
               text("task"), text("dtype"), text("layout"), text("backend"), text("convolution"), row["batch"].dump(),
               number(row, "ms", 2), number(row, "p10", 2), number(row, "p90", 2), number(row, "images_per_s", 2),
               number(row, "matrix_share", 1, 100), number(row, "copy_share", 1, 100),
               number(row, "peak_bytes", 1, 1.0 / (1 << 20)));
    if (peer) {
      fmt::print(" {:>9} {:>6}  {}", number(row, "peer_ms", 2), number(row, "ratio", 2),
                 row["peer_mode"].is_string() ? text("peer_mode") : "-");
    }
    if (baseline) fmt::print(" {:>10} {:>8}", number(row, "baseline_ms", 2), number(row, "speedup", 2));
    fmt::print("\n");
  }

  Format format_;
  bool first_ = true;
};

}  // namespace pam::bench

// SPDX-License-Identifier: MIT
/// pam_bench's measurements as a table, as JSON lines, as CSV and as Markdown, and against the lines of an earlier run.
#pragma once

#include <pam/core/error.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace pam::bench {

/// One measurement; null marks what could not be measured.
using Row = nlohmann::ordered_json;

enum class Format { Table, Json, Csv, Markdown };

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

/// A number of `row` with so many digits after the point; "-" where there is none.
inline std::string number(const Row& row, const char* field, int digits, double factor = 1) {
  if (!row.contains(field) || !row[field].is_number()) return "-";
  return fmt::format("{:.{}f}", row[field].get<double>() * factor, digits);
}

/// The rows of `task` against their rivals (bench_rivals.hpp), as a Markdown table; below it, why rivals have no time.
class MarkdownTable {
 public:
  MarkdownTable(const std::vector<Row>& rows, const std::string& task) {
    for (const auto& row : rows) {
      if (row["task"] != task) continue;
      rows_.push_back(row);
      if (!row.contains("rivals")) continue;
      for (const auto& item : row["rivals"].items()) {
        if (std::find(rivals_.begin(), rivals_.end(), item.key()) == rivals_.end()) rivals_.push_back(item.key());
      }
    }
  }

  [[nodiscard]] std::string text() {
    std::string text = "| network | batch | pam ms | p10 to p90 |", line = "| --- | ---:| ---:| --- |";
    for (const auto& rival : rivals_) text += " " + title(rival) + " |", line += " ---:|";
    if (!rivals_.empty()) text += " fastest ÷ pam | largest difference |", line += " ---:| ---:|";
    text += "\n" + line + "\n";
    for (const auto& row : rows_) text += line_of(row);
    for (std::size_t i = 0; i < notes_.size(); ++i) text += fmt::format("{}[{}] {}\n", i == 0 ? "\n" : "", i + 1, notes_[i]);
    return text;
  }

 private:
  static std::string title(const std::string& rival) {
    if (rival == "eager") return "PyTorch eager";
    if (rival == "compile") return "torch.compile";
    if (rival == "onnxruntime") return "ONNX Runtime";
    return rival == "openvino" ? "OpenVINO" : rival;
  }

  /// The network, and what of its setting is not the default.
  static std::string subject(const Row& row) {
    auto text = row["name"].get<std::string>();
    for (const auto& [field, usual] : {std::pair{"dtype", "float32"}, {"layout", "nhwc"}, {"backend", "fused"}}) {
      if (row[field] != usual) text += ", " + row[field].get<std::string>();
    }
    if (row.contains("peer_dtype") && row["peer_dtype"] != row["dtype"]) {
      text += ", float32 against " + row["peer_dtype"].get<std::string>();
    }
    return text;
  }

  std::string line_of(const Row& row) {
    auto line = fmt::format("| {} | {} | {} | {} to {} |", subject(row), row["batch"].dump(), number(row, "ms", 1),
                            number(row, "p10", 1), number(row, "p90", 1));
    if (rivals_.empty()) return line + "\n";
    double difference = -1;
    for (const auto& rival : rivals_) {
      const auto found = row["rivals"].find(rival);
      line += " " + (found == row["rivals"].end() ? "–" : cell(row, rival, *found)) + " |";
      if (found != row["rivals"].end()) difference = std::max(difference, found->value("difference", -1.0));
    }
    return line + fmt::format(" **{}** | {} |\n", number(row, "ratio", 2),
                              difference < 0 ? "-" : fmt::format("{:.1e}", difference));
  }

  /// "213.4 (nhwc)", bold for the fastest, or the number of a note.
  std::string cell(const Row& row, const std::string& rival, const Row& entry) {
    if (entry.contains("failed")) {
      return note(fmt::format("{}, {}: {}", title(rival), subject(row), entry["failed"].get<std::string>()));
    }
    auto text = number(entry, "ms", 1);
    if (row["peer_ms"] == entry["ms"]) text = "**" + text + "**";
    const auto variant = entry["variant"].get<std::string>();
    return variant.empty() || rival.find(' ') != std::string::npos ? text : text + " (" + variant + ")";
  }

  std::string note(const std::string& text) {
    const auto found = std::find(notes_.begin(), notes_.end(), text);
    const auto number = static_cast<std::size_t>(found - notes_.begin()) + 1;
    if (found == notes_.end()) notes_.push_back(text);
    return fmt::format("none [{}]", number);
  }

  std::vector<Row> rows_;
  std::vector<std::string> rivals_, notes_;
};

/// Prints rows as they come; Markdown at the end, below `facts`: command, machine, versions. A table shows the columns that
/// people read, JSON and CSV all fields.
class Report {
 public:
  explicit Report(Format format, std::string facts = "") : format_(format), facts_(std::move(facts)) {}

  void finish() const {
    if (format_ != Format::Markdown) return;
    std::string versions;
    for (const auto& row : rows_) {
      for (const auto& rival : row.value("rivals", Row::object())) {
        const auto version = rival.value("version", "");
        if (!version.empty() && versions.find(version + ",") == std::string::npos) versions += version + ", ";
      }
    }
    fmt::print("{}{}\n", facts_, versions.empty() ? "" : " Rivals: " + versions.substr(0, versions.size() - 2) + ".");
    for (const auto& [task, name] : {std::pair{"infer", "Inference"}, {"train", "Training step"}}) {
      const auto is_of = [&task = task](const Row& row) { return row["task"] == task; };
      if (std::none_of(rows_.begin(), rows_.end(), is_of)) continue;
      fmt::print("\n{}, milliseconds:\n\n{}", name, MarkdownTable(rows_, task).text());
    }
    std::fflush(stdout);
  }

  void add(const Row& row) {
    if (format_ == Format::Markdown) {
      rows_.push_back(row);
      fmt::print(stderr, "{} {}, batch {}: pam {} ms, fastest rival {} ms, ratio {}\n", row["name"].get<std::string>(),
                 row["task"].get<std::string>(), row["batch"].dump(), number(row, "ms", 1), number(row, "peer_ms", 1),
                 number(row, "ratio", 2));
    } else if (format_ == Format::Json) {
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
    for (const auto& item : row.items()) {
      if (!item.value().is_object()) line += (line.empty() ? "" : ",") + text(item);  // the rivals: a list of their own
    }
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
    if (!peer) return;
    for (const auto& item : row["rivals"].items()) add_rival(item.key(), item.value());
  }

  static void add_rival(const std::string& name, const Row& rival) {
    const auto version = rival.value("version", "");
    if (rival.contains("failed")) {
      fmt::print("    {:<28} {}\n", name, rival["failed"].get<std::string>());
      return;
    }
    fmt::print("    {:<28} {:>9} ms {:<12} difference {:.1e}  {}\n", name, number(rival, "ms", 2), rival.value("variant", ""),
               rival.value("difference", 0.0), version);
  }

  Format format_;
  std::string facts_;
  std::vector<Row> rows_;
  bool first_ = true;
};

}  // namespace pam::bench

// SPDX-License-Identifier: MIT
#include "report/chart.hpp"

#include "report/html_escaped.hpp"

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

namespace pam::apps {
namespace {

/// Readable on white and on near-black, and distinguishable for most colour-blind readers (after Okabe and Ito, 2008).
constexpr const char* kPalette[] = {"#2f8fd8", "#e0752d", "#1aa179", "#c865a8",
                                    "#c79a00", "#7d7de8", "#8a6d4b", "#888888"};
constexpr double kGlyph = 7.3, kRow = 18;  // pixels: mean width of a character of 13 px sans-serif, height of a line

/// The width of `text` in pixels, about: its characters (not its bytes) times their mean width.
double width_of(const std::string& text) {
  const auto characters =
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return kGlyph * static_cast<double>(characters);
}

std::string text_at(double x, double y, const char* anchor, const std::string& text, const std::string& more = {}) {
  return fmt::format("<text x=\"{:.2f}\" y=\"{:.2f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
                     html_escaped(text));
}

std::string line_between(double x1, double y1, double x2, double y2, const char* more) {
  return fmt::format("<line x1=\"{:.2f}\" y1=\"{:.2f}\" x2=\"{:.2f}\" y2=\"{:.2f}\" {}/>\n", x1, y1, x2, y2, more);
}

/// Maps the numbers from `low` to `high` to a line of pixels, and has its ticks.
class Axis {
 public:
  /// A linear axis with round ends, or for `exact` with the ends given. `whole`: ticks at whole numbers only.
  static Axis linear(double low, double high, bool exact, bool whole) {
    if (high - low < 1e-9 * std::max(std::abs(low), std::abs(high)) || high - low < 1e-300) {  // a single value
      const double half = std::abs(low) < 1e-290 ? 0.5 : std::abs(low) / 2;
      low -= half;
      high += half;
      exact = false;
    }
    double step = round_step((high - low) / 6);
    if (whole) step = std::max(step, 1.0);
    Axis axis;
    axis.low_ = exact ? low : std::floor(low / step + 1e-9) * step;
    axis.high_ = exact ? high : std::ceil(high / step - 1e-9) * step;
    const double digits = std::log10(std::max(std::abs(axis.low_), std::abs(axis.high_)) / step);
    const int precision = std::clamp(static_cast<int>(std::ceil(digits)) + 1, 4, 15);
    for (double k = std::ceil(axis.low_ / step - 1e-9); k * step <= axis.high_ + 1e-9 * step; ++k) {
      axis.ticks_.emplace_back(k * step, fmt::format("{:.{}g}", k * step + 0.0, precision));  // + 0: no "-0"
    }
    return axis;
  }
  /// A logarithmic axis of whole decades, with 2 and 5 between where there are few.
  static Axis logarithmic(double low, double high) {
    const double first = std::floor(std::log10(low) + 1e-9);
    const double last = std::max(std::ceil(std::log10(high) - 1e-9), first + 1);
    Axis axis;
    axis.log_ = true;
    axis.low_ = first;
    axis.high_ = last;
    const double every = std::ceil((last - first) / 8);
    for (double decade = first; decade <= last; decade += every) {
      for (const double digit : {1.0, 2.0, 5.0}) {
        if (digit > 1 && (last - first > 2 || decade == last)) continue;
        const double value = digit * std::pow(10, decade);
        axis.ticks_.emplace_back(value, fmt::format("{:.4g}", value));
      }
    }
    return axis;
  }

  /// Lays it from pixel `from` (low) to pixel `to` (high).
  void place(double from, double to) {
    from_ = from;
    to_ = to;
  }
  [[nodiscard]] double at(double value) const {
    return from_ + (to_ - from_) * ((log_ ? std::log10(value) : value) - low_) / (high_ - low_);
  }
  /// The base of bars: 0, or the end of the axis that is nearest to it.
  [[nodiscard]] double base() const { return log_ ? from_ : at(std::clamp(0.0, low_, high_)); }
  [[nodiscard]] const std::vector<std::pair<double, std::string>>& ticks() const { return ticks_; }

 private:
  /// 1, 2 or 5 times a power of ten, at least `raw`.
  static double round_step(double raw) {
    const double power = std::pow(10, std::floor(std::log10(raw)));
    for (const double digit : {1.0, 2.0, 5.0}) {
      if (digit * power >= raw * (1 - 1e-9)) return digit * power;
    }
    return 10 * power;
  }

  double low_ = 0, high_ = 1, from_ = 0, to_ = 1;  // low and high are exponents where the axis is logarithmic
  bool log_ = false;
  std::vector<std::pair<double, std::string>> ticks_;  // value and label
};

bool drawable(double value) { return std::abs(value) <= 1e300; }  // false for NaN and infinity
bool drawable(const Chart& chart, const Series& series, std::size_t i) {
  return drawable(series.x[i]) && drawable(series.y[i]) && (!chart.log_y || series.y[i] > 0);
}

/// The smallest and largest of some numbers.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// The ends of the error bar of a bar or of the interval around a point; NaN where there is none.
std::pair<double, double> interval_of(const Series& series, std::size_t i) {
  if (series.mark == Mark::Bars && !series.error.empty()) {
    return {series.y[i] - series.error[i], series.y[i] + series.error[i]};
  }
  if (series.mark == Mark::Points && !series.low.empty()) return {series.low[i], series.high[i]};
  return {std::nan(""), std::nan("")};
}

/// The range of a chart's data, and the values that cannot be drawn.
struct Extent {
  Range x, y;
  bool whole_x = true;  ///< all x are whole numbers, such as epochs
  std::size_t drawn = 0, left_out = 0;
};

/// Throws where the lengths of a series differ.
Extent extent_of(const Chart& chart) {
  Extent extent;
  for (const auto& series : chart.series) {
    const auto fits = [&](const std::vector<double>& more) { return more.empty() || more.size() == series.x.size(); };
    check(series.x.size() == series.y.size() && fits(series.error) && fits(series.low) &&
              series.low.size() == series.high.size(),
          "chart '{}': series '{}' has {} x, {} y, {} error values and intervals of {} low and {} high ends; they must "
          "be as many",
          chart.title, series.name, series.x.size(), series.y.size(), series.error.size(), series.low.size(),
          series.high.size());
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!drawable(chart, series, i)) {
        ++extent.left_out;
        continue;
      }
      ++extent.drawn;
      extent.x.add(series.x[i]);
      extent.y.add(series.y[i]);
      extent.whole_x = extent.whole_x && series.x[i] == std::floor(series.x[i]);
      const auto ends = interval_of(series, i);
      for (const double end : {ends.first, ends.second}) {
        if (drawable(end) && (!chart.log_y || end > 0)) extent.y.add(end);
      }
      if (series.mark == Mark::Bars && !chart.log_y) extent.y.add(0);  // a bar's length is its value
    }
  }
  return extent;
}

/// Draws one chart as SVG. Its corner is at (0, 0).
class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart), extent_(extent_of(chart)) {}
  [[nodiscard]] bool empty() const { return extent_.drawn == 0; }

  /// Its height in pixels; call before `svg`.
  double lay_out() {
    x_ = chart_.x_names.empty()
             ? Axis::linear(extent_.x.low, extent_.x.high, /*exact=*/true, extent_.whole_x)
             : Axis::linear(std::min(extent_.x.low, -0.6),
                            std::max(extent_.x.high, static_cast<double>(chart_.x_names.size()) - 0.4), true, true);
    y_ = chart_.log_y ? Axis::logarithmic(extent_.y.low, extent_.y.high)
                      : Axis::linear(std::min(extent_.y.low, chart_.y_low.value_or(extent_.y.low)),
                                     std::max(extent_.y.high, chart_.y_high.value_or(extent_.y.high)), false, false);
    lay_legend();
    double widest = 0, longest = 0;
    for (const auto& [value, label] : y_.ticks()) widest = std::max(widest, width_of(label));
    left_ = widest + (chart_.y_label.empty() ? 16 : 36);
    const double slot = (chart_.width - left_) / std::max<double>(1, static_cast<double>(chart_.x_names.size()));
    for (const auto& name : chart_.x_names) longest = std::max(longest, width_of(name));
    if (longest > slot - 8) {  // the names do not fit side by side: turned by 30 degrees, they are half as high as long
      turned_ = longest / 2;
      left_ = std::max(left_, 0.87 * longest - slot / 2 + 8);
    }
    const double legend_height = static_cast<double>(legend_rows_) * kRow;
    const double height = chart_.height + std::max(0.0, legend_height - kRow) + turned_;
    top_ = (chart_.title.empty() ? 14 : 36) + legend_height;
    bottom_ = height - 24 - turned_ - (chart_.x_label.empty() ? 0 : kRow) - (extent_.left_out > 0 ? kRow : 0);
    right_ = chart_.width - 20;
    x_.place(left_, right_);
    y_.place(bottom_, top_);
    return height;
  }

  [[nodiscard]] std::string svg() const {
    std::string out;
    if (!chart_.title.empty())
      out += text_at((left_ + right_) / 2, 20, "middle", chart_.title, " font-weight=\"bold\"");
    out += axes() + legend();
    std::size_t bars = 0, bar = 0;
    for (const auto& series : chart_.series) bars += series.mark == Mark::Bars ? 1 : 0;
    for (std::size_t s = 0; s < chart_.series.size(); ++s) {
      const auto& series = chart_.series[s];
      out += fmt::format("<g stroke=\"{0}\" fill=\"{0}\">\n", colour(s));
      if (series.mark == Mark::Bars) out += draw_bars(series, bar++, bars);
      if (series.mark == Mark::Points) out += draw_points(series);
      if (series.mark == Mark::Line || series.mark == Mark::DashedLine) out += draw_line(series, s);
      out += "</g>\n";
    }
    return out;
  }

 private:
  [[nodiscard]] int colour_index(std::size_t s) const {
    return chart_.series[s].colour < 0 ? static_cast<int>(s) : chart_.series[s].colour;
  }
  [[nodiscard]] const char* colour(std::size_t s) const {
    return kPalette[colour_index(s) % static_cast<int>(std::size(kPalette))];
  }
  /// Lines are dashed where asked for, and from the ninth network on, whose colours are the first eight's.
  [[nodiscard]] const char* dashes(std::size_t s) const {
    const bool again = colour_index(s) >= static_cast<int>(std::size(kPalette));
    return chart_.series[s].mark == Mark::DashedLine || again ? " stroke-dasharray=\"6 4\"" : "";
  }

  /// Entries of the legend: row, pixels from the left, and series.
  struct Entry {
    std::size_t row;
    double x;
    std::size_t series;
  };
  void lay_legend() {
    double x = 0;
    for (std::size_t s = 0; s < chart_.series.size(); ++s) {
      if (chart_.series[s].name.empty()) continue;
      const double width = 28 + width_of(chart_.series[s].name) + 14;
      if (entries_.empty()) legend_rows_ = 1;
      if (x > 0 && x + width > chart_.width - 40) {
        x = 0;
        ++legend_rows_;
      }
      entries_.push_back({legend_rows_ - 1, x, s});
      x += width;
      legend_width_ = std::max(legend_width_, x);
    }
  }
  [[nodiscard]] std::string legend() const {
    std::string out;
    const double start = std::max(20.0, (left_ + right_ - legend_width_) / 2);
    for (const auto& entry : entries_) {
      const double x = start + entry.x, y = top_ - 10 - static_cast<double>(legend_rows_ - 1 - entry.row) * kRow;
      const auto& series = chart_.series[entry.series];
      const auto* name = colour(entry.series);
      if (series.mark == Mark::Bars) {
        out +=
            fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"22\" height=\"10\" fill=\"{}\"/>\n", x, y - 9, name);
      } else if (series.mark == Mark::Points) {
        out += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"3\" fill=\"{}\"/>\n", x + 11, y - 4, name);
      } else {
        out += line_between(x, y - 4, x + 22, y - 4,
                            fmt::format("stroke=\"{}\" stroke-width=\"2\"{}", name, dashes(entry.series)).c_str());
      }
      out += text_at(x + 28, y, "start", series.name);
    }
    return out;
  }

  [[nodiscard]] std::string axes() const {
    std::string out;
    for (const auto& [value, label] : y_.ticks()) {
      const double y = y_.at(value);
      out += line_between(left_, y, right_, y, "stroke=\"currentColor\" stroke-opacity=\"0.2\"");
      out += text_at(left_ - 8, y + 4.5, "end", label);
    }
    const auto tick = [&](double x, const std::string& label) {
      out += line_between(x, bottom_, x, bottom_ + 5, "stroke=\"currentColor\"");
      out += turned_ > 0 ? text_at(x, bottom_ + 16, "end", label,
                                   fmt::format(" transform=\"rotate(-30 {:.2f} {:.2f})\"", x, bottom_ + 16))
                         : text_at(x, bottom_ + 19, "middle", label);
    };
    for (std::size_t i = 0; i < chart_.x_names.size(); ++i) tick(x_.at(static_cast<double>(i)), chart_.x_names[i]);
    if (chart_.x_names.empty()) {
      for (const auto& [value, label] : x_.ticks()) tick(x_.at(value), label);
    }
    out += line_between(left_, bottom_, right_, bottom_, "stroke=\"currentColor\"");
    out += line_between(left_, bottom_, left_, top_, "stroke=\"currentColor\"");
    double under = bottom_ + 22 + turned_;
    if (!chart_.x_label.empty()) out += text_at((left_ + right_) / 2, under += kRow - 2, "middle", chart_.x_label);
    if (extent_.left_out > 0) out += text_at(left_, under + kRow - 4, "start", left_out(), " font-size=\"11\"");
    if (!chart_.y_label.empty()) {
      const double middle = (top_ + bottom_) / 2;
      out += text_at(14, middle, "middle", chart_.y_label, fmt::format(" transform=\"rotate(-90 14 {:.2f})\"", middle));
    }
    return out;
  }
  [[nodiscard]] std::string left_out() const {
    const bool one = extent_.left_out == 1;
    return fmt::format("{} value{} {} not drawn: {}undefined or infinite{}", extent_.left_out, one ? "" : "s",
                       one ? "is" : "are", one ? "it is " : "they are ", chart_.log_y ? ", or not above 0" : "");
  }

  /// One polyline for each run of points without a gap; a point alone is a dot.
  [[nodiscard]] std::string draw_line(const Series& series, std::size_t s) const {
    std::string out, points;
    std::size_t count = 0;
    double last_x = 0, last_y = 0;
    const auto end_run = [&] {
      if (count == 1) out += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"3\"/>\n", last_x, last_y);
      if (count > 1) {
        out += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\"{}/>\n",
                           points, dashes(s));
      }
      points.clear();
      count = 0;
    };
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!drawable(chart_, series, i)) {
        end_run();
        continue;
      }
      last_x = x_.at(series.x[i]);
      last_y = y_.at(series.y[i]);
      points += fmt::format("{}{:.2f},{:.2f}", count++ == 0 ? "" : " ", last_x, last_y);
    }
    end_run();
    return out;
  }
  [[nodiscard]] std::string draw_points(const Series& series) const {
    std::string out;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!drawable(chart_, series, i)) continue;
      out += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"3\" fill-opacity=\"0.8\" stroke=\"none\"/>\n",
                         x_.at(series.x[i]), y_.at(series.y[i]));
      out += draw_interval(series, i, x_.at(series.x[i]), "stroke-width=\"1.6\"");
    }
    return out;
  }
  /// An upright line with ends at `x`; nothing where there is no interval.
  [[nodiscard]] std::string draw_interval(const Series& series, std::size_t i, double x, const char* pen) const {
    const auto [low, high] = interval_of(series, i);
    if (!drawable(low) || !drawable(high) || (chart_.log_y && low <= 0)) return {};
    auto out = line_between(x, y_.at(low), x, y_.at(high), pen);
    for (const double y : {y_.at(low), y_.at(high)}) out += line_between(x - 4, y, x + 4, y, pen);
    return out;
  }
  /// Bar number `bar` of `bars` beside each other at every x, with error bars where they are defined.
  [[nodiscard]] std::string draw_bars(const Series& series, std::size_t bar, std::size_t bars) const {
    std::string out;
    const double width = 0.8 / static_cast<double>(bars);
    const double shift = (static_cast<double>(bar) - (static_cast<double>(bars) - 1) / 2) * width;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!drawable(chart_, series, i)) continue;
      const double middle = x_.at(series.x[i] + shift), half = (x_.at(width) - x_.at(0)) * 0.45;
      const double end = y_.at(series.y[i]), base = y_.base();
      out += fmt::format(
          "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill-opacity=\"0.75\" "
          "stroke=\"none\"/>\n",
          middle - half, std::min(end, base), 2 * half, std::abs(end - base));
      out += draw_interval(series, i, middle, "stroke=\"currentColor\" stroke-width=\"1.2\"");
    }
    return out;
  }

  const Chart& chart_;
  Extent extent_;
  Axis x_, y_;
  double turned_ = 0;  ///< the height of names under the x axis that are turned; 0: they are level
  double left_ = 0, right_ = 0, top_ = 0, bottom_ = 0;
  std::vector<Entry> entries_;
  std::size_t legend_rows_ = 0;
  double legend_width_ = 0;
};

}  // namespace

std::optional<std::string> charts_svg(const std::vector<Chart>& charts) {
  std::string body;
  double width = 0, height = 0;
  for (const auto& chart : charts) {
    Drawing drawing(chart);
    if (drawing.empty()) continue;
    height = std::max(height, drawing.lay_out());
    body += fmt::format("<g transform=\"translate({} 0)\">\n{}</g>\n", width, drawing.svg());
    width += chart.width;
  }
  if (body.empty()) return std::nullopt;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"13\" fill=\"currentColor\">\n{2}</svg>",
      width, height, body);
}

bool write_charts(const std::filesystem::path& path, const std::vector<Chart>& charts) {
  auto svg = charts_svg(charts);
  if (!svg) return false;
  svg->insert(std::strlen("<svg"), " style=\"background:white;color:black\"");
  write_atomically(path, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + *svg + "\n");
  return true;
}

}  // namespace pam::apps

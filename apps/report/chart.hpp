// SPDX-License-Identifier: MIT
/// Charts as SVG, drawn by gnuplot (package gnuplot-nox): training curves, scatters of cases, bars of an ablation.
/// gnuplot is started directly, without a shell; script and data are files of a private temporary folder, and names
/// enter the script as quoted strings only, so no case or network name can run anything.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>
#include "report/gnuplot.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam {

/// How a series is drawn.
enum class Mark { Line, DashedLine, Points, Bars };

/// One line, cloud of points, or set of bars. Undefined (NaN or infinite) points are gaps.
struct Series {
  std::string name;          ///< in the legend; may be empty
  std::vector<double> x, y;  ///< of the same length
  Mark mark = Mark::Line;
  std::vector<double> error = {};  ///< bars only: half the length of the error bar; empty for none
  int colour = -1;                 ///< index into the palette; -1 takes the series' own position
};

/// One plot with its axes.
struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series = {};
  bool log_y = false;
  std::optional<double> y_low = std::nullopt, y_high = std::nullopt;  ///< the y range; gnuplot's choice where empty
  std::vector<std::string> x_names = {};  ///< words under x = 0, 1, 2 … instead of numbers (bars, networks)
  int width = 640, height = 380;          ///< of the drawing, in pixels
};

namespace detail {

/// Readable on white and on near-black, and told apart by most colour-blind readers (after Okabe and Ito, 2008).
constexpr const char* kPalette[] = {"#2f8fd8", "#e0752d", "#1aa179", "#c865a8",
                                    "#c79a00", "#7d7de8", "#8a6d4b", "#888888"};

inline std::string gnuplot_data(const std::vector<Series>& all, std::size_t chart) {
  std::string data;
  for (std::size_t s = 0; s < all.size(); ++s) {
    data += fmt::format("$series{}x{} << END\n", chart, s);
    for (std::size_t i = 0; i < all[s].x.size(); ++i) {
      data += fmt::format("{} {} {}\n", gnuplot_number(all[s].x[i]), gnuplot_number(all[s].y[i]),
                          gnuplot_number(all[s].error.empty() ? 0.0 : all[s].error[i]));
    }
    data += "END\n";
  }
  return data;
}

/// Whether a finite point has no finite neighbour to draw a line to, as in a training of one epoch.
inline bool has_lone_point(const Series& series) {
  const auto finite = [&](std::size_t i) {
    return i < series.x.size() && std::isfinite(series.x[i]) && std::isfinite(series.y[i]);
  };
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (finite(i) && !finite(i + 1) && (i == 0 || !finite(i - 1))) return true;
  }
  return false;
}

inline std::string gnuplot_series(const Series& series, std::size_t chart, std::size_t index, std::size_t bar,
                                  std::size_t bars) {
  const auto colours = static_cast<int>(std::size(kPalette));
  const auto* colour = kPalette[(series.colour < 0 ? static_cast<int>(index) : series.colour) % colours];
  const auto title = series.name.empty() ? std::string("notitle") : "title " + gnuplot_quoted(series.name);
  const auto source = fmt::format("$series{}x{} ", chart, index);
  const auto* line = has_lone_point(series) ? "linespoints pt 7 ps 0.4" : "lines";
  switch (series.mark) {
    case Mark::Line:
      return source + fmt::format("using 1:2 with {} lc rgb '{}' lw 2 {}", line, colour, title);
    case Mark::DashedLine:
      return source + fmt::format("using 1:2 with {} lc rgb '{}' lw 2 dt 2 {}", line, colour, title);
    case Mark::Points:
      return source + fmt::format("using 1:2 with points lc rgb '{}' pt 7 ps 0.6 {}", colour, title);
    case Mark::Bars:
      break;
  }
  const double width = 0.8 / static_cast<double>(bars);
  const double shift = (static_cast<double>(bar) - (static_cast<double>(bars) - 1) / 2) * width;
  auto text = source + fmt::format("using ($1+({:.4g})):2:({:.4g}) with boxes fs solid 0.7 lc rgb '{}' {}", shift,
                                   width * 0.9, colour, title);
  if (!series.error.empty()) {
    text += ", " + source + fmt::format("using ($1+({:.4g})):2:3 with yerrorbars lc rgb '#888888' pt 0 notitle", shift);
  }
  return text;
}

/// The commands that draw one chart whose data blocks stand above.
inline std::string gnuplot_plot(const Chart& chart, std::size_t index) {
  std::string script = "reset\nset encoding utf8\nset border 3\nset tics nomirror\nset grid ytics lc rgb '#9a9a9a'\n";
  script += "set key top outside horizontal center\n";
  if (!chart.title.empty()) script += "set title " + gnuplot_quoted(chart.title) + "\n";
  script += "set xlabel " + gnuplot_quoted(chart.x_label) + "\nset ylabel " + gnuplot_quoted(chart.y_label) + "\n";
  if (chart.log_y) script += "set logscale y\n";
  const auto bound = [](const std::optional<double>& value) {
    return value ? gnuplot_number(*value) : std::string("*");
  };
  script += fmt::format("set yrange [{}:{}]\n", bound(chart.y_low), bound(chart.y_high));
  if (!chart.x_names.empty()) {
    script += "set xtics (";
    for (std::size_t i = 0; i < chart.x_names.size(); ++i) {
      script += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot_quoted(chart.x_names[i]), i);
    }
    script += fmt::format(")\nset xrange [-0.6:{}.6]\n", chart.x_names.size() - 1);
    if (chart.x_names.size() > 6) script += "set xtics rotate by -30\n";
  }
  script += "plot ";
  std::size_t bars = 0, bar = 0;
  for (const auto& series : chart.series) bars += series.mark == Mark::Bars ? 1 : 0;
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    script += (s == 0 ? "" : ", \\\n  ") + gnuplot_series(chart.series[s], index, s, bar, bars);
    bar += chart.series[s].mark == Mark::Bars ? 1 : 0;
  }
  return script + "\n";
}

/// The whole script, data included: the charts stand side by side.
inline std::string gnuplot_script(const std::vector<Chart>& charts) {
  int width = 0, height = 0;
  for (const auto& chart : charts) {
    width += chart.width;
    height = std::max(height, chart.height);
  }
  auto script = fmt::format("set terminal svg size {},{} font 'sans-serif,13' noenhanced\n", width, height);
  for (std::size_t i = 0; i < charts.size(); ++i) script += gnuplot_data(charts[i].series, i);
  script += fmt::format("set multiplot layout 1,{}\n", charts.size());
  for (std::size_t i = 0; i < charts.size(); ++i) script += gnuplot_plot(charts[i], i);
  return script + "unset multiplot\n";
}

/// Throws where the lengths of a series differ. True where a point can be drawn.
inline bool drawable(const Chart& chart) {
  bool any = false;
  for (const auto& series : chart.series) {
    check(series.x.size() == series.y.size() && (series.error.empty() || series.error.size() == series.x.size()),
          "chart '{}': series '{}' has {} x, {} y and {} error values; they must be as many", chart.title, series.name,
          series.x.size(), series.y.size(), series.error.size());
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      any = any || (std::isfinite(series.x[i]) && std::isfinite(series.y[i]) && (!chart.log_y || series.y[i] > 0));
    }
  }
  return any;
}

inline void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// gnuplot's SVG without its XML prologue, with the reader's text colour for black, and with ids of its own, so that
/// several charts can stand in one HTML page.
inline std::string inline_svg(std::string svg, const std::string& id) {
  const auto start = svg.find("<svg");
  check(start != std::string::npos, "gnuplot wrote no SVG: '{}'", svg.substr(0, 200));
  svg.erase(0, start);
  for (const char* black : {"\"black\"", "'black'"}) replace_all(svg, black, "\"currentColor\"");
  replace_all(svg, "id='gp", "id='" + id + "-gp");
  replace_all(svg, "xlink:href='#gp", "xlink:href='#" + id + "-gp");
  replace_all(svg, "id='textbox'", "id='" + id + "-textbox'");
  replace_all(svg, "id='greybox'", "id='" + id + "-greybox'");
  replace_all(svg, "id=\"gnuplot_", "id=\"" + id + "-gnuplot_");
  for (auto at = svg.find("<title>"); at != std::string::npos; at = svg.find("<title>", at)) {
    svg.erase(at,
              svg.find("</title>", at) + std::strlen("</title>") - at);  // "gnuplot_plot_1" as a tooltip helps nobody
  }
  return svg;
}

}  // namespace detail

/// `charts`, side by side, as one SVG element for a page: text and axes take the page's text colour. `id` (letters,
/// digits and dashes) must differ between the drawings of one page. Charts without a finite point are left out. Empty
/// where none is left or gnuplot is missing (see `kNoGnuplot`).
/// Throws `Error` where a series' lengths differ, where gnuplot fails, and where the temporary folder is full.
[[nodiscard]] inline std::optional<std::string> charts_svg(std::vector<Chart> charts, const std::string& id = "chart") {
  charts.erase(std::remove_if(charts.begin(), charts.end(), [](const auto& c) { return !detail::drawable(c); }),
               charts.end());
  if (charts.empty() || !have_gnuplot()) return std::nullopt;
  return detail::inline_svg(detail::gnuplot_drawing(detail::gnuplot_script(charts), "</svg>"), id);
}

/// Writes `charts`, side by side, as an SVG file on white. False where gnuplot is missing or there is nothing to draw;
/// then no file is written.
inline bool write_charts(const std::filesystem::path& path, const std::vector<Chart>& charts) {
  auto svg = charts_svg(charts);
  if (!svg) return false;
  svg->insert(std::strlen("<svg"), " style=\"background:white;color:black\"");
  write_atomically(path, [&](std::ostream& out) { out << "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" << *svg; });
  return true;
}

}  // namespace pam

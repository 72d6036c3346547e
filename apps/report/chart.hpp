// SPDX-License-Identifier: MIT
/// Charts as SVG: training curves, scatter plots of cases, bars of an ablation. Names are escaped, so that no name of
/// a case or network can add markup.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

/// How a series is drawn.
enum class Mark { Line, DashedLine, Points, Bars };

/// One line, cloud of points, or set of bars. Values that are undefined (NaN), infinite or beyond ±1e300 are gaps, and
/// so are those without a logarithm on a logarithmic axis; the chart says under its axis how many were left out.
struct Series {
  std::string name;          ///< in the legend; may be empty
  std::vector<double> x, y;  ///< of the same length
  Mark mark = Mark::Line;
  std::vector<double> error = {};           ///< bars only: half the length of the error bar; empty for none
  int colour = -1;                          ///< index into the palette; -1 takes the series' own position
  std::vector<double> low = {}, high = {};  ///< points only: ends of an interval around each; empty for none
};

/// One plot with its axes, which always hold all the data.
struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series = {};
  bool log_y = false;
  std::optional<double> y_low = std::nullopt, y_high = std::nullopt;  ///< the y axis spans at least these (not log_y)
  std::vector<std::string> x_names = {};  ///< words under x = 0, 1, 2 … instead of numbers (bars, networks)
  int width = 640, height = 380;          ///< of the drawing, in pixels; higher where the legend needs more than a row
};

/// `charts`, side by side, as one SVG element for a page: text and axes take the page's text colour. Charts without a
/// point that can be drawn are left out. Empty where none is left.
/// Throws `Error` where the lists of a series differ in length.
[[nodiscard]] std::optional<std::string> charts_svg(const std::vector<Chart>& charts);

/// Writes `charts`, side by side, as an SVG file, black on white. False where there is nothing to draw; then no file is
/// written. Throws `Error` as `charts_svg`, and where the file cannot be written.
bool write_charts(const std::filesystem::path& path, const std::vector<Chart>& charts);

}  // namespace pam::apps

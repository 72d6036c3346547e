// SPDX-License-Identifier: MIT
#include "comparison/comparison_chart.hpp"

#include <pam/core/atomic_file.hpp>

#include <algorithm>
#include <iostream>
#include <utility>

namespace pam::apps {

bool write_charts_png(const std::filesystem::path& path, const std::vector<Chart>& all) {
  auto charts = all;
  charts.erase(std::remove_if(charts.begin(), charts.end(), [](const auto& c) { return !pam::detail::drawable(c); }),
               charts.end());
  if (charts.empty() || !have_gnuplot()) return false;
  int width = 0, height = 0;
  for (const auto& chart : charts) width += chart.width, height = std::max(height, chart.height);
  // The script of the SVG with another terminal in its first line; twice the pixels, for print.
  auto script = pam::detail::gnuplot_script(charts);
  script.replace(0, script.find('\n'),
                 fmt::format("set terminal pngcairo size {},{} fontscale 2 linewidth 2 font 'sans-serif,10' noenhanced",
                             2 * width, 2 * height));
  try {
    write_atomically(path, pam::detail::gnuplot_drawing(script, "IEND\xAE\x42\x60\x82"));
  } catch (const Error& error) {  // a gnuplot without the cairo terminals, a full temporary folder; the SVG is there
    std::cerr << fmt::format("notice: {} is left out: {}\n", path.string(), error.what());
    return false;
  }
  return true;
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "programs/comparison_chart.hpp"

#include <pam/io/atomic_file.hpp>

#include <algorithm>
#include <fstream>
#include <utility>

namespace pam::programs {

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
  const pam::detail::ScratchFolder scratch;
  std::ofstream(scratch.file("script"), std::ios::binary) << script;
  const int status =
      pam::detail::run_on_files("gnuplot", scratch.file("script"), scratch.file("chart.png"), scratch.file("error"));
  if (status != 0) return false;  // a gnuplot without the cairo terminals; the SVG is there
  const auto png = pam::detail::read_text(scratch.file("chart.png"));
  write_atomically(path, png);
  return true;
}

}  // namespace pam::programs

// SPDX-License-Identifier: MIT
/// Charts: what stands in the SVG, read back with a few regular expressions, and that no name can add markup.
#include "report/chart.hpp"

#include <pam/core/error.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <cmath>
#include <limits>
#include <regex>
#include <sstream>

namespace apps_chart_test {
using namespace pam;
using namespace pam::apps;
using test::TempDir;
using Point = std::pair<double, double>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The first group of every match.
std::vector<std::string> all(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), regex); it != std::sregex_iterator(); ++it) {
    found.push_back((*it)[1]);
  }
  return found;
}

/// The points of every polyline.
std::vector<std::vector<Point>> polylines(const std::string& svg) {
  std::vector<std::vector<Point>> lines;
  for (const auto& points : all(svg, "<polyline points=\"([^\"]*)\"")) {
    lines.emplace_back();
    std::istringstream in(points);
    Point point;
    for (char comma = 0; in >> point.first >> comma >> point.second;) lines.back().push_back(point);
  }
  return lines;
}

/// The centres of every dot.
std::vector<Point> dots(const std::string& svg) {
  const auto x = all(svg, "<circle cx=\"([^\"]*)\""), y = all(svg, "<circle cx=\"[^\"]*\" cy=\"([^\"]*)\"");
  std::vector<Point> points;
  for (std::size_t i = 0; i < x.size(); ++i) points.emplace_back(std::stod(x[i]), std::stod(y[i]));
  return points;
}

/// Where the grid lines are, from the smallest value up: y of the lines across.
std::vector<double> grid(const std::string& svg) {
  std::vector<double> lines;
  for (const auto& y : all(svg, "y1=\"([^\"]*)\" x2=\"[^\"]*\" y2=\"[^\"]*\" stroke=\"currentColor\" stroke-opacity")) {
    lines.push_back(std::stod(y));
  }
  return lines;
}

/// The numbers at the left of the grid lines.
std::vector<double> labels(const std::string& svg) {
  std::vector<double> values;
  for (const auto& label : all(svg, "text-anchor=\"end\">([^<]*)</text>")) values.push_back(std::stod(label));
  return values;
}

std::string drawn(const Chart& chart) {
  auto svg = charts_svg({chart});
  REQUIRE(svg);
  return *svg;
}

TEST_CASE("A chart draws its points where a linear axis puts them", "[apps]") {
  const auto svg = drawn({"t", "x", "y", {{"", {0, 1, 2, 3}, {0, 10, 5, kNan}, Mark::Points, {}, -1}}});
  REQUIRE(svg.rfind("<svg", 0) == 0);
  const auto points = dots(svg);
  REQUIRE(points.size() == 3);  // the undefined one is left out
  // Halfway in x and y is halfway on the drawing, which has two decimals.
  REQUIRE(points[1].first == Approx((points[0].first + points[2].first) / 2).margin(0.02));
  REQUIRE(points[2].second == Approx((points[0].second + points[1].second) / 2).margin(0.02));
  REQUIRE(points[1].second < points[0].second);  // up is up
  REQUIRE_THAT(svg, Catch::Contains("1 value is not drawn"));
}

TEST_CASE("An interval around a point is drawn, and the axis holds it", "[apps]") {
  const auto svg = drawn({"t", "x", "y", {{"", {0, 1}, {5, 6}, Mark::Points, {}, -1, {2, kNan}, {9, kNan}}}});
  const auto points = dots(svg);
  REQUIRE(points.size() == 2);  // a point without an interval is a point
  const auto values = labels(svg);
  REQUIRE(*std::min_element(values.begin(), values.end()) <= 2);
  REQUIRE(*std::max_element(values.begin(), values.end()) >= 9);
  // The upright line at the first point's x: from 3 below to 4 above it.
  const auto x = std::to_string(points[0].first).substr(0, std::to_string(points[0].first).find('.') + 3);
  const auto upright = all(svg, "x1=\"" + x + "\" y1=\"([0-9.]+)\" x2=\"" + x + "\" y2=\"[0-9.]+\" stroke-width");
  const auto tops = all(svg, "x1=\"" + x + "\" y1=\"[0-9.]+\" x2=\"" + x + "\" y2=\"([0-9.]+)\" stroke-width");
  REQUIRE(upright.size() == 1);
  const double low = std::stod(upright[0]), high = std::stod(tops[0]);
  REQUIRE((low - points[0].second) / (points[0].second - high) == Approx(3.0 / 4).margin(1e-3));  // two decimals of 300
  REQUIRE_THROWS_WITH(charts_svg({{"", "", "", {{"", {0, 1}, {5, 6}, Mark::Points, {}, -1, {2}, {9}}}}}),
                      Catch::Contains("1 low and 1 high"));
}

TEST_CASE("Each series is one polyline with all its points, and the labels of the axis say their values", "[apps]") {
  const auto svg = drawn({"", "epoch", "loss", {{"a", {1, 2, 3}, {4, 2, 1}}, {"b", {1, 2}, {3, 3.5}}}});
  const auto lines = polylines(svg);
  REQUIRE(lines.size() == 2);
  REQUIRE(lines[0].size() == 3);
  REQUIRE(lines[1].size() == 2);
  REQUIRE(svg.find("not drawn") == std::string::npos);
  // Each point, read back through the labelled grid, is the value that went in.
  const auto heights = grid(svg), values = labels(svg);
  REQUIRE(heights.size() == values.size());
  REQUIRE(heights.size() >= 3);
  const auto value_at = [&](double y) {
    return values[0] + (y - heights[0]) / (heights.back() - heights[0]) * (values.back() - values[0]);
  };
  // Two decimals of a pixel, of some 300 for a range of 4: 1e-3 is ample.
  REQUIRE(value_at(lines[0][0].second) == Approx(4).margin(1e-3));
  REQUIRE(value_at(lines[0][2].second) == Approx(1).margin(1e-3));
  REQUIRE(value_at(lines[1][1].second) == Approx(3.5).margin(1e-3));
}

TEST_CASE("The axes cover the data, whatever range was asked for", "[apps]") {
  const std::vector<std::vector<double>> some{
      {0.2, 0.9}, {-5, 1.7},       {1e-9, 3e-9},     {1e12, 1e12 + 5}, {7, 7},
      {0, 0},     {-1e300, 1e300}, {5e-324, 1e-320}, {0.1, 0.2, 0.3},  {123456.7, 123456.8}};
  for (const auto& y : some) {
    for (const bool bars : {false, true}) {
      std::vector<double> x;
      for (std::size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<double>(i));
      Chart chart{"", "", "", {{"", x, y, bars ? Mark::Bars : Mark::Line, {}, -1}}};
      if (bars) chart.y_low = 0, chart.y_high = 1;
      const auto svg = drawn(chart);
      CAPTURE(y, bars, svg);
      const auto lines = grid(svg), values = labels(svg);
      REQUIRE(lines.size() >= 2);
      REQUIRE(lines.size() <= 12);
      REQUIRE(values.front() < values.back());
      REQUIRE(values.front() <= *std::min_element(y.begin(), y.end()));
      REQUIRE(values.back() >= *std::max_element(y.begin(), y.end()) * (1 - 1e-6));  // labels have a few digits
      for (const auto& line : polylines(svg)) {
        for (const auto& [px, py] : line) {
          REQUIRE((px >= 0 && px <= chart.width));
          REQUIRE((py <= lines.front() + 0.01 && py >= lines.back() - 0.01));
        }
      }
    }
  }
}

TEST_CASE("A logarithmic axis has equal steps for equal factors, and leaves out what has no logarithm", "[apps]") {
  Chart chart{"", "", "", {{"", {1, 2, 3, 4}, {1, 0.1, 0.01, 0}}}};
  chart.log_y = true;
  const auto svg = drawn(chart);
  const auto lines = polylines(svg);
  REQUIRE(lines.size() == 1);
  REQUIRE(lines[0].size() == 3);
  REQUIRE(lines[0][1].second - lines[0][0].second ==
          Approx(lines[0][2].second - lines[0][1].second).margin(0.02));  // the drawing has two decimals
  REQUIRE_THAT(svg, Catch::Contains("1 value is not drawn") && Catch::Contains("not above 0"));
  for (const char* label : {">0.01<", ">0.1<", ">1<"}) REQUIRE_THAT(svg, Catch::Contains(label));
  chart.series = {{"", {1, 2}, {1e-200, 1e200}}};
  REQUIRE(grid(drawn(chart)).size() <= 12);
}

TEST_CASE("Names in a chart are shown as text, whatever is in them", "[apps]") {
  TempDir folder;
  const std::string evil = "<script>alert('x')</script> & \"y\" \x01\xff\xed\xa0\x80";
  Chart chart{evil, evil, evil, {{evil, {1, 2}, {1, 2}}}};
  chart.x_names = {evil, "b", "c"};
  const auto svg = drawn(chart);
  REQUIRE(svg.find("<script>") == std::string::npos);
  REQUIRE_THAT(svg, Catch::Contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"));
  REQUIRE(all(svg, "(&lt;script)").size() == 5);  // title, two axes, legend, a tick
  REQUIRE(write_charts(folder / "evil.svg", {chart}));
  if (std::system("command -v xmllint >/dev/null") == 0) {  // an independent reader of XML takes it
    REQUIRE(std::system(("xmllint --noout " + (folder / "evil.svg").string()).c_str()) == 0);
  }
}

TEST_CASE("Text and axes follow the page's colour, and a file is black on white", "[apps]") {
  TempDir folder;
  const Chart chart{"loss", "", "", {{"a", {1, 2}, {3, 4}}}};
  const auto svg = drawn(chart);
  REQUIRE(svg.find("black") == std::string::npos);
  REQUIRE_THAT(svg, Catch::Contains("fill=\"currentColor\""));
  REQUIRE(svg.find(" id=") == std::string::npos);  // so that several can stand in one page
  REQUIRE(write_charts(folder / "a.svg", {chart}));
  REQUIRE_THAT(test::text_of(folder / "a.svg"), Catch::Contains("background:white;color:black"));
}

TEST_CASE("Bars, error bars, dashes, log axes and two charts side by side are drawn", "[apps]") {
  TempDir folder;
  Chart bars{"bars",
             "",
             "IoU",
             {{"a", {0, 1}, {0.5, 0.6}, Mark::Bars, {0.1, 0.05}, -1}, {"b", {0, 1}, {0.4, kNan}, Mark::Bars, {}, -1}}};
  bars.x_names = {"unet", "fpa"};
  Chart loss{"loss",
             "epoch",
             "",
             {{"train", {1, 2, 3}, {1, 0.1, 0.01}}, {"validation", {1, 2, 3}, {1, 0.5, 0.2}, Mark::DashedLine, {}, 0}}};
  loss.log_y = true;
  REQUIRE(write_charts(folder / "both.svg", {bars, loss}));
  const auto svg = test::text_of(folder / "both.svg");
  REQUIRE(svg.rfind("<?xml", 0) == 0);
  for (const char* word : {">unet<", ">fpa<", ">train<", ">validation<", ">epoch<", "width=\"1280\""}) {
    INFO(word);
    REQUIRE(svg.find(word) != std::string::npos);
  }
  REQUIRE(all(svg, "<rect (x)=\"[^\"]*\" y=\"[^\"]*\" width=\"[^\"]*\" height=\"[^\"]*\" fill-opacity").size() == 3);
  REQUIRE(all(svg, "(stroke-width=\"1.2\")").size() == 6);      // two error bars with two ends each
  REQUIRE(all(svg, "(stroke-dasharray=\"6 4\")").size() == 2);  // the line, and its legend
  // A bar's height is its value: 0.6 over 0.5.
  const auto heights = all(svg, "height=\"([^\"]*)\" fill-opacity");
  REQUIRE(std::stod(heights[1]) / std::stod(heights[0]) == Approx(1.2).epsilon(1e-3));  // pixels with two decimals
}

TEST_CASE("A ninth network has the first one's colour, dashed, and a long legend makes the chart higher", "[apps]") {
  Chart chart{"loss", "epoch", "loss"};
  for (int i = 0; i < 10; ++i) chart.series.push_back({fmt::format("network_number_{}", i), {1, 2}, {i + 1.0, 1.0}});
  const auto svg = drawn(chart);
  REQUIRE(polylines(svg).size() == 10);
  REQUIRE(all(svg, "(stroke-dasharray)").size() == 4);
  REQUIRE(std::stod(all(svg, "height=\"([0-9]+)\"").front()) > chart.height);
}

TEST_CASE("A chart with nothing finite is left out, and series of unlike lengths are refused", "[apps]") {
  TempDir folder;
  REQUIRE_FALSE(charts_svg({Chart{"", "", "", {{"a", {1, 2, 3}, {kNan, kInfinity, -kInfinity}}}}}));
  REQUIRE_FALSE(charts_svg({}));
  Chart zero{"", "", "", {{"a", {1}, {0}}}};
  zero.log_y = true;  // zero has no logarithm
  REQUIRE_FALSE(write_charts(folder / "none.svg", {zero}));
  REQUIRE_FALSE(std::filesystem::exists(folder / "none.svg"));
  REQUIRE_THROWS_WITH(charts_svg({Chart{"loss", "", "", {{"a", {1, 2}, {1}}}}}),
                      Catch::Contains("loss") && Catch::Contains("'a'") && Catch::Contains("as many"));
}

TEST_CASE("A gap parts a line, and a point without neighbours is a dot", "[apps]") {
  const auto of = [](const std::vector<double>& y) {
    std::vector<double> x;
    for (std::size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<double>(i));
    const auto svg = drawn({"", "", "", {{"", x, y}}});
    return std::pair(polylines(svg).size(), dots(svg).size());
  };
  REQUIRE(of({0.5}) == std::pair<std::size_t, std::size_t>(0, 1));
  REQUIRE(of({0.5, kNan, 0.25, kNan}) == std::pair<std::size_t, std::size_t>(0, 2));
  REQUIRE(of({0.5, 0.25}) == std::pair<std::size_t, std::size_t>(1, 0));
  REQUIRE(of({0.5, 0.25, kInfinity, 0.25, 0.1, kNan, 0.3}) == std::pair<std::size_t, std::size_t>(2, 1));
}

}  // namespace apps_chart_test

// SPDX-License-Identifier: MIT
/// Charts: what gnuplot draws, and that no name can make it do anything else.
#include "report/chart.hpp"

#include "support/catch.hpp"
#include "support/file_size_limit.hpp"
#include "support/files.hpp"

#include <limits>
#include <regex>

namespace apps_chart_test {
using namespace pam;
using test::TempDir;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST_CASE("A chart draws its points where a linear axis puts them", "[apps]") {
  if (!have_gnuplot()) PAM_SKIP(kNoGnuplot);
  Chart chart{"t", "x", "y", {{"dots", {0, 1, 2, 3}, {0, 10, 5, std::nan("")}, Mark::Points, {}, -1}}};
  const auto svg = charts_svg({chart}, "a");
  REQUIRE(svg);
  REQUIRE(svg->rfind("<svg", 0) == 0);
  // The three finite points and the legend's; gnuplot writes each as <use … translate(x,y)>.
  const std::regex use("translate\\(([0-9.]+),([0-9.]+)\\) scale");
  std::vector<std::pair<double, double>> points;
  for (auto it = std::sregex_iterator(svg->begin(), svg->end(), use); it != std::sregex_iterator(); ++it) {
    points.emplace_back(std::stod((*it)[1]), std::stod((*it)[2]));
  }
  REQUIRE(points.size() == 4);
  // Halfway in x and y is halfway on the drawing; gnuplot prints two decimals.
  REQUIRE(points[1].first == Approx((points[0].first + points[2].first) / 2).margin(0.02));
  REQUIRE(points[2].second == Approx((points[0].second + points[1].second) / 2).margin(0.02));
  REQUIRE(points[1].second < points[0].second);  // up is up
}

TEST_CASE("Names in a chart are shown, never run", "[apps]") {
  if (!have_gnuplot()) PAM_SKIP(kNoGnuplot);
  TempDir folder;
  const auto trap = (folder / "pwned").string();
  const std::string evil =
      "`touch " + trap + "`'\nsystem('touch " + trap + "')\n$(touch " + trap + ")<script>@x{/Bold y}";
  Chart chart{evil, evil, evil, {{evil, {1, 2}, {1, 2}}}};
  chart.x_names = {evil, "b", "c"};
  const auto svg = charts_svg({chart});
  REQUIRE(svg);
  REQUIRE_FALSE(std::filesystem::exists(trap));
  REQUIRE(svg->find("<script>") == std::string::npos);
  REQUIRE(svg->find("&lt;script>@x{/Bold y}") != std::string::npos);  // neither markup of SVG nor of gnuplot
}

TEST_CASE("Two charts of one page share no id, and follow the page's text colour", "[apps]") {
  if (!have_gnuplot()) PAM_SKIP(kNoGnuplot);
  const Chart chart{"", "", "", {{"a", {1, 2}, {3, 4}}}};
  const auto one = *charts_svg({chart}, "one"), two = *charts_svg({chart}, "two");
  const std::regex id("id=['\"]([^'\"]+)['\"]");
  std::vector<std::string> ids;
  for (auto it = std::sregex_iterator(one.begin(), one.end(), id); it != std::sregex_iterator(); ++it)
    ids.push_back((*it)[1]);
  REQUIRE(ids.size() > 10);
  for (const auto& name : ids) REQUIRE(two.find("\"" + name + "\"") == std::string::npos);
  for (const auto& name : ids) REQUIRE(two.find("'" + name + "'") == std::string::npos);
  REQUIRE(one.find("black") == std::string::npos);
  REQUIRE(count(one, "currentColor") > 10);
  const std::regex used("href='#([^']+)'");
  for (auto it = std::sregex_iterator(one.begin(), one.end(), used); it != std::sregex_iterator(); ++it) {
    REQUIRE(std::count(ids.begin(), ids.end(), (*it)[1].str()) == 1);  // every reference has its target
  }
}

TEST_CASE("Bars, error bars, dashes, log axes and two charts side by side are drawn", "[apps]") {
  if (!have_gnuplot()) PAM_SKIP(kNoGnuplot);
  TempDir folder;
  Chart bars{"bars",
             "",
             "IoU",
             {{"a", {0, 1}, {0.5, 0.6}, Mark::Bars, {0.1, 0.05}, -1}, {"b", {0, 1}, {0.4, 0.7}, Mark::Bars, {}, -1}}};
  bars.x_names = {"unet", "fpa"};
  bars.y_low = 0;
  bars.y_high = 1;
  Chart loss{"loss",
             "epoch",
             "",
             {{"train", {1, 2, 3}, {1, 0.1, 0.01}}, {"validation", {1, 2, 3}, {1, 0.5, 0.2}, Mark::DashedLine, {}, 0}}};
  loss.log_y = true;
  REQUIRE(write_charts(folder / "both.svg", {bars, loss}));
  const auto svg = pam::detail::read_text(folder / "both.svg");
  REQUIRE(svg.rfind("<?xml", 0) == 0);
  for (const char* word : {">unet<", ">fpa<", ">train<", ">validation<", ">epoch<", "width=\"1280\""}) {
    INFO(word);
    REQUIRE(svg.find(word) != std::string::npos);
  }
}

TEST_CASE("A chart with nothing finite is left out, and series of unlike lengths are refused", "[apps]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  TempDir folder;
  REQUIRE_FALSE(charts_svg({Chart{"", "", "", {{"a", {1, 2}, {nan, nan}}}}}));
  REQUIRE_FALSE(charts_svg({}));
  Chart zero{"", "", "", {{"a", {1}, {0}}}};
  zero.log_y = true;  // zero has no logarithm
  REQUIRE_FALSE(write_charts(folder / "none.svg", {zero}));
  REQUIRE_FALSE(std::filesystem::exists(folder / "none.svg"));
  REQUIRE_THROWS_WITH(charts_svg({Chart{"loss", "", "", {{"a", {1, 2}, {1}}}}}),
                      Catch::Contains("loss") && Catch::Contains("'a'") && Catch::Contains("as many"));
}

TEST_CASE("A full or missing temporary folder is told with TMPDIR, and half a drawing is none", "[apps]") {
  if (!have_gnuplot()) PAM_SKIP(kNoGnuplot);
  const Chart chart{"loss", "epoch", "", {{"a", {1, 2}, {3, 4}}}};
  {
    const test::FileSizeLimit full(100);  // less than the script
    REQUIRE_THROWS_WITH(charts_svg({chart}), Catch::Contains("script cannot be written") && Catch::Contains("TMPDIR"));
  }
  REQUIRE(pam::detail::gnuplot_script({chart}).size() < 2000);
  {
    const test::FileSizeLimit full(2000);  // more than the script, less than the drawing
    REQUIRE_THROWS_WITH(charts_svg({chart}),
                        Catch::Contains("breaks off after 2000 bytes") && Catch::Contains("TMPDIR"));
  }
  TempDir folder;
  const test::Variable missing("TMPDIR", (folder / "none").string());
  REQUIRE_THROWS_WITH(charts_svg({chart}),
                      Catch::Contains((folder / "none").string()) && Catch::Contains("set TMPDIR"));
  REQUIRE(have_gnuplot());
}

TEST_CASE("A point without neighbours is drawn, though a line has nothing to join", "[apps]") {
  if (!have_gnuplot()) PAM_SKIP(kNoGnuplot);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto points = [](const std::vector<double>& y) {
    std::vector<double> x;
    for (std::size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<double>(i));
    return count(*charts_svg({Chart{"", "", "", {{"", x, y}}}}), "' transform='translate(");
  };
  REQUIRE(points({0.5}) == 1);
  REQUIRE(points({0.5, nan, 0.25, nan}) == 2);
  REQUIRE(points({0.5, 0.25}) == 0);
}

TEST_CASE("A program that cannot be started is reported as such, so that gnuplot may be missing", "[apps]") {
  TempDir folder;
  std::ofstream(folder / "in") << "";
  REQUIRE(pam::detail::run_on_files("no-such-program-of-pam", folder / "in", folder / "out", folder / "error") != 0);
}

}  // namespace apps_chart_test

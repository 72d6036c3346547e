// SPDX-License-Identifier: MIT
/// The report of a run, as a browser sees it: headless Chromium reads the DOM and takes a picture (skipped by name
/// where Chromium is absent).
#include "report/result_page.hpp"

#include <pam/images/picture.hpp>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <cstdlib>
#include <sstream>

namespace apps_result_page_test {
using namespace pam;
using namespace pam::apps;

ResultPage example() {
  ResultPage page;
  page.title = "Three <b>networks</b>";
  page.lead = "trained & tested";
  page.caveats = {"one subject is no study"};
  for (const char* name : {"unet", "fpa"}) {
    NetworkResult result;
    result.name = name;
    result.parameters = 1234567;
    for (int epoch = 1; epoch <= 3; ++epoch) {
      EpochPoint point;
      point.epoch = epoch;
      point.loss = 1.0 / epoch;
      point.seconds = 2;
      point.validation = 0.2 * epoch;
      result.epochs.push_back(point);
    }
    for (int i = 0; i < 14; ++i) {
      CaseScores scores;
      scores.name = fmt::format("case {}", i);
      scores.iou = 0.05 * i;
      scores.dice = 0.06 * i;
      scores.hd95_penalised = 20 - i;
      scores.missed = i == 0;
      result.cases.push_back(scores);
    }
    page.results.push_back(result);
  }
  const auto png = encode_png(torch::full({40, 30, 3}, 90, torch::kByte));
  for (const auto& name : worst_cases(page.results))
    page.pictures.push_back({name, {{png, "the image", "image"}, {png, "unet on " + name, "unet"}}, 2});
  page.record = {{"seed", 7}, {"versions", {{"pam", "0.1.0"}}}, {"options", {{"hidden", 1}}}};
  page.options = {{"epochs", 3}};
  page.command = "train --demo";
  return page;
}

TEST_CASE("The report holds scores, five worst cases, curves, every case and the record", "[apps]") {
  const auto html = result_page(example()).html();
  for (const char* part :
       {"Three &lt;b&gt;networks", "one subject is no study", "1,234,567", "case 13", "unet on case 4", "versions: pam",
        "&quot;epochs&quot;: 3", "train --demo", "missed (1): case 0", "HD95 pen."}) {
    INFO(part);
    REQUIRE(html.find(part) != std::string::npos);
  }
  REQUIRE(html.find("unet on case 5") == std::string::npos);  // five, not six
  REQUIRE(html.find("hidden") == std::string::npos);          // options stand once, in their own box
  for (const char* part : {"Training loss by epoch. unet: from 1.0000 to 0.3333 in 3 epochs.", "IoU of each case",
                           "aria-label=\"Validation score by epoch.\""}) {
    INFO(part);
    REQUIRE(html.find(part) != std::string::npos);
  }
}

TEST_CASE("A report of nothing is still a page", "[apps]") {
  const auto html = result_page({}).html();
  REQUIRE(html.find("</html>") != std::string::npos);
}

TEST_CASE("Chromium lays the report out without a script, an error or a sideways scroll", "[apps]") {
  if (std::system("command -v chromium >/dev/null 2>&1") != 0) PAM_SKIP("chromium is not installed");
  test::TempDir folder;
  result_page(example()).write(folder / "report.html");
  const auto run = [&](const std::string& arguments) {
    return std::system(
        fmt::format("HOME={0} timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir={0}/profile "
                    "--virtual-time-budget=2000 {1} file://{0}/report.html > {0}/out 2> {0}/err",
                    folder.path().string(), arguments)
            .c_str());
  };
  if (run("--dump-dom") != 0)
    PAM_SKIP("chromium does not start here: " + test::text_of(folder / "err").substr(0, 300));
  const auto dom = test::text_of(folder / "out");
  const auto count = [&](const std::string& part) {
    std::size_t n = 0;
    for (auto at = dom.find(part); at != std::string::npos; at = dom.find(part, at + 1)) ++n;
    return n;
  };
  REQUIRE(count("<h1") == 1);
  REQUIRE(count("<h2") == 5);
  REQUIRE(count("<img ") == 10);
  REQUIRE(count("scope=\"row\"") >= 30);
  REQUIRE(count("<svg ") == 4);
  const auto picture = folder / "page.png";
  REQUIRE(run(fmt::format("--window-size=1200,3000 --screenshot={}", picture.string())) == 0);
  const auto shot = cv::imread(picture.string());
  REQUIRE(shot.cols == 1200);
  cv::Mat grey;
  cv::cvtColor(shot, grey, cv::COLOR_BGR2GRAY);
  REQUIRE(cv::countNonZero(grey < 100) > 2000);  // there is text on it
}

}  // namespace apps_result_page_test

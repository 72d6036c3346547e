// SPDX-License-Identifier: MIT
/// Tables: alignment, escaping, and undefined numbers, against text written out by hand.
#include <pam/report/table.hpp>

#include "support/catch.hpp"

namespace report_table_test {
using namespace pam;

TEST_CASE("A table for the terminal aligns names left, numbers right and deviations under each other", "[report]") {
  Table table("Test cases", {"net", {"IoU", 3}, {"parameters", 0, true}});
  table.row({"unet", {0.7123, 0.02}, 3129248})
      .row({"fpa", 0.9, 4200608})
      .row({"é", std::nullopt, 7})
      .note("IoU: foreground.");
  REQUIRE(table.text() ==
          "Test cases\n"
          "net             IoU  parameters\n"
          "----  -------------  ----------\n"
          "unet  0.712 ± 0.020   3,129,248\n"
          "fpa   0.900           4,200,608\n"
          "é         –                   7\n"
          "IoU: foreground.\n");
}

TEST_CASE("A Markdown table escapes what would end a cell or become markup", "[report]") {
  Table table("", {"case", {"HD95", 1}});
  table.row({"a|b <i>*x*\n[y](z)", 2.25}).row({"c", std::numeric_limits<double>::infinity()});
  REQUIRE(table.markdown() ==
          "| case                      | HD95 |\n"
          "| ------------------------- | ----:|\n"
          "| a\\|b &lt;i>\\*x\\* \\[y\\](z) |  2.2 |\n"
          "| c                         |    ∞ |\n");
}

TEST_CASE("CSV quotes by RFC 4180, keeps full precision, and leaves undefined numbers empty", "[report]") {
  Table table("ignored", {"case", {"IoU", 2}, {"HD95", 1}});
  table.row({"a,\"b\"", {1.0 / 3.0, 0.5}, std::nullopt}).row({"c", 1, -0.1});
  REQUIRE(table.csv() ==
          "case,IoU,IoU std,HD95\n"
          "\"a,\"\"b\"\"\",0.3333333333333333,0.5,\n"
          "c,1,,-0.1\n");
}

TEST_CASE("Thousands are grouped in numbers of any length and sign", "[report]") {
  Table table("", {{"n", 0, true}, {"x", 2, true}});
  table.row({999, -1234567.891}).row({1000, 12.5}).row({-100000, 0});
  REQUIRE(table.formatted(0, 0) == "999");
  REQUIRE(table.formatted(1, 0) == "1,000");
  REQUIRE(table.formatted(2, 0) == "-100,000");
  REQUIRE(table.formatted(0, 1) == "-1,234,567.89");
  REQUIRE(table.formatted(1, 1) == "12.50");
}

TEST_CASE("A deviation of one run alone is shown as undefined beside its mean", "[report]") {
  Table table("", {{"IoU", 2}});
  table.row({{0.5, std::nan("")}});
  REQUIRE(table.formatted(0, 0) == "0.50 ± –");
}

TEST_CASE("A row of the wrong length is refused with both counts", "[report]") {
  Table table("Scores", {"net", {"IoU", 3}});
  REQUIRE_THROWS_WITH(table.row({"unet"}),
                      Catch::Contains("Scores") && Catch::Contains("1 cells") && Catch::Contains("2 columns"));
  REQUIRE_THROWS_AS(Table("none", {}), Error);
}

}  // namespace report_table_test

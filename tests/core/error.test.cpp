// SPDX-License-Identifier: MIT
/// Messages against fmt, which writes the same places by rules of its own.
#include <pam/core/error.hpp>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>

#include "support/catch.hpp"

namespace core_error_test {

using namespace pam;

TEST_CASE("a message's places are filled in as fmt does", "[core]") {
  const std::string text = "a.png";
  REQUIRE(formatted("{}: {} of {}", text, 3, std::size_t{7}) == fmt::format("{}: {} of {}", text, 3, std::size_t{7}));
  REQUIRE(formatted("{0} x {1}, {0}", 1, -2) == fmt::format("{0} x {1}, {0}", 1, -2));
  REQUIRE(formatted("{{\"name\": {}}}", true) == fmt::format("{{\"name\": {}}}", true));
  REQUIRE(formatted("0x{:02x} {:04} {:.3g} {:.0f}", 10, 7, 1234567.0, 2.5) ==
          fmt::format("0x{:02x} {:04} {:.3g} {:.0f}", 10, 7, 1234567.0, 2.5));
  REQUIRE(formatted("{}", std::numeric_limits<std::int64_t>::min()) ==
          fmt::format("{}", std::numeric_limits<std::int64_t>::min()));
  REQUIRE(formatted("{}", std::numeric_limits<std::uint64_t>::max()) ==
          fmt::format("{}", std::numeric_limits<std::uint64_t>::max()));
  REQUIRE(formatted("{}{}", 'x', text.c_str()) == "xa.png");
  REQUIRE(formatted("100 %d {") == "100 %d {");
  REQUIRE(formatted("{} and {}", 1) == "1 and {}");  // a place without its argument says so
}

TEST_CASE("numbers in messages read back as themselves, in fmt's form", "[core]") {
  for (const double x : {0.0, 1.0, -2.5, 0.1, 1e-4, 1e-5, 100000.0, 1e15, 1e16, 1.5e20, 1.0 / 3, 5e-324, 1.7e308}) {
    CAPTURE(x);
    REQUIRE(formatted("{}", x) == fmt::format("{}", x));
  }
  for (const float x : {0.1f, 1e-7f, 0.3333333433f}) {
    CAPTURE(x);
    REQUIRE(formatted("{}", x) == fmt::format("{}", x));
  }
  // Newer versions of fmt write a float from 2^24 up with an exponent; the number is the same.
  REQUIRE(std::stof(formatted("{}", 16777216.f)) == 16777216.f);
  REQUIRE(formatted("{}", std::numeric_limits<double>::infinity()) == "inf");
  REQUIRE(formatted("{}", std::nan("")) == "nan");
}

TEST_CASE("lists in messages", "[core]") {
  REQUIRE(joined(std::vector<std::int64_t>{2, 4, 160}) == "2, 4, 160");
  REQUIRE(joined(std::vector<std::string>{"a", "b"}, "\n") == "a\nb");
  REQUIRE(joined(std::vector<std::string>{}) == "");
  REQUIRE(shape_string(torch::zeros({2, 3})) == "[2, 3]");
}

}  // namespace core_error_test

// SPDX-License-Identifier: MIT
#include <pam/core/duration_string.hpp>

#include "support/catch.hpp"

#include <limits>

namespace core_duration_string_test {
using pam::duration_string;

TEST_CASE("durations read as people write them", "[core]") {
  CHECK(duration_string(47.4) == "47 s");
  CHECK(duration_string(725) == "12:05 min");
  CHECK(duration_string(11220) == "3:07:00 h");
  CHECK(duration_string(-1) == "?");
  CHECK(duration_string(std::numeric_limits<double>::infinity()) == "?");
}

}  // namespace core_duration_string_test

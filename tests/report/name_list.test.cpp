// SPDX-License-Identifier: MIT
#include <pam/report/name_list.hpp>

#include "support/catch.hpp"

namespace report_name_list_test {
using pam::name_list;

TEST_CASE("A list of names ends with how many more there are", "[report]") {
  REQUIRE(name_list({}).empty());
  REQUIRE(name_list({"a"}) == "a");
  REQUIRE(name_list({"a", "b", "c"}, 3) == "a, b, c");
  REQUIRE(name_list({"a", "b", "c"}, 2) == "a, b and 1 more");
}

}  // namespace report_name_list_test

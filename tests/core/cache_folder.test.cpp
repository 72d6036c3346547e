// SPDX-License-Identifier: MIT
#include <pam/core/cache_folder.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace core_cache_folder_test {

using namespace pam;

TEST_CASE("the cache lies where XDG_CACHE_HOME says, else in the home folder", "[core]") {
  const test::Variable cache("XDG_CACHE_HOME", "/var/tmp/cache"), home("HOME", "/home/someone");
  REQUIRE(cache_folder() == "/var/tmp/cache/pam");
  const test::Variable none("XDG_CACHE_HOME", "");
  REQUIRE(cache_folder() == "/home/someone/.cache/pam");
  const test::Variable homeless("HOME", "");
  REQUIRE(cache_folder().empty());
}

}  // namespace core_cache_folder_test

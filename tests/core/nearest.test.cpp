// SPDX-License-Identifier: MIT
#include <pam/core/nearest.hpp>

#include "support/catch.hpp"

namespace core_nearest_test {
using namespace pam;
using Names = std::vector<std::string>;

TEST_CASE("the edit distance counts insertions, deletions and substitutions", "[core]") {
  // The textbook values of Levenshtein distance (Wagner and Fischer 1974).
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("saturday", "sunday") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("same", "same") == 0);
  CHECK(edit_distance("ab", "ba") == 2);
}

TEST_CASE("nearest names come nearest first, equals in the given order, no more than asked", "[core]") {
  const Names nets{"fpa", "unet", "wunet", "rfna"};
  CHECK(nearest_names("wunt", nets, 2) == Names{"wunet", "unet"});
  CHECK(nearest_names("fna", nets, 1) == Names{"fpa"});  // fpa and rfna are both one step away; fpa stands first
  CHECK(nearest_names("x", nets, 9).size() == 4);
  CHECK(nearest_names("x", {}, 3).empty());
  CHECK(nearest_names("x", nets, 0).empty());
}

TEST_CASE("nearest names of a megabyte of text take no time", "[core]") {
  const std::string hostile(1'000'000, 'a');
  CHECK(nearest_names(hostile, {hostile, "unet"}, 1) == Names{hostile});
}
}  // namespace core_nearest_test

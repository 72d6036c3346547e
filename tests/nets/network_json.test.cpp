// SPDX-License-Identifier: MIT
#include <pam/nets/network_json.hpp>

#include "support/catch.hpp"

namespace nets_network_json_test {

using namespace pam;
using pam::detail::check_nesting;
using pam::detail::merge_options;
using Json = nlohmann::json;

TEST_CASE("overrides merge key by key, lists item by item, an object into every item of a list", "[nets]") {
  const auto base = Json::parse(R"({"a": 1, "b": {"c": 2, "d": 3}, "l": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]})");
  const auto merged = [&](const char* over) { return merge_options(base, Json::parse(over), "f"); };
  REQUIRE(merged("{}") == base);
  REQUIRE(merged(R"({"b": {"c": 9}})")["b"] == Json::parse(R"({"c": 9, "d": 3})"));
  REQUIRE(merged(R"({"l": {"x": 9}})")["l"] == Json::parse(R"([{"x": 9, "y": 2}, {"x": 9, "y": 4}])"));
  REQUIRE(merged(R"({"l": [{}, {"y": 9}]})")["l"] == Json::parse(R"([{"x": 1, "y": 2}, {"x": 3, "y": 9}])"));
  const auto one = Json::parse(R"({"l": [{"x": 1, "y": 2}]})");
  REQUIRE(merge_options(one, Json::parse(R"({"l": [{"x": 5}, {"x": 6}, {}]})"), "f")["l"] ==
          Json::parse(R"([{"x": 5, "y": 2}, {"x": 6, "y": 2}, {"x": 1, "y": 2}])"));
}

TEST_CASE("overrides that do not fit are refused, with the place", "[nets]") {
  const auto base = Json::parse(R"({"dilation": 1, "l": [{"x": 1}, {"x": 3}]})");
  const auto refused = [&](const char* over) {
    return [&base, over] { merge_options(base, Json::parse(over), "n.json"); };
  };
  REQUIRE_THROWS_WITH(refused(R"({"dilatoin": 2})")(),
                      Catch::Contains("n.json") && Catch::Contains("\"dilatoin\"") && Catch::Contains("mean dilation"));
  REQUIRE_THROWS_WITH(refused(R"({"l": [{}, {"z": 2}]})")(), Catch::Contains("n.json.l[1]"));
  REQUIRE_THROWS_WITH(refused(R"({"l": [{}, {}, {}]})")(), Catch::Contains("one per level, got 3"));
  REQUIRE_THROWS_WITH(refused(R"({"l": {"stride": 2}})")(), Catch::Contains("follows from the part's place"));
}

TEST_CASE("nesting deeper than any options is refused before it can overflow the stack", "[nets]") {
  REQUIRE_NOTHROW(check_nesting(Json::parse("[[[[[[1]]]]]]"), "f"));
  REQUIRE_THROWS_WITH(check_nesting(Json::parse(std::string(200000, '[') + std::string(200000, ']')), "f"),
                      Catch::Contains("nested deeper"));
}

TEST_CASE("numbers out of range are refused wherever they stand", "[nets]") {
  const auto bounds = [](const char* text) { pam::detail::check_bounds(Json::parse(text), "f"); };
  REQUIRE_NOTHROW(bounds(R"({"width": 4096, "stages": [{"dilation": 1024, "expansion": 256}]})"));
  REQUIRE_THROWS_WITH(bounds(R"({"width": 4097})"), Catch::Contains("f.width: must be 1 to 4096, got 4097"));
  REQUIRE_THROWS_WITH(bounds(R"({"width": 0})"), Catch::Contains("f.width"));
  REQUIRE_THROWS_WITH(bounds(R"({"width": -9223372036854775808})"), Catch::Contains("f.width"));
  REQUIRE_THROWS_WITH(bounds(R"({"stages": [{}, {"dilation": 1e300}]})"), Catch::Contains("f.stages[1].dilation"));
}

}  // namespace nets_network_json_test

// SPDX-License-Identifier: MIT
#include <pam/images/labels.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace images_labels_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

std::vector<std::int64_t> mapped(const LabelMap& map, std::vector<std::int64_t> raw) {
  const auto result = map.apply(torch::tensor(raw, torch::kLong), "labels.png");
  return {result.data_ptr<std::int64_t>(), result.data_ptr<std::int64_t>() + result.numel()};
}
using Classes = std::vector<std::int64_t>;

TEST_CASE("label maps are written as ranges, as equations, as JSON and by name", "[images]") {
  REQUIRE(mapped(LabelMap::parse("71-78"), {0, 70, 71, 78, 79, -3}) == Classes{0, 0, 1, 1, 0, 0});
  REQUIRE(mapped(LabelMap::parse(" 26-33 , 35 "), {25, 26, 33, 34, 35, 36}) == Classes{0, 1, 1, 0, 1, 0});
  REQUIRE(mapped(LabelMap::parse("1=1,2=2"), {0, 1, 2, 3}) == Classes{0, 1, 2, 0});
  REQUIRE(mapped(LabelMap::parse("4=1, 255 = ignore"), {4, 255, 1}) == Classes{1, -1, 0});
  REQUIRE(mapped(LabelMap::parse("-5--2=2,-1=ignore"), {-5, -2, -1, -6}) == Classes{2, 2, -1, 0});
  REQUIRE(mapped(LabelMap::parse("0=1,1=0"), {0, 1}) == Classes{1, 0});
  REQUIRE(mapped(LabelMap::parse("nonzero"), {0, 255, -2}) == Classes{0, 1, 1});
  REQUIRE(mapped(LabelMap::parse(R"({"71-78": 1, "3": 2, "255": "ignore"})"), {72, 3, 255, 4}) == Classes{1, 2, -1, 0});
  const TempDir folder;
  std::ofstream(folder / "map.json") << R"({"8": 1})";
  REQUIRE(mapped(LabelMap::parse((folder / "map.json").string()), {8, 9}) == Classes{1, 0});
  REQUIRE(LabelMap::parse("71-78").classes() == 2);
  REQUIRE(LabelMap::parse("1=1,2=2").classes() == 3);
  REQUIRE(LabelMap::parse("71-78").text() == "71-78");
}

TEST_CASE("without a map, labels are the classes themselves, and others are refused with file and value", "[images]") {
  REQUIRE(mapped(LabelMap(), {0, 3, -1}) == Classes{0, 3, -1});
  REQUIRE_THROWS_WITH(mapped(LabelMap::identity(2), {0, 255}), Contains("labels.png") &&
                                                                   Contains("unknown label 255") && Contains("0 … 1") &&
                                                                   Contains("LabelMap::parse(\"255\")"));
  REQUIRE_THROWS_WITH(mapped(LabelMap(), {-7}), Contains("unknown label -7"));
  REQUIRE_THROWS_WITH(mapped(LabelMap::parse("1=1,2=2", true), {0, 1, 3}),
                      Contains("labels.png") && Contains("unknown label 3") && Contains("1=1,2=2"));
  REQUIRE(mapped(LabelMap::parse("1=1,2=2", true), {0, 2}) == Classes{0, 2});
}

TEST_CASE("float labels must hold integers, up to the rounding of a scale slope", "[images]") {
  const auto map = LabelMap::parse("1=1,4=2");
  const auto labels = map.apply(torch::tensor({0.0F, 0.99999997F, 4.0F}), "seg.nii");
  REQUIRE(torch::equal(labels, torch::tensor({0, 1, 2}, torch::kLong)));
  REQUIRE(map.apply(torch::ones({2, 3, 4}, torch::kByte), "").sizes() == torch::IntArrayRef({2, 3, 4}));
  const auto small = map.apply(torch::tensor({4, 1, 0}, torch::kInt), "seg.nii", torch::kShort);
  REQUIRE(torch::equal(small, torch::tensor({2, 1, 0}, torch::kShort)));
  REQUIRE_THROWS_WITH(LabelMap().apply(torch::tensor({40000}), "seg.nii", torch::kShort),
                      Contains("seg.nii") && Contains("40000"));
  REQUIRE_THROWS_WITH(map.apply(torch::tensor({0.0, 0.5}), "seg.nii"),
                      Contains("seg.nii") && Contains("label 0.5 is not an integer"));
  REQUIRE_THROWS_WITH(map.apply(torch::tensor({NAN}), "seg.nii"), Contains("nan is not an integer"));
  REQUIRE_THROWS_WITH(map.apply(torch::tensor({1e30}), "seg.nii"), Contains("not an integer"));
}

TEST_CASE("a threshold makes all values from it on one class, fractions too", "[images]") {
  const auto map = LabelMap::threshold(128);
  CHECK(map.is_threshold());
  CHECK(map.classes() == 2);
  CHECK(mapped(map, {0, 127, 128, 255, -300}) == Classes{0, 0, 1, 1, 0});
  CHECK(map.text() == ">=128");
  CHECK(mapped(LabelMap::parse(" >= 128 "), {127, 128}) == Classes{0, 1});
  CHECK_FALSE(LabelMap::parse("128").is_threshold());
  const auto half = LabelMap::parse(LabelMap::threshold(0.5).text());
  CHECK(torch::equal(half.apply(torch::tensor({0.F, 0.49F, 0.5F, 1.F}), "seg.nii"),
                     torch::tensor({0, 0, 1, 1}, torch::kLong)));
  CHECK(half.class_of(1, "seg.nii") == 1);
  CHECK_THROWS_WITH(half.apply(torch::tensor({NAN}), "seg.nii"), Contains("seg.nii: a label is NaN"));
  for (const char* text : {">=", ">=x", ">=1 2", ">=nan", ">=inf"}) CHECK_THROWS_AS(LabelMap::parse(text), Error);
  CHECK_THROWS_AS(LabelMap::threshold(INFINITY), Error);
}

TEST_CASE("label maps that mean nothing are refused with the part that is wrong", "[images]") {
  const auto why = [](const std::string& text) {
    try {
      static_cast<void>(LabelMap::parse(text));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  REQUIRE_THAT(why(""), Contains("empty"));
  REQUIRE_THAT(why("1,,2"), Contains("empty"));
  REQUIRE_THAT(why("vehicles"), Contains("\"vehicles\"") && Contains("71-78"));
  REQUIRE_THAT(why("7-"), Contains("\"7-\""));
  REQUIRE_THAT(why("1.5"), Contains("\"1.5\""));
  REQUIRE_THAT(why("99999999999999999999"), Contains("not a value"));
  REQUIRE_THAT(why("78-71"), Contains("backwards"));
  REQUIRE_THAT(why("1-5,3=2"), Contains("twice") && Contains("3"));
  REQUIRE_THAT(why("1=x"), Contains("\"x\"") && Contains("ignore"));
  REQUIRE_THAT(why("1=-2"), Contains("\"-2\""));
  REQUIRE_THAT(why("5=ignore"), Contains("no foreground"));
  REQUIRE_THAT(why("{\"1\": }"), Contains("JSON"));
  REQUIRE_THAT(why("{}"), Contains("JSON object"));
  REQUIRE_THAT(why("{\"1\": 1.5}"), Contains("1.5"));
  REQUIRE_THAT(why("none.json"), Contains("none.json") && Contains("opened"));
  REQUIRE_THROWS_WITH(LabelMap::identity(1), Contains("at least 2"));
}

}  // namespace images_labels_test

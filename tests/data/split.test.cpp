// SPDX-License-Identifier: MIT
#include <pam/data/split.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <algorithm>
#include <fstream>
#include <map>

namespace data_split_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;
using Names = std::vector<std::string>;

Names names(int count) {
  Names result;
  for (int i = 0; i < count; ++i) result.push_back(fmt::format("case_{:03}", i));
  return result;
}

Names all_of(const Split& split) {
  Names all = split.train;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::sort(all.begin(), all.end());
  return all;
}

TEST_CASE("a split by shares holds every case once, in the asked numbers, whatever the order of the names", "[data]") {
  for (const int count : {3, 7, 10, 94, 285}) {
    const auto split = split_by_fraction(names(count), 0.7, 0.1, 0.2, 5);
    CAPTURE(count);
    REQUIRE(all_of(split) == names(count));
    REQUIRE((!split.train.empty() && !split.validation.empty() && !split.test.empty()));
    if (count >= 10) REQUIRE(std::abs(static_cast<double>(split.test.size()) - 0.2 * count) <= 0.5);
  }
  auto backwards = names(20);
  std::reverse(backwards.begin(), backwards.end());
  REQUIRE(split_by_fraction(backwards, 0.5, 0, 0.5, 1).train == split_by_fraction(names(20), 0.5, 0, 0.5, 1).train);
  REQUIRE(split_by_fraction(names(20), 0.5, 0, 0.5, 1).train != split_by_fraction(names(20), 0.5, 0, 0.5, 2).train);
  REQUIRE(split_by_fraction(names(4), 0, 0, 1, 1).test == names(4));
  REQUIRE(split_by_fraction(names(4), 1, 0, 0, 1).train == names(4));
}

TEST_CASE("a split does not change between versions and machines", "[data]") {
  // Frozen, because published tables depend on it; the values come from a Python version of SplitMix64 and the shuffle.
  REQUIRE(split_by_fraction(names(10), 0.7, 0.1, 0.2, 0).test == Names{"case_000", "case_008"});
  REQUIRE(split_by_fold(names(10), 5, 0, 0).test == Names{"case_003", "case_005"});
}

TEST_CASE("every case is tested in exactly one fold", "[data]") {
  for (const int count : {5, 13, 40}) {
    std::map<std::string, int> tested;
    for (std::int64_t fold = 0; fold < 5; ++fold) {
      const auto split = split_by_fold(names(count), 5, fold, 3, 0.2);
      REQUIRE(all_of(split) == names(count));
      const auto size = static_cast<int>(split.test.size());
      REQUIRE((size == count / 5 || size == count / 5 + 1));
      REQUIRE(!split.validation.empty());
      for (const auto& name : split.test) ++tested[name];
    }
    REQUIRE(tested.size() == static_cast<std::size_t>(count));
    for (const auto& [name, times] : tested) REQUIRE(times == 1);
  }
}

TEST_CASE("lists, files and folders give splits; wrong names are refused", "[data]") {
  REQUIRE(split_by_lists(names(3), {{"case_002", "case_000"}, {}, {"case_001"}}).train ==
          Names{"case_000", "case_002"});
  REQUIRE_THROWS_WITH(split_by_lists(names(3), {{"case_9"}, {}, {}}), Contains("\"case_9\"") && Contains("3 cases"));
  REQUIRE_THROWS_WITH(split_by_lists(names(3), {{"case_000"}, {}, {"case_000"}}), Contains("listed twice"));
  REQUIRE_THROWS_WITH(split_by_lists(names(3), {}), Contains("empty"));
  const TempDir folder;
  const Split split{{"a", "b"}, {}, {"c"}};
  std::ofstream(folder / "s.json") << split_to_json(split).dump();
  const auto back = read_split(folder / "s.json");
  REQUIRE((back.train == split.train && back.test == split.test && back.validation.empty()));
  std::ofstream(folder / "s.json") << R"({"trian": []})";
  REQUIRE_THROWS_WITH(read_split(folder / "s.json"), Contains("s.json") && Contains("\"trian\""));
  std::ofstream(folder / "s.json") << "{";
  REQUIRE_THROWS_WITH(read_split(folder / "s.json"), Contains("s.json") && Contains("train"));
  REQUIRE_THROWS_WITH(read_split(folder / "none.json"), Contains("none.json"));
  REQUIRE_THROWS_WITH(split_by_folder({{"x", {}, {}}}), Contains("case x") && Contains("train/"));
  REQUIRE(select_cases({{"x", {}, {}}, {"y", {}, {}}}, {"y"}).front().name == "y");
  REQUIRE_THROWS_WITH(select_cases({{"x", {}, {}}}, {"z"}), Contains("0 of 1"));
}

TEST_CASE("nnU-Net's list of folds is read by fold: its val cases test", "[data]") {
  const TempDir folder;
  std::ofstream(folder / "splits_final.json")
      << R"([{"train": ["a", "b"], "val": ["c"]}, {"train": ["b", "c"], "val": ["a"]}])";
  REQUIRE(folds_in_split(folder / "splits_final.json") == 2);
  const auto second = read_split(folder / "splits_final.json", 1);
  REQUIRE(second.train == std::vector<std::string>{"b", "c"});
  REQUIRE(second.test == std::vector<std::string>{"a"});
  REQUIRE(second.validation.empty());
  REQUIRE(read_split(folder / "splits_final.json").test == std::vector<std::string>{"c"});
  REQUIRE_THROWS_WITH(read_split(folder / "splits_final.json", 2), Contains("no fold 2") && Contains("0 to 1"));
  std::ofstream(folder / "one.json") << R"({"train": ["a"], "val": ["b"], "test": ["c"]})";
  REQUIRE(folds_in_split(folder / "one.json") == 0);
  REQUIRE(read_split(folder / "one.json").validation == std::vector<std::string>{"b"});
  std::ofstream(folder / "both.json") << R"({"train": ["a"], "validation": ["b"], "val": ["c"], "test": ["d"]})";
  REQUIRE_THROWS_WITH(read_split(folder / "both.json"), Contains("both.json") && Contains("are the same part"));
  std::ofstream(folder / "none.json") << "[]";
  REQUIRE_THROWS_WITH(folds_in_split(folder / "none.json"), Contains("empty"));
  REQUIRE_THROWS_WITH(read_split(folder / "none.json"), Contains("empty"));
  std::ofstream(folder / "numbers.json") << "[1, 2]";
  REQUIRE_THROWS_WITH(read_split(folder / "numbers.json"), Contains("numbers.json"));
}

TEST_CASE("splits that cannot be are refused", "[data]") {
  REQUIRE_THROWS_WITH(split_by_fraction(names(5), 0.7, 0.1, 0.1, 0), Contains("sum to 1"));
  REQUIRE_THROWS_WITH(split_by_fraction(names(5), 1.2, -0.2, 0, 0), Contains("negative"));
  REQUIRE_THROWS_WITH(split_by_fraction(names(2), 0.7, 0.1, 0.2, 0), Contains("2 cases") && Contains("3 parts"));
  REQUIRE_THROWS_WITH(split_by_fraction({"a", "a"}, 0.5, 0, 0.5, 0), Contains("case a occurs twice"));
  REQUIRE_THROWS_WITH(split_by_fold(names(3), 5, 0, 0), Contains("5 folds"));
  REQUIRE_THROWS_WITH(split_by_fold(names(9), 5, 5, 0), Contains("no fold 5") && Contains("0 … 4"));
}

}  // namespace data_split_test

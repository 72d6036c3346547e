// SPDX-License-Identifier: MIT
/// The names of data files; what is refused about them is in find_cases.test.cpp.
#include <pam/datasets/data_files.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace datasets_data_files_test {
using namespace pam;

TEST_CASE("A stem is the name without the extension, in any case of the letters", "[datasets]") {
  REQUIRE(stem_of("x/a.nii.gz") == "a");
  REQUIRE(stem_of("a.b.PNG") == "a.b");
  REQUIRE(stem_of("a.txt") == "a.txt");
  REQUIRE(stem_of(".png") == ".png");
  REQUIRE(bare_label_stem("a_seg") == "a");
  REQUIRE(bare_label_stem("a_Mask") == "a");
  REQUIRE(bare_label_stem("_seg") == "_seg");
}

TEST_CASE("Data files are pictures and NIfTI, sorted, without hidden and other files", "[datasets]") {
  const test::TempDir folder;
  for (const char* name : {"b.png", "a.nii.gz", ".c.png", "notes.txt"}) std::ofstream(folder / name) << "x";
  std::vector<std::string> names;
  for (const auto& file : data_files(folder.path())) names.push_back(file.filename().string());
  REQUIRE(names == std::vector<std::string>{"a.nii.gz", "b.png"});
}

TEST_CASE("nnU-Net's channels are grouped by case, and a name without a number makes it another layout", "[datasets]") {
  const auto groups = channel_groups({"b_0000.nii.gz", "b_0001.nii.gz", "a_0000.nii.gz"});
  REQUIRE(groups.size() == 2);
  REQUIRE(groups.at("b").size() == 2);
  REQUIRE(channel_groups({"b_0000.nii.gz", "a.nii.gz"}).empty());
  REQUIRE_THROWS_WITH(check_channels(groups), Catch::Contains("case b: has 2 channels, case a has 1"));
  REQUIRE_THROWS_WITH(check_channels(channel_groups({"a_0000.png", "a_0002.png"})), Catch::Contains("a_0001 here"));
}

}  // namespace datasets_data_files_test

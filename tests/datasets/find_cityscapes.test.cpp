// SPDX-License-Identifier: MIT
#include <pam/datasets/find_cityscapes.hpp>
#include <pam/images/load_case.hpp>
#include "support/phantom.hpp"
#include <pam/data/split.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace datasets_find_cityscapes_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;
using Names = std::vector<std::string>;

void touch(const TempDir& folder, const Names& names) {
  for (const auto& name : names) write_file(folder / name);
}
/// A picture and its label, as in the archives.
void touch_pair(const TempDir& folder, const std::string& split, const std::string& city, const std::string& name,
                const std::string& images = "leftImg8bit/", const std::string& labels = "gtFine/") {
  touch(folder, {images + split + "/" + city + "/" + name + "_leftImg8bit.png",
                 labels + split + "/" + city + "/" + name + "_gtFine_labelIds.png"});
}
std::string why(const std::filesystem::path& root, const std::string& city = "") {
  return message_of<Error>([&] { static_cast<void>(find_cityscapes(root, city)); });
}

TEST_CASE("Cityscapes: the last training city validates, the official val tests, vehicles are 26 to 33", "[datasets]") {
  const TempDir folder;
  write_cityscapes_phantom(folder.path(), {2, {32, 64}, 0, 3});
  const auto found = find_cityscapes(folder.path());
  const auto split = split_by_folder(found.cases);
  REQUIRE(split.train == Names{"aachen_000000_000019", "aachen_000001_000019"});
  REQUIRE(split.validation == Names{"zurich_000000_000019", "zurich_000001_000019"});
  REQUIRE(split.test == Names{"frankfurt_000000_000019", "frankfurt_000001_000019"});
  REQUIRE(found.notices.size() == 1);
  REQUIRE_THAT(found.notices[0], Contains("validation") && Contains("zurich"));
  CaseOptions options;
  options.labels = LabelMap::parse(kCityscapesVehicles);
  const auto first = load_case(found.cases.front(), options);
  const auto ids = read_label_image(found.cases.front().labels).to(torch::kLong);
  REQUIRE(first.image.sizes() == torch::IntArrayRef({3, 1, 32, 64}));
  REQUIRE(first.labels[0].to(torch::kLong).equal(ids.ge(26).logical_and(ids.le(33)).to(torch::kLong)));
  REQUIRE(first.labels.eq(1).any().item<bool>());
}

TEST_CASE("Cityscapes' vehicle category: caravan and trailer count, void and persons do not", "[datasets]") {
  const auto map = LabelMap::parse(kCityscapesVehicles);
  // Ids of cityscapesscripts/helpers/labels.py; licence plate (-1) is never drawn, but would not be a vehicle either.
  for (const int id : {26, 27, 28, 29, 30, 31, 32, 33}) REQUIRE(map.class_of(id, "") == 1);
  for (const int id : {-1, 0, 1, 2, 3, 4, 5, 6, 7, 23, 24, 25}) REQUIRE(map.class_of(id, "") == 0);
}

TEST_CASE("Cityscapes: the held-out city is chosen by name, or none is", "[datasets]") {
  const TempDir folder;
  for (const char* city : {"aachen", "bochum", "zurich"}) touch_pair(folder, "train", city, std::string(city) + "_0");
  touch_pair(folder, "val", "munster", "munster_0");
  auto split = split_by_folder(find_cityscapes(folder.path(), "bochum").cases);
  REQUIRE(split.train == Names{"aachen_0", "zurich_0"});
  REQUIRE(split.validation == Names{"bochum_0"});
  REQUIRE(split.test == Names{"munster_0"});
  const auto all = find_cityscapes(folder.path(), "none");
  split = split_by_folder(all.cases);
  REQUIRE((split.train.size() == 3 && split.validation.empty() && all.notices.empty()));
  REQUIRE_THAT(why(folder.path(), "bohcum"), Contains("no training city \"bohcum\"") && Contains("nearest: bochum"));
  REQUIRE_THAT(why(folder.path(), "munster"), Contains("no training city \"munster\""));  // official val is for testing
  const TempDir single;
  touch_pair(single, "train", "ulm", "ulm_0");
  touch_pair(single, "val", "munster", "munster_0");
  REQUIRE_THAT(why(single.path()), Contains("one city, ulm") && Contains("hold out none"));
  REQUIRE(find_cityscapes(single.path(), "none").cases.size() == 2);
}

TEST_CASE("Cityscapes: archives' own folders are looked into; test and train_extra are ignored with warnings",
          "[datasets]") {
  const TempDir folder;
  const std::string images = "leftImg8bit_trainvaltest/leftImg8bit/", labels = "gtFine_trainvaltest/gtFine/";
  for (const char* city : {"aachen", "zurich"}) {
    touch_pair(folder, "train", city, std::string(city) + "_0", images, labels);
  }
  touch_pair(folder, "val", "lindau", "lindau_0", images, labels);
  touch_pair(folder, "test", "berlin", "berlin_0", images, labels);  // the public labels of test are dummies
  touch(folder, {images + "train_extra/erlangen/erlangen_0_leftImg8bit.png", "gtFine_trainvaltest/README",
                 labels + "val/lindau/lindau_9_gtFine_labelIds.png", labels + "val/lindau/lindau_0_gtFine_color.png"});
  const auto found = find_cityscapes(folder.path().string() + "/");
  REQUIRE(names_of(found.cases) == Names{"aachen_0", "lindau_0", "zurich_0"});
  const auto notices = joined(found.notices, "\n");
  REQUIRE_THAT(notices, Contains("test: ignored") && Contains("train_extra: ignored"));
  REQUIRE_THAT(notices, Contains("lindau_9_gtFine_labelIds.png") && Contains("1 label files have no picture"));
  // A city whose pictures are missing: another would be held out in its place.
  touch(folder, {labels + "train/zwickau/zwickau_0_gtFine_labelIds.png"});
  REQUIRE_THAT(joined(find_cityscapes(folder.path()).notices, "\n"), Contains("zwickau_0_gtFine_labelIds.png"));
}

TEST_CASE("Cityscapes: absent data, missing folders and missing labels are named, with the layout", "[datasets]") {
  const TempDir folder;
  const auto help = pam::detail::help_text(pam::detail::kCityscapesHelp);
  REQUIRE_THAT(help, Contains("cityscapes-dataset.com") && Contains("leftImg8bit/{train,val}/CITY"));
  REQUIRE_THAT(why({}), Contains("no folder") && Contains(help));
  REQUIRE_THAT(why(folder / "none"), Contains("none: no such folder") && Contains(help));
  REQUIRE_THAT(why(folder.path()), Contains("is empty") && Contains(help));
  touch(folder, {"file.txt"});
  REQUIRE_THAT(why(folder / "file.txt"), Contains("is a file") && Contains(help));
  REQUIRE_THAT(why(folder.path()), Contains("no leftImg8bit/train") && Contains(help));
  std::filesystem::create_directories(folder / "leftImg8bit/train/aachen");
  REQUIRE_THAT(why(folder.path()), Contains("leftImg8bit/val: no such folder") && Contains(help));
  std::filesystem::create_directories(folder / "leftImg8bit/val");
  REQUIRE_THAT(why(folder.path()), Contains("no gtFine/train") && Contains(help));
  for (const char* split : {"train", "val"}) std::filesystem::create_directories(folder / "gtFine" / split);
  REQUIRE_THAT(why(folder.path()), Contains("leftImg8bit/train") && Contains("hold no *_leftImg8bit.png"));
  touch_pair(folder, "train", "aachen", "aachen_0");
  touch_pair(folder, "train", "zurich", "zurich_0");
  touch_pair(folder, "val", "lindau", "lindau_0");
  REQUIRE(find_cityscapes(folder.path()).cases.size() == 3);
  std::filesystem::remove(folder / "gtFine/train/zurich/zurich_0_gtFine_labelIds.png");
  REQUIRE_THAT(why(folder.path()), Contains("gtFine/train/zurich/zurich_0_gtFine_labelIds.png: no such label file") &&
                                       Contains("1 of 2 pictures") && Contains(help));
  touch_pair(folder, "train", "zurich", "zurich_0");
  touch(folder, {"copy/leftImg8bit/train/aachen/x"});  // only looked at where the root has none of its own
  REQUIRE(find_cityscapes(folder.path()).cases.size() == 3);
  std::filesystem::rename(folder / "leftImg8bit", folder / "leftImg8bit_moved");
  touch(folder, {"other/leftImg8bit/train/aachen/x"});
  REQUIRE_THAT(why(folder.path()), Contains("holds 2 folders with leftImg8bit"));
}

}  // namespace datasets_find_cityscapes_test

// SPDX-License-Identifier: MIT
#include <pam/images/label_volume.hpp>

#include <pam/images/load_case.hpp>
#include <pam/images/load_labels.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

namespace images_label_volume_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

/// A volume whose header scales its int16 by `slope`: as tools write integers that they hold as floating point.
void write_scaled(const std::filesystem::path& path, const torch::Tensor& stored, float slope, float intercept = 0) {
  write_nifti(path, stored.to(torch::kShort));
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(112);  // scl_slope and scl_inter
  file.write(reinterpret_cast<const char*>(&slope), 4);
  file.write(reinterpret_cast<const char*>(&intercept), 4);
}

TEST_CASE("labels that a header scales are rounded with a warning, where they are close to integers", "[images]") {
  const TempDir folder;
  // 1001 … 2035 spread over the 65535 steps of an int16, as nibabel does it.
  const auto labels = torch::tensor({1001.0, 1002.0, 2035.0, 1500.0}, torch::kDouble).view({1, 2, 2});
  const float slope = 1034.0F / 65535.0F, intercept = 1001.0F + 32768.0F * slope;
  const auto stored = ((labels - static_cast<double>(intercept)) / static_cast<double>(slope)).round();
  write_scaled(folder / "a.nii", stored, slope, intercept);
  REQUIRE_FALSE(torch::equal(read_nifti(folder / "a.nii").voxels.to(torch::kDouble), labels));  // the fault itself
  std::vector<std::string> notices;
  const auto read = read_label_volume(folder / "a.nii", false, notices);
  REQUIRE(torch::equal(read.voxels.to(torch::kDouble), labels));
  REQUIRE(notices.size() == 1);
  REQUIRE_THAT(notices.front(), Contains("a.nii") && Contains("scl_slope") && Contains("rounded"));
  const auto mapped = load_labels({"a", {}, folder / "a.nii"}, LabelMap::parse("2035"));
  REQUIRE(mapped.sum().item<std::int64_t>() == 1);
}

TEST_CASE("scaled numbers that are no labels stay as they are and are refused", "[images]") {
  const TempDir folder;
  write_scaled(folder / "image.nii", torch::arange(8).view({2, 2, 2}), 0.3F);
  std::vector<std::string> notices;
  const auto read = read_label_volume(folder / "image.nii", false, notices);
  REQUIRE(notices.empty());
  REQUIRE_THROWS_WITH(LabelMap::nonzero().apply(read.voxels, "image.nii"), Contains("is not an integer"));
  // Half a slope away from the integers: the stored number does not say which was meant.
  write_scaled(folder / "half.nii", torch::arange(8).view({2, 2, 2}), 1.0F, 0.5F);
  const auto half = read_label_volume(folder / "half.nii", false, notices);
  REQUIRE(notices.empty());
  REQUIRE_THROWS_WITH(LabelMap::nonzero().apply(half.voxels, "half.nii"), Contains("0.5 is not an integer"));
}

TEST_CASE("NaN and infinity in labels are refused as such, or taken as background with a warning", "[images]") {
  const TempDir folder;
  auto voxels = torch::ones({2, 2, 2});
  voxels[0][0][1] = std::numeric_limits<float>::quiet_NaN();
  voxels[1][1][1] = std::numeric_limits<float>::infinity();
  write_nifti(folder / "l.nii.gz", voxels);
  write_nifti(folder / "i.nii.gz", torch::rand({2, 2, 2}));
  std::vector<std::string> notices;
  REQUIRE_THROWS_WITH(read_label_volume(folder / "l.nii.gz", false, notices),
                      Contains("l.nii.gz: 2 of 8 voxels are NaN or infinite") && Contains("zero_non_finite"));
  const auto read = read_label_volume(folder / "l.nii.gz", true, notices);
  REQUIRE(read.voxels.sum().item<float>() == 6);
  REQUIRE_THAT(notices.at(0), Contains("2 of 8 voxels") && Contains("background"));
  CaseOptions options;
  options.labels = LabelMap::nonzero();
  const CaseFiles files{"c", {folder / "i.nii.gz"}, folder / "l.nii.gz"};
  REQUIRE_THROWS_WITH(load_case(files, options), Contains("case c") && Contains("NaN or infinite"));
  options.zero_non_finite = true;
  const auto each = load_case(files, options);
  REQUIRE(each.labels.sum().item<std::int64_t>() == 6);
  REQUIRE_THAT(each.notices.at(0), Contains("background"));
}

TEST_CASE("an sform of zeros beside a qform is passed over, as ITK does; alone it is refused", "[images]") {
  const TempDir folder;
  auto geometry = geometry_of(Affine{{{2, 0, 0, 5}, {0, 3, 0, 6}, {0, 0, 4, 7}}});
  geometry.sform = {};
  geometry.qform_code = 1;
  geometry.qform = {0, 0, 0, 5, 6, 7};  // no rotation
  write_nifti(folder / "a.nii", torch::zeros({3, 4, 5}), geometry);
  const auto read = read_nifti_geometry(folder / "a.nii");
  REQUIRE(read.affine == Affine{{{2, 0, 0, 5}, {0, 3, 0, 6}, {0, 0, 4, 7}}});
  REQUIRE(read.sform_code == 0);  // what is written from it does not claim the sform again
  geometry.qform_code = 0;
  write_nifti(folder / "b.nii", torch::zeros({3, 4, 5}), geometry);
  REQUIRE_THROWS_WITH(read_nifti_geometry(folder / "b.nii"), Contains("sform") && Contains("degenerate"));
}

TEST_CASE("halves of .hdr/.img pairs are refused by that name", "[images]") {
  const TempDir folder;
  write_file(folder / "a.img", "voxels");
  REQUIRE_THROWS_WITH(load_case({"a", {folder / "a.img"}, {}}), Contains("a.img") && Contains(".hdr/.img pair"));
}

}  // namespace images_label_volume_test

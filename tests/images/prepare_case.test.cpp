// SPDX-License-Identifier: MIT
#include <pam/images/image.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/prepare_case.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace images_prepare_case_test {

using namespace pam;
using Catch::Contains;

TEST_CASE("an image in memory is prepared as the file that holds it", "[images]") {
  const test::TempDir folder;
  torch::manual_seed(1);
  const auto picture = torch::randint(0, 256, {3, 31, 40}, torch::kByte);
  const auto grey = torch::randint(0, 65536, {1, 31, 40}, torch::kInt);
  const auto volume = torch::randint(0, 300, {4, 31, 40}, torch::kShort);
  write_image(folder / "picture.png", picture);
  write_image(folder / "grey.png", grey);
  write_nifti(folder / "volume.nii.gz", volume, {});
  std::vector<CaseOptions> ways(4);
  ways[1].crop = {20, 44};
  ways[2].normalise = Normalise::None;
  ways[2].pad_to_at_least = {33, 20};
  ways[3].normalise = Normalise::ZScoreNonzero;
  ways[3].crop = {16, 16};
  ways[3].pad_to_at_least = {24, 24};
  const auto same = [&](const torch::Tensor& image, const char* file, const CaseOptions& how) {
    CAPTURE(file, how.crop.height, how.resize.height, how.channels);
    const auto ours = prepare_case(image, how), theirs = load_case({"image", {folder / file}, {}}, how);
    CHECK(torch::equal(ours.image, theirs.image));
    CHECK(ours.is_volume == theirs.is_volume);
    CHECK(ours.eight_bit == theirs.eight_bit);
    CHECK(ours.input_size == theirs.input_size);
    CHECK(ours.resized_size == theirs.resized_size);
    CHECK(ours.offset == theirs.offset);
    CHECK(ours.cut_before == theirs.cut_before);
    CHECK(ours.cut_after == theirs.cut_after);
  };
  for (auto how : ways) {
    same(volume.unsqueeze(0), "volume.nii.gz", how);
    for (const auto resize : {PlaneSize{}, PlaneSize{22, 57}, PlaneSize{15, 20}}) {
      how.resize = resize;
      for (const std::int64_t channels : {0, 1, 3}) {
        how.channels = channels;
        same(picture, "picture.png", how);
        same(grey, "grey.png", how);
      }
    }
  }
}

TEST_CASE("an image in memory stays as it is, and what cannot be prepared is refused", "[images]") {
  auto image = torch::rand({1, 8, 8});
  image[0][2][3] = NAN;
  const auto before = image.clone();
  CaseOptions how;
  how.resize = {4, 4};
  CHECK_THROWS_WITH(prepare_case(image, how, "frame 7"),
                    Contains("frame 7: 1 of 64 voxels are NaN") && Contains("CaseOptions::zero_non_finite"));
  how.zero_non_finite = true;
  CHECK(torch::isfinite(prepare_case(image, how).image).all().item<bool>());
  how.resize = {};
  CHECK(torch::isfinite(prepare_case(image, how).image).all().item<bool>());
  CHECK(torch::allclose(image, before, 0, 0, /*equal_nan=*/true));
  CHECK_THROWS_WITH(prepare_case(torch::rand({8, 8})), Contains("(C, H, W)") && Contains("[8, 8]"));
  CHECK_THROWS_WITH(prepare_case(torch::ones({1, 8, 8}, torch::kLong)), Contains("uint8") && Contains("Long"));
  how.resize = {4, 4};
  CHECK_THROWS_WITH(prepare_case(torch::rand({1, 2, 8, 8}), how), Contains("volumes are cropped or padded"));
  how = {};
  how.channels = 3;
  CHECK_THROWS_WITH(prepare_case(torch::rand({2, 8, 8}), how), Contains("CaseOptions::channels asks for 3"));
  how.normalise = Normalise::Unit;
  CHECK_THROWS_WITH(prepare_case(torch::rand({1, 2, 8, 8}), how), Contains("volumes have no fixed range"));
}

TEST_CASE("the z-score over voxels that are not 0 warns of images whose background is not 0", "[images]") {
  const auto brain = torch::rand({1, 4, 8, 8}).mul(torch::arange(8).ge(3).to(torch::kFloat));
  CHECK(prepare_case(brain).notices.empty());
  const auto ct = torch::randint(-1000, 1500, {1, 4, 8, 8});
  const auto warned = prepare_case(ct, {}, "ct.nii").notices;
  REQUIRE(warned.size() == 1);
  CHECK_THAT(warned.front(),
             Contains("ct.nii: holds negative values, down to -") && Contains("CaseOptions::normalise"));
  CHECK_THAT(prepare_case(ct + 5000).notices.at(0), Contains("only 0 of 256 voxels are 0"));
  CaseOptions chosen;
  for (const auto kind : {Normalise::ZScoreAll, Normalise::MinMax, Normalise::None}) {
    chosen.normalise = kind;
    CHECK(prepare_case(ct, chosen).notices.empty());
  }
}

TEST_CASE("why 0 is no background is said, and not where a training's preparation is followed", "[images]") {
  CaseOptions plain;
  plain.normalise = Normalise::None;
  auto ct = torch::arange(2000).view({1, 20, 10, 10}).to(torch::kFloat) - 1000;
  CHECK(background_doubt(prepare_case(ct, plain, "ct")) == "ct: holds negative values, down to -1000");
  CHECK(background_doubt(prepare_case(ct + 1001, plain, "head")) == "head: only 0 of 2000 voxels are 0");
  CHECK(background_doubt(prepare_case(ct.clamp_min(0), plain, "mri")).empty());
  CaseOptions options;
  options.normalise = Normalise::ZScoreNonzero;
  REQUIRE(prepare_case(ct, options, "ct").notices.size() == 1);
  options.as_trained = true;
  CHECK(prepare_case(ct, options, "ct").notices.empty());
}

TEST_CASE("a channel of one value has a notice with the value; one colour of a picture may be constant", "[images]") {
  CaseOptions options;
  options.normalise = Normalise::ZScoreAll;
  auto volume = torch::rand({2, 3, 8, 8});
  CHECK(prepare_case(volume, options, "scan").notices.empty());
  volume[1].fill_(7);
  const auto notices = prepare_case(volume, options, "scan").notices;
  REQUIRE(notices.size() == 1);
  CHECK(notices.front() == "scan: all voxels of channel 1 have the value 7: there is nothing to segment");
  auto picture = torch::randint(0, 256, {3, 8, 8}, torch::kByte);
  picture[2].fill_(9);
  CHECK(prepare_case(picture, {}, "picture").notices.empty());
  picture.fill_(9);
  CHECK(prepare_case(picture, {}, "picture").notices ==
        std::vector<std::string>{"picture: all pixels have one value: there is nothing to segment"});
}

}  // namespace images_prepare_case_test

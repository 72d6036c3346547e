// SPDX-License-Identifier: MIT
#include <pam/images/reorientation.hpp>

#include <pam/images/crop.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace images_reorientation_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

/// One volume of 5 x 6 x 7 mm (x, y, z in world), voxel (x, y, z) = 100 x + 10 y + z + 1, stored with axes of `code`:
/// each stored voxel asks its world position for its value.
struct Stored {
  torch::Tensor voxels;
  NiftiGeometry geometry;
};
Stored stored_as(const std::string& code) {
  const std::array<std::int64_t, 3> world{5, 6, 7};
  Affine affine{};
  std::array<std::int64_t, 3> size{};  // x, y, z of the file
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto at = std::string("LRPAIS").find(code[axis]);
    const auto row = at / 2;
    size[axis] = world[row];
    affine[row][axis] = at % 2 == 1 ? 1 : -1;
    if (at % 2 == 0) affine[row][3] = static_cast<double>(world[row] - 1);
  }
  Stored result{torch::zeros({size[2], size[1], size[0]}), geometry_of(affine)};
  for (std::int64_t z = 0; z < size[2]; ++z) {
    for (std::int64_t y = 0; y < size[1]; ++y) {
      for (std::int64_t x = 0; x < size[0]; ++x) {
        const auto p = to_world(affine, static_cast<double>(x), static_cast<double>(y), static_cast<double>(z));
        result.voxels[z][y][x] = 100 * p[0] + 10 * p[1] + p[2] + 1;
      }
    }
  }
  return result;
}

TEST_CASE("volumes stored in any orientation become the same voxels, and predictions return to the input's",
          "[images]") {
  const TempDir folder;
  const auto expected = stored_as("RAS");
  CaseOptions options;
  options.normalise = Normalise::None;
  options.orient = "RAS";
  options.labels = LabelMap::parse("300-399");
  options.crop = {4, 4};
  torch::Tensor image, labels;
  for (const char* code : {"RAS", "LPS", "PIR", "ASL", "SRP"}) {
    CAPTURE(code);
    const auto stored = stored_as(code);
    REQUIRE(orientation(stored.geometry.affine) == code);
    write_nifti(folder / "a.nii", stored.voxels, stored.geometry);
    write_nifti(folder / "l.nii", stored.voxels.to(torch::kShort), stored.geometry);
    const auto each = load_case({"a", {folder / "a.nii"}, folder / "l.nii"}, options);
    if (!image.defined()) image = each.image, labels = each.labels;
    CHECK(torch::equal(each.image, image));
    CHECK(torch::equal(each.labels, labels));
    CHECK(each.axes() == "RAS");
    CHECK(each.geometry.affine == stored.geometry.affine);  // what is written lies as the input
    // The cropped-away voxels become 0; all others return to where they were stored.
    const auto returned = to_input_grid(each.image[0], each);
    REQUIRE(returned.sizes() == stored.voxels.sizes());
    CHECK(returned.ne(0).sum().item<std::int64_t>() == 7 * 4 * 4);
    CHECK(torch::equal(returned, stored.voxels * returned.ne(0)));
  }
  CHECK(torch::equal(image[0], expected.voxels.narrow(1, 1, 4).narrow(2, 0, 4)));
}

TEST_CASE("images and labels of one case that are stored in two orientations are brought together", "[images]") {
  const TempDir folder;
  const auto image = stored_as("LPS"), labels = stored_as("PIR");
  write_nifti(folder / "a.nii", image.voxels, image.geometry);
  write_nifti(folder / "l.nii", labels.voxels.to(torch::kShort), labels.geometry);
  CaseOptions options;
  options.normalise = Normalise::None;
  CHECK_THROWS_WITH(load_case({"a", {folder / "a.nii"}, folder / "l.nii"}, options), Contains("l.nii"));
  options.orient = "RAS";
  const auto each = load_case({"a", {folder / "a.nii"}, folder / "l.nii"}, options);
  CHECK(torch::equal(each.image[0].to(torch::kShort), each.labels));
}

TEST_CASE("a volume whose axes are not those of the training is turned as with orient, with a notice", "[images]") {
  const TempDir folder;
  const auto expected = stored_as("RAS");
  CaseOptions options;
  options.normalise = Normalise::None;
  options.axes = "RAS";
  for (const char* code : {"RAS", "LPS", "PIR", "RPI"}) {
    CAPTURE(code);
    const auto stored = stored_as(code);
    write_nifti(folder / "a.nii", stored.voxels, stored.geometry);
    write_nifti(folder / "l.nii", stored.voxels.to(torch::kShort), stored.geometry);
    options.labels = LabelMap::parse("300-399");
    const auto each = load_case({"a", {folder / "a.nii"}, folder / "l.nii"}, options);
    CHECK(torch::equal(each.image[0], expected.voxels));
    CHECK(torch::equal(each.labels.eq(1), expected.voxels.ge(300) & expected.voxels.lt(400)));
    CHECK(each.geometry.affine == stored.geometry.affine);
    CHECK(torch::equal(to_input_grid(each.image[0], each), stored.voxels));
    if (std::string(code) == "RAS") {
      CHECK(each.notices.empty());
    } else {
      REQUIRE(each.notices.size() == 1);
      CHECK_THAT(each.notices.front(), Contains("a.nii: its voxel axes run " + std::string(code) +
                                                "; turned to RAS, as the training's volumes ran"));
    }
  }
  // Anisotropic voxels: 2 x 3 x 4 mm along x, y, z as stored in PIR; x (to the right) of RAS is its z, and so on.
  write_nifti(folder / "s.nii", torch::rand({5, 6, 7}), geometry_of({{{0, 0, 4, 0}, {-2, 0, 0, 0}, {0, -3, 0, 0}}}));
  const auto spaced = load_case({"s", {folder / "s.nii"}, {}}, options);
  CHECK_THAT(spaced.notices.at(0), Contains("run PIR"));
  CHECK(spaced.image_spacing() == std::vector<double>{4, 2, 3});
  CHECK(spaced.spacing() == std::vector<double>{4, 3, 2});  // (z, y, x) of the file
  options.orient = "LPS";                                   // outranks axes, and has no notice
  const auto turned = load_case({"a", {folder / "a.nii"}, {}}, options);
  CHECK(turned.notices.empty());
  CHECK(turned.axes() == "LPS");
}

TEST_CASE("a volume without a place stays as stored for axes, with a notice, and is refused for orient", "[images]") {
  const TempDir folder;
  const auto stored = stored_as("LPS");
  write_nifti(folder / "b.nii", stored.voxels, NiftiGeometry());
  CaseOptions options;
  options.normalise = Normalise::None;
  options.axes = "RAS";
  const auto each = load_case({"b", {folder / "b.nii"}, {}}, options);
  CHECK(torch::equal(each.image[0], stored.voxels));
  REQUIRE(each.notices.size() == 1);
  CHECK_THAT(each.notices.front(), Contains("b.nii: its header has neither sform nor qform") &&
                                       Contains("ran RAS: taken as it is stored") && Contains("set one of the two"));
  options.orient = "RAS";
  CHECK_THROWS_WITH(load_case({"b", {folder / "b.nii"}, {}}, options),
                    Contains("b.nii") && Contains("neither sform nor qform"));
}

TEST_CASE("codes name each direction once", "[images]") {
  for (const char* code : {"RAS", "LPS", "PIR"}) CHECK(Reorientation::is_code(code));
  for (const char* code : {"", "RA", "RAR", "RLS", "XYZ", "ras", "RASS"}) CHECK_FALSE(Reorientation::is_code(code));
  CHECK_THROWS_WITH(Reorientation("RAS", "RAT"), Contains("\"RAT\" is no orientation"));
  CHECK_FALSE(Reorientation().changes());
  CHECK_FALSE(Reorientation("LPS", "LPS").changes());
}

}  // namespace images_reorientation_test

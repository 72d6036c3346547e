// SPDX-License-Identifier: MIT
#include <pam/images/crop.hpp>
#include <pam/images/hemispheres.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti_geometry.hpp>
#include <pam/images/resample.hpp>
#include "support/phantom.hpp"

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/tensor_matchers.hpp"

#include <fstream>

namespace images_load_case_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

NiftiGeometry grid(double spacing = 1, double x0 = 0) {
  return geometry_of({{{spacing, 0, 0, x0}, {0, spacing, 0, 0}, {0, 0, spacing, 0}}});
}

std::string why(const CaseFiles& files, const CaseOptions& options = {}) {
  try {
    static_cast<void>(load_case(files, options));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("the z-score takes mean and deviation over non-zero voxels, per modality", "[images]") {
  auto image = torch::rand({3, 4, 5, 6}) * 7 + 1;
  image[0].masked_fill_(torch::rand({4, 5, 6}) < 0.5, 0);
  image[2].zero_();
  const auto original = image.clone();
  zscore_nonzero(image);
  const auto inside = original[0].masked_select(original[0].ne(0)).to(torch::kDouble);
  const auto expected =
      torch::where(original[0].ne(0), (original[0].to(torch::kDouble) - inside.mean()) / inside.std(false),
                   torch::zeros({}, torch::kDouble));
  // One rounding to float32 of numbers up to about 4.
  REQUIRE_THAT(image[0], IsClose(expected).atol(1e-6));
  REQUIRE(image[1].mean().item<double>() == Approx(0).margin(1e-6));
  REQUIRE(torch::equal(image[2], original[2]));
  auto flat = torch::full({1, 3, 3}, 0.1F);
  zscore_nonzero(flat);  // one value: no spread, no NaN
  REQUIRE(torch::equal(flat, torch::zeros({1, 3, 3})));
  auto wrong = torch::ones({2, 3}, torch::kDouble);
  REQUIRE_THROWS_WITH(zscore_nonzero(wrong), Contains("float32"));
}

TEST_CASE("a volume of several modalities becomes channels, mapped labels and a grid", "[images]") {
  const TempDir folder;
  const auto a = torch::randint(0, 100, {3, 6, 8}, torch::kShort), b = torch::rand({3, 6, 8});
  a[0].zero_(), b[0].zero_();  // a background
  auto labels = torch::zeros({3, 6, 8}, torch::kByte);
  labels[1][2][3] = 4;
  labels[1][2][4] = 2;
  write_nifti(folder / "a.nii.gz", a, grid(2, -7));
  write_nifti(folder / "b.nii.gz", b, grid(2, -7));
  write_nifti(folder / "l.nii.gz", labels, grid(2, -7));
  CaseOptions options;
  options.labels = LabelMap::parse("4");
  const auto result = load_case({"p1", {folder / "a.nii.gz", folder / "b.nii.gz"}, folder / "l.nii.gz"}, options);
  REQUIRE(result.image.sizes() == torch::IntArrayRef({2, 3, 6, 8}));
  auto expected = torch::stack({a.to(torch::kFloat), b});
  zscore_nonzero(expected);
  REQUIRE(torch::equal(result.image, expected));
  REQUIRE(torch::equal(result.labels, labels.eq(4).to(torch::kShort)));
  REQUIRE(result.name == "p1");
  REQUIRE(result.geometry.spacing == std::array<double, 3>{2, 2, 2});
  REQUIRE(result.geometry.affine[0][3] == -7);
  REQUIRE(result.notices.empty());
  const auto slice = slice_of(result, 1);
  REQUIRE((slice.case_name == "p1" && slice.slice == 1));
  REQUIRE(torch::equal(slice.image, expected.select(1, 1)));
  REQUIRE(slice.labels[2][3].item<int>() == 1);
  REQUIRE_THROWS_WITH(slice_of(result, 3), Contains("no slice 3"));

  const auto plain = load_case({"p1", {folder / "a.nii.gz"}, {}}, {LabelMap(), Normalise::None});
  REQUIRE(torch::equal(plain.image[0], a.to(torch::kFloat)));
  REQUIRE_FALSE(plain.labels.defined());
}

TEST_CASE("a 4-D volume gives its fourth axis as channels", "[images]") {
  const TempDir folder;
  write_nifti(folder / "a.nii.gz", torch::rand({4, 2, 5, 6}), grid());
  write_nifti(folder / "l.nii.gz", torch::zeros({2, 5, 6}, torch::kByte), grid());
  REQUIRE(load_case({"c", {folder / "a.nii.gz"}, folder / "l.nii.gz"}).image.sizes() ==
          torch::IntArrayRef({4, 2, 5, 6}));
  REQUIRE_THAT(why({"c", {folder / "l.nii.gz"}, folder / "a.nii.gz"}),
               Contains("a.nii.gz") && Contains("4 label volumes"));
}

TEST_CASE("pictures are scaled to 0 … 1, resized, and cropped", "[images]") {
  const TempDir folder;
  const auto image = torch::randint(0, 256, {3, 8, 12}, torch::kByte);
  const auto labels = torch::randint(0, 2, {8, 12}, torch::kLong);
  write_image(folder / "i.png", image);
  write_label_image(folder / "l.png", labels);
  auto result = load_case({"c", {folder / "i.png"}, folder / "l.png"});
  REQUIRE(torch::equal(result.image.squeeze(1), image.to(torch::kFloat) / 255));
  REQUIRE(torch::equal(result.labels[0].to(torch::kLong), labels));
  REQUIRE((result.eight_bit && !result.is_volume));
  CaseOptions options;
  options.resize = {4, 6};
  options.crop = {4, 4};
  result = load_case({"c", {folder / "i.png"}, folder / "l.png"}, options);
  REQUIRE(result.image.sizes() == torch::IntArrayRef({3, 1, 4, 4}));
  const auto means = torch::avg_pool2d(image.to(torch::kFloat).unsqueeze(0), 2).squeeze(0).slice(2, 1, 5);
  // Rounded to whole levels.
  REQUIRE_THAT(result.image.squeeze(1) * 255, IsClose(means).atol(0.5 + 1e-4));
  REQUIRE((result.resized_size == std::array<std::int64_t, 3>{1, 4, 6} &&
           result.offset == std::array<std::int64_t, 3>{0, 0, 1}));

  write_image(folder / "deep.png", torch::full({1, 2, 2}, 65535, torch::kInt));
  const auto deep = load_case({"c", {folder / "deep.png"}, {}});
  REQUIRE((torch::equal(deep.image, torch::ones({1, 1, 2, 2})) && !deep.eight_bit));
  options = {};
  options.channels = 3;
  REQUIRE(load_case({"c", {folder / "deep.png"}, {}}, options).image.size(0) == 3);
}

TEST_CASE("slices below a size are padded as a loader pads them, larger ones are not changed", "[images]") {
  const TempDir folder;
  write_nifti(folder / "a.nii", torch::rand({2, 9, 14}) + 1, NiftiGeometry());
  CaseOptions options;
  options.pad_to_at_least = {12, 11};
  const auto padded = load_case({"a", {folder / "a.nii"}, {}}, options);
  const auto plain = load_case({"a", {folder / "a.nii"}, {}});
  REQUIRE(padded.plane() == PlaneSize{12, 14});
  // 3 rows more: 1 above (centre_offset), 2 below; the z-score is of the slice without them.
  REQUIRE(torch::equal(padded.image.narrow(2, 1, 9), plain.image));
  REQUIRE(padded.image.narrow(2, 0, 1).eq(0).all().item<bool>());
  REQUIRE(padded.image.narrow(2, 10, 2).eq(0).all().item<bool>());
  REQUIRE(torch::equal(to_input_grid(padded.image, padded), plain.image));
}

TEST_CASE("crop and pad are undone to the voxel", "[images]") {
  const TempDir folder;
  const auto volume = torch::randint(1, 100, {2, 7, 10}, torch::kShort);
  write_nifti(folder / "a.nii", volume, grid());
  write_nifti(folder / "l.nii", torch::ones({2, 7, 10}, torch::kByte), grid());
  for (const PlaneSize crop : {PlaneSize{5, 4}, {9, 12}, {4, 13}, {20, 3}, {7, 10}, {8, 11}}) {
    CaseOptions options;
    options.normalise = Normalise::None;
    options.crop = crop;
    const auto result = load_case({"c", {folder / "a.nii"}, folder / "l.nii"}, options);
    CAPTURE(crop.height, crop.width);
    REQUIRE(result.plane() == crop);
    const auto back = to_input_grid(result.image, result);
    REQUIRE(back.sizes() == torch::IntArrayRef({1, 2, 7, 10}));
    const auto kept = to_input_grid(torch::ones_like(result.labels), result, 0).eq(1);
    REQUIRE(torch::equal(back[0].masked_select(kept), volume.to(torch::kFloat).masked_select(kept)));
    REQUIRE(kept.sum().item<std::int64_t>() ==
            2 * std::min<std::int64_t>(7, crop.height) * std::min<std::int64_t>(10, crop.width));
    REQUIRE(to_input_grid(result.labels, result, -5).masked_select(kept.logical_not()).eq(-5).all().item<bool>());
    // Padding is ignored, and never foreground.
    REQUIRE(result.labels.eq(kIgnoreLabel).sum().item<std::int64_t>() ==
            2 * (crop.height * crop.width -
                 std::min<std::int64_t>(7, crop.height) * std::min<std::int64_t>(10, crop.width)));
  }
  Case source;
  source.image = torch::zeros({1, 2, 3, 4});
  REQUIRE_THROWS_WITH(to_input_grid(torch::zeros({2, 3, 5}), source),
                      Contains("[2, 3, 5]") && Contains("[1, 2, 3, 4]"));
}

TEST_CASE("a resized picture's prediction returns to the picture's size", "[images]") {
  const TempDir folder;
  write_image(folder / "i.png", torch::zeros({3, 8, 12}, torch::kByte));
  CaseOptions options;
  options.resize = {4, 6};
  const auto result = load_case({"c", {folder / "i.png"}, {}}, options);
  const auto prediction = torch::arange(24, torch::kLong).view({1, 4, 6});
  const auto back = to_input_grid(prediction, result);
  REQUIRE(torch::equal(back[0], prediction[0].repeat_interleave(2, 0).repeat_interleave(2, 1)));
  REQUIRE(back.scalar_type() == torch::kLong);
  REQUIRE(to_input_grid(torch::full({1, 4, 6}, 0.25), result).sizes() == torch::IntArrayRef({1, 8, 12}));
}

TEST_CASE("files that do not fit together are refused by name and size", "[images]") {
  const TempDir folder;
  write_nifti(folder / "a.nii", torch::rand({3, 6, 8}), grid());
  write_nifti(folder / "b.nii", torch::rand({3, 6, 7}), grid());
  write_nifti(folder / "l.nii", torch::zeros({3, 5, 8}, torch::kByte), grid());
  write_image(folder / "i.png", torch::zeros({1, 6, 8}, torch::kByte));
  write_image(folder / "l.png", torch::zeros({1, 6, 9}, torch::kByte));
  REQUIRE_THAT(why({"case7", {folder / "a.nii"}, folder / "l.nii"}), Contains("case7") && Contains("a.nii") &&
                                                                         Contains("l.nii") && Contains("8 x 5 x 3") &&
                                                                         Contains("8 x 6 x 3"));
  REQUIRE_THAT(why({"c", {folder / "a.nii", folder / "b.nii"}, {}}), Contains("b.nii") && Contains("7 x 6 x 3"));
  REQUIRE_THAT(why({"c", {folder / "i.png"}, folder / "l.png"}), Contains("9 x 6 pixels") && Contains("8 x 6 pixels"));
  REQUIRE_THAT(why({"c", {folder / "a.nii"}, folder / "l.png"}), Contains("one is a volume"));
  REQUIRE_THAT(why({"c", {}, {}}), Contains("no image files"));
  REQUIRE_THAT(why({"c", {folder / "x.txt"}, {}}), Contains("x.txt") && Contains("neither NIfTI"));
  CaseOptions options;
  options.resize = {4, 4};
  REQUIRE_THAT(why({"c", {folder / "a.nii"}, {}}, options), Contains("cropped or padded, not resized"));
  options = {};
  options.normalise = Normalise::Unit;
  REQUIRE_THAT(why({"c", {folder / "a.nii"}, {}}, options), Contains("z-score"));
}

TEST_CASE("what was cropped away and padded again is no prediction", "[images]") {
  const TempDir folder;
  write_nifti(folder / "a.nii", torch::ones({1, 8, 9}, torch::kShort), grid());
  CaseOptions options;
  options.normalise = Normalise::None;
  options.crop = {4, 3};
  options.pad_to_at_least = {10, 8};
  const auto source = load_case({"c", {folder / "a.nii"}, {}}, options);
  REQUIRE(source.plane() == PlaneSize{10, 8});
  auto seen = torch::zeros({1, 8, 9});
  seen.narrow(1, 2, 4).narrow(2, 3, 3).fill_(1);
  REQUIRE(torch::equal(to_input_grid(source.image, source)[0], seen));
  REQUIRE(torch::equal(to_input_grid(torch::ones({1, 10, 8}), source), seen));
  REQUIRE(torch::equal(to_input_grid(torch::ones({1, 10, 8}), source, 7).eq(1).to(torch::kFloat), seen));
  // Odd pixels are left over at the end, so this chain drifts off the one voxel there is: all is padding, all is fill.
  Case drifted;
  drifted.image = torch::ones({1, 1, 1, 1});
  drifted.input_size = drifted.resized_size = {1, 1, 1};
  for (const std::int64_t side : {2, 3, 4, 5, 1}) crop_case(drifted, {side, side});
  REQUIRE(drifted.image.item<float>() == 0);
  REQUIRE(to_input_grid(torch::ones({1, 1, 1}), drifted, 7).item<float>() == 7);
}

TEST_CASE("a plane size of one number, or a negative one, is refused", "[images]") {
  Case source;
  source.image = torch::ones({1, 1, 8, 8});
  for (const PlaneSize size : {PlaneSize{4, 0}, {0, 4}, {-4, -4}, {4, -1}}) {
    REQUIRE_THROWS_WITH(crop_case(source, size), Contains("two positive numbers, or none"));
  }
  crop_case(source, {});
  REQUIRE(source.plane() == PlaneSize{8, 8});
  const TempDir folder;
  write_image(folder / "i.png", torch::zeros({1, 8, 8}, torch::kByte));
  for (const auto member : {&CaseOptions::resize, &CaseOptions::crop, &CaseOptions::pad_to_at_least}) {
    CaseOptions options;
    options.*member = {4, 0};
    REQUIRE_THAT(why({"c", {folder / "i.png"}, {}}, options), Contains("case c") && Contains("4 x 0 pixels"));
  }
}

TEST_CASE("unknown labels and numbers that are not finite are refused with file and value", "[images]") {
  const TempDir folder;
  auto image = torch::rand({2, 3, 4});
  write_nifti(folder / "l.nii", torch::full({2, 3, 4}, 9, torch::kByte), grid());
  write_nifti(folder / "half.nii", torch::full({2, 3, 4}, 0.5), grid());
  write_nifti(folder / "a.nii", image, grid());
  CaseOptions options;
  options.labels = LabelMap::identity(2);
  REQUIRE_THAT(why({"c", {folder / "a.nii"}, folder / "l.nii"}, options),
               Contains("l.nii") && Contains("unknown label 9"));
  REQUIRE_THAT(why({"c", {folder / "a.nii"}, folder / "half.nii"}, options), Contains("half.nii") && Contains("0.5"));
  image[0][1][2] = NAN;
  image[1][0][0] = INFINITY;
  write_nifti(folder / "a.nii", image, grid());
  REQUIRE_THAT(why({"c", {folder / "a.nii"}, {}}), Contains("a.nii") && Contains("2 of 24 voxels"));
  options = {};
  options.zero_non_finite = true;
  const auto mended = load_case({"c", {folder / "a.nii"}, {}}, options);
  REQUIRE(mended.image.isfinite().all().item<bool>());
  REQUIRE_THAT(mended.notices.at(0), Contains("a.nii") && Contains("2 of 24 voxels") && Contains("read as 0"));

  // A picture of real numbers is mended before it is resized: the NaN would blank the mean of its 2 x 2 pixels.
  auto picture = torch::ones({1, 4, 4});
  picture[0][0][0] = NAN;
  write_image(folder / "a.tif", picture);
  options.resize = {2, 2};
  options.normalise = Normalise::None;
  const auto small = load_case({"c", {folder / "a.tif"}, {}}, options);
  REQUIRE_THAT(small.image[0][0], IsClose(torch::tensor({{0.75F, 1.0F}, {1.0F, 1.0F}})).atol(1e-6));  // float32
  REQUIRE(small.notices.size() == 1);
  options.zero_non_finite = false;
  REQUIRE_THAT(why({"c", {folder / "a.tif"}, {}}, options), Contains("a.tif") && Contains("1 of 16 voxels"));
}

TEST_CASE("a header that says no place in space moves nothing, and is no mirror", "[images]") {
  const TempDir folder;
  const auto image = torch::rand({4, 6, 8});
  const auto left = geometry_of({{{-1, 0, 0, 7}, {0, -1, 0, 5}, {0, 0, 1, 0}}});  // LPS
  write_nifti(folder / "a.nii", image, left);
  write_nifti(folder / "l.nii", torch::ones({4, 6, 8}, torch::kByte), NiftiGeometry());
  CaseOptions options;
  options.normalise = Normalise::None;
  for (const bool resampled : {false, true}) {
    options.resample = resampled;
    const auto result = load_case({"c", {folder / "a.nii"}, folder / "l.nii"}, options);
    CHECK(torch::equal(result.image[0], image));
    CHECK(result.geometry.affine == left.affine);
    CHECK(result.notices.empty());
  }
  write_nifti(folder / "l.nii", torch::ones({4, 6, 9}, torch::kByte), NiftiGeometry());
  CHECK_THAT(why({"c", {folder / "a.nii"}, folder / "l.nii"}, options),
             Contains("l.nii: is 9 x 6 x 4") && Contains("neither sform nor qform"));
  write_nifti(folder / "b.nii", torch::rand({2, 3, 4}), NiftiGeometry());  // a modality that cannot be placed
  CHECK_THAT(why({"c", {folder / "a.nii", folder / "b.nii"}, {}}, options),
             Contains("the header of b.nii has neither"));
}

TEST_CASE("a pixdim that contradicts the affine gives a warning, since distances are measured by it", "[images]") {
  const TempDir folder;
  auto geometry = grid(3);
  write_nifti(folder / "a.nii", torch::arange(192, torch::kFloat).view({4, 6, 8}), geometry);
  CHECK(load_case({"c", {folder / "a.nii"}, {}}).notices.empty());
  geometry.spacing = {1, 1, 1};
  write_nifti(folder / "a.nii", torch::rand({4, 6, 8}), geometry);
  CHECK_THAT(load_case({"c", {folder / "a.nii"}, {}}).notices.at(0),
             Contains("a.nii") && Contains("1 x 1 x 1 mm, its affine 3 x 3 x 3 mm"));
}

TEST_CASE("an affine that differs gives a warning; another grid is resampled only where asked", "[images]") {
  const TempDir folder;
  write_nifti(folder / "a.nii", torch::arange(192, torch::kFloat).view({4, 6, 8}), grid());
  write_nifti(folder / "l.nii", torch::zeros({4, 6, 8}, torch::kByte), grid(1, 3));
  auto result = load_case({"c", {folder / "a.nii"}, folder / "l.nii"});
  REQUIRE(result.notices.size() == 1);
  REQUIRE_THAT(result.notices[0], Contains("l.nii") && Contains("affines differ"));
  write_nifti(folder / "l.nii", torch::zeros({4, 6, 8}, torch::kByte),
              geometry_of({{{-1, 0, 0, 7}, {0, 1, 0, 0}, {0, 0, 1, 0}}}));
  CaseOptions as_stored;
  REQUIRE_THAT(why({"c", {folder / "a.nii"}, folder / "l.nii"}),
               Contains("l.nii: its voxel axes run LAS") && Contains("run RAS") && Contains("CaseOptions::resample"));
  as_stored.ignore_affine = true;
  REQUIRE_THAT(load_case({"c", {folder / "a.nii"}, folder / "l.nii"}, as_stored).notices.at(0),
               Contains("run LAS, not RAS") && Contains("voxel by voxel"));

  // A ramp along world x, sampled on a coarser grid, comes back as the same ramp where both grids overlap.
  const auto x = torch::arange(8, torch::kFloat).expand({4, 6, 8}).contiguous();
  auto coarse = geometry_of({{{2, 0, 0, 0.5}, {0, 2, 0, 0}, {0, 0, 2, 0}}});
  const auto ramp = (torch::arange(4, torch::kFloat) * 2 + 0.5).expand({2, 3, 4}).contiguous();
  write_nifti(folder / "a.nii", x, grid());
  write_nifti(folder / "b.nii", ramp, coarse);
  write_nifti(folder / "l.nii", torch::zeros({4, 6, 8}, torch::kByte), grid());
  const CaseFiles files{"c", {folder / "a.nii", folder / "b.nii"}, folder / "l.nii"};
  REQUIRE_THAT(why(files), Contains("b.nii") && Contains("one size"));
  CaseOptions options;
  options.resample = true;
  options.normalise = Normalise::None;
  result = load_case(files, options);
  REQUIRE(result.notices.size() == 1);
  REQUIRE_THAT(result.notices[0], Contains("b.nii") && Contains("resampled from 4 x 3 x 2"));
  // Columns 1 … 6 lie between the coarse voxel centres 0.5 … 6.5; trilinear interpolation keeps a ramp exactly.
  REQUIRE_THAT(result.image[1].slice(2, 1, 7), IsClose(x.slice(2, 1, 7)).atol(1e-5));
  REQUIRE(torch::equal(resample(x.unsqueeze(0), grid(), grid(), {4, 6, 8})[0], x));
  // A NaN counts, and becomes 0, in the file's own voxels: eight of the finer grid's would touch it.
  auto holed = ramp.clone(), zeroed = ramp.clone();
  holed[0][1][2] = NAN, zeroed[0][1][2] = 0;
  write_nifti(folder / "b.nii", zeroed, coarse);
  const auto expected = load_case(files, options);
  write_nifti(folder / "b.nii", holed, coarse);
  REQUIRE_THAT(why(files, options), Contains("b.nii") && Contains("1 of 24 voxels"));
  options.zero_non_finite = true;
  REQUIRE(torch::equal(load_case(files, options).image, expected.image));
  REQUIRE(resample(x.unsqueeze(0), grid(), grid(1, 100), {4, 6, 8}).abs().max().item<float>() == 0);
}

TEST_CASE("hemispheres are cut at world x = 0 on both orientations and go back to the whole grid", "[images]") {
  const TempDir folder;
  for (const bool starts_left : {true, false}) {
    // 9 columns at world x = -4 … 4: 4 left columns, 5 right ones with the midline.
    const double step = starts_left ? 1 : -1;
    const auto geometry = geometry_of({{{step, 0, 0, -4 * step}, {0, 1, 0, 0}, {0, 0, 1, 0}}});
    auto columns = torch::arange(1, 10, torch::kShort);
    if (!starts_left) columns = columns.flip(0);
    const auto volume = columns.expand({2, 3, 9}).contiguous();
    write_nifti(folder / "a.nii", volume, geometry);
    write_nifti(folder / "l.nii", volume.gt(5).to(torch::kByte), geometry);
    CaseOptions options;
    options.normalise = Normalise::None;
    const auto parts = hemisphere_cases({"ch2", {folder / "a.nii"}, folder / "l.nii"});
    const auto left = load_case(parts[0], options), right = load_case(parts[1], options);
    REQUIRE((left.name == "ch2_left" && right.name == "ch2_right"));
    REQUIRE(left.image.sizes() == torch::IntArrayRef({1, 2, 3, 4}));
    REQUIRE(right.image.sizes() == torch::IntArrayRef({1, 2, 3, 5}));
    REQUIRE((left.image.max().item<float>() == 4 && right.image.min().item<float>() == 5));
    REQUIRE(left.labels.max().item<int>() == 0);
    REQUIRE(torch::equal(to_input_grid(left.image, left) + to_input_grid(right.image, right),
                         volume.to(torch::kFloat).unsqueeze(0)));
    options.crop = {4, 6};
    const auto cropped = load_case(parts[1], options);
    const auto there = to_input_grid(cropped.image, cropped);
    REQUIRE(torch::equal(there, to_input_grid(right.image, right)));
    const auto whole = torch::ones(cropped.image.sizes());  // a net predicts in the padding too, past the cut
    REQUIRE(torch::equal(to_input_grid(whole, cropped)[0], volume.ge(5).to(torch::kFloat)));
  }
  write_nifti(folder / "a.nii", torch::rand({2, 3, 9}), grid(1, 5));
  REQUIRE_THAT(why(hemisphere_cases({"c", {folder / "a.nii"}, {}})[0]), Contains("a.nii") && Contains("does not cut"));
  write_nifti(folder / "a.nii", torch::rand({2, 3, 9}));
  REQUIRE_THAT(why(hemisphere_cases({"c", {folder / "a.nii"}, {}})[0]), Contains("no orientation"));
  write_image(folder / "i.png", torch::zeros({1, 4, 4}, torch::kByte));
  REQUIRE_THAT(why(hemisphere_cases({"c", {folder / "i.png"}, {}})[0]), Contains("only volumes have hemispheres"));
}

TEST_CASE("a volume whose x = 0 lies at its edge has no hemispheres", "[images]") {
  NiftiGeometry grid;
  grid.sform_code = 1;
  grid.affine = {{{-1, 0, 0, 0}, {0, -1, 0, 239}, {0, 0, 1, 0}}};  // BRATS: x runs from 0 to -239
  CHECK_THROWS_WITH(hemisphere_range(grid, {155, 240, 240}, CasePart::RightHemisphere, "b.nii"),
                    Contains("does not cut this volume in two halves (239 of 240"));
  grid.affine[0][3] = 120;
  CHECK(hemisphere_range(grid, {155, 240, 240}, CasePart::RightHemisphere, "b.nii").length == 121);
}

TEST_CASE("Debian's brain splits into hemispheres with 39 slices of deep grey matter each", "[images]") {
  const std::filesystem::path templates = "/usr/share/mricron/templates";
  if (!std::filesystem::exists(templates / "aal.nii.gz")) PAM_SKIP("Debian's mricron-data is absent");
  CaseOptions options;
  options.labels = LabelMap::parse("71-78");
  const auto parts = hemisphere_cases({"ch2bet", {templates / "ch2bet.nii.gz"}, templates / "aal.nii.gz"});
  std::int64_t foreground = 0;
  for (const auto& part : parts) {
    const auto half = load_case(part, options);
    const auto slices = half.labels.flatten(1).any(1).sum().item<std::int64_t>();
    CAPTURE(half.name, slices);
    REQUIRE((slices >= 35 && slices <= 39));
    foreground += half.labels.sum().item<std::int64_t>();
    REQUIRE(half.image.size(3) == (part.part == CasePart::LeftHemisphere ? 90 : 91));
  }
  const auto atlas = read_nifti(templates / "aal.nii.gz").voxels;
  REQUIRE(foreground == atlas.ge(71).logical_and(atlas.le(78)).sum().item<std::int64_t>());
}

TEST_CASE("the real BRATS case loads as four modalities with its enhancing tumour", "[images]") {
  const auto folder = shared_dir() / "data/brats/BraTS2021_00006";
  if (shared_dir().empty() || !std::filesystem::is_directory(folder)) PAM_SKIP("the developers' shared/data is absent");
  CaseFiles files{"BraTS2021_00006", {}, folder / "BraTS2021_00006_seg.nii.gz"};
  for (const char* modality : {"t1", "t1ce", "t2", "flair"})
    files.images.push_back(folder / fmt::format("BraTS2021_00006_{}.nii.gz", modality));
  CaseOptions options;
  options.labels = LabelMap::parse("4");
  options.crop = {160, 160};
  const auto result = load_case(files, options);
  REQUIRE(result.image.sizes() == torch::IntArrayRef({4, 155, 160, 160}));
  // SOURCES.md of the data pack: 26448 voxels, 99.86 % of them in the crop, on 43 slices.
  REQUIRE(result.labels.sum().item<std::int64_t>() == Approx(26448 * 0.9986).epsilon(1e-4));
  REQUIRE(result.labels.flatten(1).any(1).sum().item<std::int64_t>() == 43);
  REQUIRE(result.notices.empty());
}

}  // namespace images_load_case_test

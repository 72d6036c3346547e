// SPDX-License-Identifier: MIT
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/images/hemispheres.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/load_case.hpp>
#include <pam/images/nifti.hpp>
#include <pam/images/resample.hpp>
#include <pam/inference/predict_case.hpp>
#include <pam/nets/unet.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace inference_predict_case_test {

using namespace pam;
using Catch::Contains;
using test::TempDir;

Predictor predictor_of(std::int64_t channels, std::int64_t classes = 1, CaseOptions preparation = {}) {
  torch::manual_seed(6);
  return Predictor(UNet(UNetOptions<ConvBlock>(channels, classes).width(4)), preparation);
}

/// Not in the default orientation; world x = 0 lies between the columns.
NiftiGeometry geometry() {
  NiftiGeometry grid = geometry_of({{{-0.8, 0, 0, 12}, {0, 0.9, 0, -20}, {0, 0, 5, -30}}});
  return grid;
}

TEST_CASE("a case from files gets the prediction of its tensors, written on its own grid", "[inference]") {
  const TempDir folder;
  torch::manual_seed(1);
  const auto a = torch::rand({3, 40, 32}) * 900 + 1, b = torch::rand({3, 40, 32}) * 50 + 1;
  write_nifti(folder / "a.nii.gz", a, geometry());
  write_nifti(folder / "b.nii.gz", b, geometry());
  test::write_file(folder / "damaged.nii.gz", "labels are none of a prediction's business");
  CaseOptions preparation;
  preparation.crop = {30, 36};
  for (const std::int64_t classes : {1, 3}) {
    const auto predictor = predictor_of(2, classes, preparation);
    const CaseFiles files{"scan", {folder / "a.nii.gz", folder / "b.nii.gz"}, folder / "damaged.nii.gz"};
    const auto found = predict_case(predictor, files);
    const auto image = torch::stack({a, b});
    CHECK(torch::equal(found.labels, predictor.labels(image)));
    CHECK(torch::equal(found.probabilities, predictor.probabilities(image)));
    const auto written = write_prediction(found, folder / "out", /*probabilities=*/true);
    REQUIRE(written == prediction_files(files, classes, folder / "out"));
    REQUIRE(written == std::vector<std::filesystem::path>{folder / "out" / "scan.nii.gz",
                                                          folder / "out" / "scan_probability.nii.gz"});
    const auto mask = read_nifti(written[0]), map = read_nifti(written[1]);
    CHECK(torch::equal(mask.voxels.to(torch::kLong), found.labels));
    CHECK(torch::equal(map.voxels, classes == 1 ? found.probabilities[0] : found.probabilities));
    CHECK(same_grid(mask, read_nifti_geometry(folder / "a.nii.gz"), {3, 40, 32}));
    CHECK(same_grid(map, read_nifti_geometry(folder / "a.nii.gz"), {3, 40, 32}));
  }
  CHECK_THROWS_WITH(predict_case(predictor_of(2), {"scan", {folder / "a.nii.gz"}, {}}),
                    Contains("case scan") && Contains("has 1 channels") && Contains("CaseFiles::images"));
}

TEST_CASE("of one hemisphere the other half is background", "[inference]") {
  const TempDir folder;
  torch::manual_seed(2);
  write_nifti(folder / "a.nii", torch::rand({2, 40, 32}) + 1, geometry());
  const auto predictor = predictor_of(1);
  const auto halves = hemisphere_cases({"scan", {folder / "a.nii"}, {}});
  for (const auto& half : halves) {
    const auto found = predict_case(predictor, half);
    REQUIRE(found.labels.sizes() == torch::IntArrayRef({2, 40, 32}));
    const auto range = hemisphere_range(found.source.geometry, {2, 40, 32}, half.part, "a.nii");
    REQUIRE(range.dimension == 2);
    auto outside = found.probabilities.clone();
    outside.narrow(3, range.start, range.length).zero_();
    CHECK(outside.eq(0).all().item<bool>());
  }
}

TEST_CASE("pictures get pictures: PNG, TIFF for TIFF, a map per class", "[inference]") {
  const TempDir folder;
  torch::manual_seed(3);
  const auto picture = torch::randint(0, 256, {3, 40, 50}, torch::kByte);
  CaseOptions preparation;
  preparation.resize = {33, 36};
  const auto predictor = predictor_of(3, 3, preparation);
  for (const char* name : {"street.jpg", "street.png", "street.tiff"}) {
    CAPTURE(name);
    write_image(folder / name, picture);
    const CaseFiles files{"street", {folder / name}, {}};
    const auto found = predict_case(predictor, files);
    CHECK(torch::equal(found.labels[0], predictor.labels(read_image(folder / name))));
    const auto written = write_prediction(found, folder / "out", true);
    REQUIRE(written.size() == 4);
    const auto extension = std::string(name) == "street.tiff" ? ".tif" : ".png";
    CHECK(written[0].filename() == std::string("street") + extension);
    CHECK(written[3].filename() == std::string("street_probability_2") + extension);
    CHECK(torch::equal(read_label_image(written[0]).to(torch::kLong), found.labels[0]));
    for (std::size_t k = 0; k < 3; ++k) {
      const auto p = found.probabilities[static_cast<std::int64_t>(k)][0].to(torch::kDouble);
      // 16 bits: half a step of 1 / 65535, and float32 rounding.
      CHECK((read_image(written[k + 1])[0].to(torch::kDouble) / 65535 - p).abs().max().item<double>() < 1e-5);
    }
    CHECK(write_prediction(found, folder / "masks").size() == 1);
  }
}

}  // namespace inference_predict_case_test

// SPDX-License-Identifier: MIT
/// train --task isles on phantoms in the official layouts. Skipped by name where it was not built beside the tests.
#include <pam/images/nifti.hpp>

#include "apps/trainer_checks.hpp"

namespace apps_train_isles_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;
using test::Trainer;

/// ISLES'22 as it is downloaded: DWI, ADC and mask on one grid, FLAIR on one with half the slices.
void write_isles22(const std::filesystem::path& root, int cases) {
  const auto fine = geometry_of({{{2, 0, 0, -40}, {0, 2, 0, -40}, {0, 0, 2, 0}}});
  const auto coarse = geometry_of({{{4, 0, 0, -40}, {0, 4, 0, -40}, {0, 0, 4, 0}}});
  for (int i = 0; i < cases; ++i) {
    const auto name = fmt::format("sub-strokecase{:04}", i + 1);
    const auto images = root / "rawdata" / name / "ses-0001", labels = root / "derivatives" / name / "ses-0001";
    std::filesystem::create_directories(images);
    std::filesystem::create_directories(labels);
    torch::manual_seed(i);
    auto mask = torch::zeros({4, 40, 36}, torch::kShort);
    mask.narrow(1, 8 + i, 9).narrow(2, 10, 7).fill_(1);
    const auto dwi = torch::rand({4, 40, 36}) * 100 + 50 + 200 * mask;
    const auto file = [&](const char* kind) { return name + "_ses-0001_" + kind + ".nii.gz"; };
    write_nifti(images / file("dwi"), dwi, fine);
    write_nifti(images / file("adc"), 400 - dwi, fine);
    write_nifti(images / file("flair"), torch::rand({2, 20, 18}) + 1, coarse);
    write_nifti(labels / file("msk"), mask, fine);
  }
}

TEST_CASE("train --task isles chooses the epoch on a tenth of ISLES 2018 and scores every slice of a fifth", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("isles", folder);
  write_isles_phantom(trainer.data(), {10, {40, 44}, 3});
  const auto end = trainer.run({"--epochs", "2", "--crop", "48x40"});  // padded to 48 rows, cropped to 40 columns
  INFO(end.err);
  REQUIRE(end.code == 0);
  const auto scores = trainer.json("unet/scores.json");
  REQUIRE(scores["cases"].size() == 2);
  REQUIRE(scores["weights"] == "best.safetensors");
  REQUIRE(scores["distance_unit"] == "mm");
  for (const auto& each : scores["cases"]) REQUIRE(test::scored_pixels(each) == 3 * 40 * 44);
  REQUIRE_THAT(test::text_of(trainer.out() / "report.html"),
               Contains("7 cases with") && Contains("1 case to choose the epoch, 2 cases to test"));
  REQUIRE_THAT(test::text_of(trainer.out() / "table.md"), Contains("63 patients"));
  REQUIRE(read_safetensors(trainer.out() / "unet" / "best.safetensors").tensors.front().second.size(1) == 4);
}

TEST_CASE("train --task isles brings ISLES'22's modalities to the grid of the label, and says so", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("isles", folder);
  write_isles22(trainer.data(), 3);
  const auto end = trainer.run({"--folds", "3", "--fold", "1", "--validation-share", "0", "--crop", "40x40"});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.err, Contains("flair.nii.gz: resampled"));
  REQUIRE_THAT(test::text_of(trainer.out() / "table.md"), Contains("ISLES'22, fold 1 of 3") && Contains("resampled"));
  const auto scores = trainer.json("unet/scores.json");
  REQUIRE(scores["cases"].size() == 1);
  REQUIRE(scores["weights"] == "last.safetensors");
  REQUIRE(test::scored_pixels(scores["cases"][0]) == 4 * 40 * 36);
  REQUIRE(scores["cases"][0]["confusion"]["tp"].get<std::int64_t>() +
              scores["cases"][0]["confusion"]["fn"].get<std::int64_t>() ==
          4 * 9 * 7);
  const auto weights = read_safetensors(trainer.out() / "unet" / "last.safetensors");
  REQUIRE(weights.tensors.front().second.size(1) == 3);
  REQUIRE(nlohmann::json::parse(weights.metadata.at("pam.input"))["resample"] == true);
}

TEST_CASE("train --task isles has the paper's task by default, and its options go through a file unchanged", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("isles", folder);
  const auto config = trainer.defaults();
  test::check_paper_defaults(config, 60, 80, 1e-3);
  REQUIRE(config["crop"] == "224x224");
  REQUIRE(config["validation_share"] == 0.1);
  REQUIRE(config["test_share"] == 0.2);
  REQUIRE(config["folds"] == 0);
  REQUIRE(config["label_values"] == "1");
  trainer.round_trip({"--data", "there", "--folds", "4", "--fold", "3", "--slices", "all", "--skip-bad"});
}

TEST_CASE("train --task isles refuses bad options, and an absent data set by saying where it is had", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("isles", folder);
  trainer.refuses({}, {"no such folder", "registration", "TRAINING/case_N"});
  trainer.refuses({"--folds", "3", "--fold", "3"}, {"--fold 3", "0 to 2"});
  trainer.refuses({"--test-share", "0.95"}, {"--test-share 0.95", "--validation-share 0.1"});
  trainer.refuses({"--set", "tset_share=0.1"}, {"\"tset_share\"", "did you mean test_share"});
  write_isles_phantom(trainer.data(), {1, {16, 16}, 2});
  trainer.refuses({}, {"there is one case, case_1", "at least 3", "both trained and tested"});
}

}  // namespace apps_train_isles_test

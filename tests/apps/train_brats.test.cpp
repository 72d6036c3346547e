// SPDX-License-Identifier: MIT
/// train --task brats on phantoms in the official layout. Skipped by name where it was not built beside the tests.
#include <pam/images/nifti.hpp>

#include "apps/trainer_checks.hpp"

namespace apps_train_brats_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;
using test::Trainer;

/// Cases 1, 2, 4, 5 in HGG; 3 and 6 in LGG.
void make_phantom(const Trainer& trainer) { write_brats_phantom(trainer.data(), {6, {72, 68}, 4}); }

TEST_CASE("train --task brats scores every slice of each high-grade case of a fold, and each case in one fold",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("brats", folder);
  make_phantom(trainer);
  std::set<std::string> all;
  for (const char* fold : {"0", "1"}) {
    const auto end = trainer.run({"--folds", "2", "--fold", fold, "--crop", "64x64", "--overwrite"});
    INFO(end.err);
    REQUIRE(end.code == 0);
    REQUIRE_THAT(end.err, Contains("4 high-grade cases are taken, 2 low-grade ones left out"));
    const auto scores = trainer.json("unet/scores.json");
    REQUIRE(scores["cases"].size() == 2);
    REQUIRE(scores["weights"] == "last.safetensors");  // there is no validation split
    for (const auto& each : scores["cases"]) {
      REQUIRE(test::scored_pixels(each) == 4 * 72 * 68);  // what the crop leaves out too
      const auto name = each["case"].get<std::string>();
      REQUIRE(all.insert(name).second);
      const auto truth = read_nifti(trainer.data() / "HGG" / name / (name + "_seg.nii.gz"));
      // Of the labels 1, 2 and 4, the foreground is 4 alone.
      REQUIRE(each["confusion"]["tp"].get<std::int64_t>() + each["confusion"]["fn"].get<std::int64_t>() ==
              truth.voxels.eq(4).sum().item<std::int64_t>());
      const auto prediction = read_nifti(trainer.out() / "unet" / "predictions" / (name + ".nii.gz"));
      REQUIRE(prediction.voxels.sizes() == truth.voxels.sizes());
      REQUIRE(prediction.affine == truth.affine);
    }
  }
  REQUIRE(all ==
          std::set<std::string>{"Brats18_PHA_001_1", "Brats18_PHA_002_1", "Brats18_PHA_004_1", "Brats18_PHA_005_1"});
  const auto weights = read_safetensors(trainer.out() / "unet" / "last.safetensors");
  REQUIRE(weights.tensors.front().second.size(1) == 4);  // modalities
  const auto input = nlohmann::json::parse(weights.metadata.at("pam.input"));
  REQUIRE(input["normalise"] == "zscore");
  REQUIRE(input["crop"] == "64x64");
  const auto table = test::text_of(trainer.out() / "table.md");
  REQUIRE_THAT(table, Contains("Enhancing tumour on BRATS, fold 1 of 2") && Contains("low-grade ones left out"));
}

TEST_CASE("train --task brats has the paper's task by default, and its options go through a file unchanged", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("brats", folder);
  const auto config = trainer.defaults();
  test::check_paper_defaults(config, 80, 50, 1e-4);
  REQUIRE(config["modalities"] == nlohmann::json({"t1", "t1ce", "t2", "flair"}));
  REQUIRE(config["crop"] == "160x160");
  REQUIRE(config["folds"] == 5);
  REQUIRE(config["fold"] == 0);
  REQUIRE(config["label_values"] == "4");
  REQUIRE(config["slices"] == "foreground");
  trainer.round_trip(
      {"--data", "there", "--fold", "3", "--slices", "brain", "--modalities", "flair", "t1ce", "--lr", "0.1"});
}

TEST_CASE("train --task brats refuses what no data could make good, and an absent data set by saying where it is had",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("brats", folder);
  trainer.refuses({}, {"no such folder", "registration", "synapse", "HGG"});
  trainer.refuses({"--data", ""}, {"--data", "HGG"});
  trainer.refuses({"--fold", "5"}, {"--fold 5", "0 to 4"});
  trainer.refuses({"--folds", "1"}, {"--folds 1", "at least 2"});
  trainer.refuses({"--slices", "tumour"}, {"tumour", "foreground, brain, all"});
  std::ofstream(folder / "typo.json") << R"({"modalitys": ["t1"]})";
  trainer.refuses({"--config", (folder / "typo.json").string()}, {"\"modalitys\"", "did you mean modalities"});
  write_brats_phantom(trainer.data(), {2, {16, 16}, 2});
  trainer.refuses({}, {"there are 2 cases", "--folds 5", "fewer --folds"});
  trainer.refuses({"--folds", "2", "--label-values", "3"}, {"foreground", "3"});
}

TEST_CASE("A damaged case is named before anything trains, and left out only with --skip-bad, which the table says",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("brats", folder);
  make_phantom(trainer);
  const std::string name = "Brats18_PHA_004_1";
  test::truncate_file(trainer.data() / "HGG" / name / (name + "_t2.nii.gz"));
  std::size_t tested = 0;
  for (const char* fold : {"0", "1"}) {  // it trains in one and is tested in the other
    trainer.refuses({"--folds", "2", "--fold", fold}, {name + "_t2.nii.gz"});
    const auto end = trainer.run({"--folds", "2", "--fold", fold, "--skip-bad"});
    INFO(end.err);
    REQUIRE(end.code == 0);
    REQUIRE_THAT(end.err, Contains("skipped: case " + name));
    REQUIRE_THAT(test::text_of(trainer.out() / "table.md"), Contains("Left out") && Contains(name));
    const auto cases = test::scored_cases(trainer.json("unet/scores.json"));
    REQUIRE(cases.count(name) == 0);
    tested += cases.size();
    std::filesystem::remove_all(trainer.out());
  }
  REQUIRE(tested == 3);
}

}  // namespace apps_train_brats_test

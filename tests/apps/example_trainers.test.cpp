// SPDX-License-Identifier: MIT
/// examples/train_brats.cpp, train_isles.cpp and train_cityscapes.cpp against the program `train`: the same settings
/// give the same scores and masks. Skipped by name where they were not built beside the tests.
#include <pam/images/nifti.hpp>

#include "apps/trainer_checks.hpp"

namespace apps_example_trainers_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;
using test::Trainer;

const std::vector<std::string> kSettings{"--epochs", "2",       "--batch", "3",      "--lr",
                                         "0.01",     "--width", "4",       "--seed", "5"};

/// Runs the example `name` on the data of `trainer` into `folder`/example.
test::ProgramEnd run_example(const std::string& name, const Trainer& trainer, const TempDir& folder,
                             std::vector<std::string> more = {}) {
  std::vector<std::string> all{"--data", trainer.data().string(), "--out", (folder / "example").string()};
  all.insert(all.end(), kSettings.begin(), kSettings.end());
  all.insert(all.end(), more.begin(), more.end());
  return test::run_program_with(test::program_named(name), all);
}

/// Trains `net` with both, and compares. One thread each, so that sums have one order; `folds` for the program alone.
void check_same(const std::string& task, const std::string& net, const Trainer& trainer, const TempDir& folder,
                const std::string& table) {
  auto settings = kSettings;
  settings.insert(settings.end(), {"--net", net});
  const auto program = trainer.run(settings);
  INFO(program.err);
  REQUIRE(program.code == 0);
  const auto example = run_example("train_" + task, trainer, folder, {"--net", net});
  INFO(example.err);
  REQUIRE(example.code == 0);
  // Every score of every case, to the last printed digit.
  REQUIRE(test::text_of(folder / "example" / "scores.csv") == test::text_of(trainer.out() / net / "scores.csv"));
  REQUIRE_THAT(example.out, Contains(table) && Contains(net));
  std::size_t masks = 0;
  for (const auto& entry : std::filesystem::directory_iterator(trainer.out() / net / "predictions")) {
    auto own = folder / "example" / "predictions" / entry.path().filename();
    // The example writes in the format of the input; the program always compresses.
    if (!std::filesystem::exists(own) && own.extension() == ".gz") own.replace_extension();
    if (task == "cityscapes") {
      REQUIRE(torch::equal(read_label_image(own), read_label_image(entry.path())));
    } else {
      REQUIRE(torch::equal(read_nifti(own).voxels, read_nifti(entry.path()).voxels));
    }
    ++masks;
  }
  REQUIRE(masks > 0);
}

TEST_CASE("examples/train_brats gives the scores of train --task brats, and resumes a training", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  PAM_SKIP_WITHOUT("train_brats");
  const TempDir folder;
  const Trainer trainer("brats", folder);
  write_brats_phantom(trainer.data(), {10, {168, 164}, 3});
  check_same("brats", "unet", trainer, folder, "Enhancing tumour on BRATS, fold 0 of 5");

  // It refuses to train over its own run, and resumes where that is asked for: all is done, so only scores are made.
  auto end = run_example("train_brats", trainer, folder);
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Contains("holds a training already"));
  const auto scores = test::text_of(folder / "example" / "scores.csv");
  std::filesystem::remove(folder / "example" / "scores.csv");
  end = run_example("train_brats", trainer, folder, {"--net", "unet", "--resume"});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE(test::text_of(folder / "example" / "scores.csv") == scores);
}

TEST_CASE("examples/train_isles gives the scores of train --task isles, of the epoch that validation chose", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  PAM_SKIP_WITHOUT("train_isles");
  const TempDir folder;
  const Trainer trainer("isles", folder);
  write_isles_phantom(trainer.data(), {10, {232, 220}, 2});  // cropped in rows, padded in columns
  check_same("isles", "unet", trainer, folder, "Stroke lesions on ISLES");
  REQUIRE(std::filesystem::exists(folder / "example" / "best.safetensors"));
}

TEST_CASE("examples/train_cityscapes gives the scores of train --task cityscapes, reversed labels too", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  PAM_SKIP_WITHOUT("train_cityscapes");
  const TempDir folder;
  const Trainer trainer("cityscapes", folder);
  write_cityscapes_phantom(trainer.data(), {3, {64, 128}});
  check_same("cityscapes", "rfna", trainer, folder, "Vehicles on Cityscapes");
}

TEST_CASE("the example trainers explain what is wrong in one sentence", "[apps]") {
  PAM_SKIP_WITHOUT("train_brats");
  const TempDir folder;
  const Trainer trainer("brats", folder);
  const auto refuses = [&](const std::vector<std::string>& more, const std::string& words) {
    const auto end = run_example("train_brats", trainer, folder, more);
    INFO(end.err);
    REQUIRE(end.code == 2);
    REQUIRE_THAT(end.err, Contains(words));
    REQUIRE_FALSE(std::filesystem::exists(folder / "example"));
  };
  refuses({}, "no such folder");
  refuses({"--precision", "half"}, "half not in {float32,bfloat16,float16}");
  refuses({"--device", "gpu"}, "gpu not in {auto,cpu,cuda}");
  refuses({"--fold", "x"}, "--fold");
  write_brats_phantom(trainer.data(), {10, {16, 16}, 1});
  refuses({"--fold", "5"}, "folds are 0");
  refuses({"--net", "unett"}, "did you mean unet");
}

}  // namespace apps_example_trainers_test

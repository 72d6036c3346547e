// SPDX-License-Identifier: MIT
/// train --task cityscapes on phantoms in the official layout. Skipped by name where it was not built beside the tests.
#include "apps/trainer_checks.hpp"

namespace apps_train_cityscapes_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;
using test::Trainer;

void make_phantom(const Trainer& trainer) { write_cityscapes_phantom(trainer.data(), {3, {64, 128}}); }

torch::Tensor labels_of(const Trainer& trainer, const std::string& name) {
  return read_label_image(trainer.data() / "gtFine" / "val" / "frankfurt" / (name + "_gtFine_labelIds.png"));
}

std::int64_t foreground_of(const nlohmann::json& each) {
  return each["confusion"]["tp"].get<std::int64_t>() + each["confusion"]["fn"].get<std::int64_t>();
}

TEST_CASE("train --task cityscapes finds vehicles on the official val/, at the networks' size or the pictures'",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("cityscapes", folder);
  make_phantom(trainer);
  auto end = trainer.run({"--resize", "32x64", "--full-size", "--epochs", "2"});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.err, Contains("validation: the training city zurich"));
  auto scores = trainer.json("unet/scores.json");
  REQUIRE(scores["weights"] == "best.safetensors");
  REQUIRE(scores["distance_unit"] == "pixels");
  REQUIRE(test::scored_cases(scores) ==
          std::set<std::string>{"frankfurt_000000_000019", "frankfurt_000001_000019", "frankfurt_000002_000019"});
  for (const auto& each : scores["cases"]) {
    const auto labels = labels_of(trainer, each["case"].get<std::string>());
    REQUIRE(labels.eq(1).any().item<bool>());              // the ego vehicle is void …
    REQUIRE(test::scored_pixels(each) == labels.numel());  // … which is background, and scored
    REQUIRE(foreground_of(each) == labels.ge(26).logical_and(labels.le(33)).sum().item<std::int64_t>());
  }
  REQUIRE_THAT(test::text_of(trainer.out() / "report.html"),
               Contains("3 pictures to train, 3 pictures to choose the epoch, 3 pictures to test"));

  end = trainer.run({"--resize", "32x64", "--val-city", "none", "--label-values", "7", "--overwrite"});
  INFO(end.err);
  REQUIRE(end.code == 0);
  scores = trainer.json("unet/scores.json");
  REQUIRE(scores["weights"] == "last.safetensors");
  for (const auto& each : scores["cases"]) {
    const auto name = each["case"].get<std::string>();
    REQUIRE(test::scored_pixels(each) == 32 * 64);
    REQUIRE(read_label_image(trainer.out() / "unet" / "predictions" / (name + ".png")).sizes() ==
            torch::IntArrayRef({32, 64}));
    // The pixel under the centre of each block of 2 x 2.
    const auto small = labels_of(trainer, name).slice(0, 1, 64, 2).slice(1, 1, 128, 2);
    REQUIRE(foreground_of(each) == small.eq(7).sum().item<std::int64_t>());
  }
  REQUIRE_THAT(test::text_of(trainer.out() / "table.md"), Contains("Scored at 32x64"));
}

TEST_CASE("train --task cityscapes has the paper's task by default, and its options go through a file unchanged",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("cityscapes", folder);
  const auto config = trainer.defaults();
  test::check_paper_defaults(config, 100, 8, 2e-4);
  REQUIRE(config["resize"] == "128x256");
  REQUIRE(config["label_values"] == "26-33");
  REQUIRE(config["val_city"] == "");
  REQUIRE(config["full_size"] == false);
  trainer.round_trip({"--data", "there", "--val-city", "ulm", "--nets", "fpa", "aunet", "--full-size"});
}

TEST_CASE("train --task cityscapes refuses bad options, and an absent data set by saying where it is had", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  const Trainer trainer("cityscapes", folder);
  trainer.refuses({}, {"no such folder", "registration", "leftImg8bit"});
  trainer.refuses({"--resize", "256"}, {"--resize 256", "HEIGHTxWIDTH"});
  trainer.refuses({"--val-cty", "ulm"}, {"--val-cty", "did you mean --val-city?"});
  trainer.refuses({"--label-values", "26-"}, {"26-"});
  make_phantom(trainer);
  trainer.refuses({"--val-city", "zuerich"}, {"zuerich", "nearest: zurich"});
  test::truncate_file(trainer.data() / "leftImg8bit" / "val" / "frankfurt" / "frankfurt_000001_000019_leftImg8bit.png");
  trainer.refuses({"--resize", "32x64"}, {"frankfurt_000001_000019"});
}

}  // namespace apps_train_cityscapes_test

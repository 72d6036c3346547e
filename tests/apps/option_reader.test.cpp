// SPDX-License-Identifier: MIT
#include <pam/core/options_json.hpp>
#include <pam/losses/segmentation_loss.hpp>

#include "cli/option_reader.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <fstream>

namespace apps_option_reader_test {
using namespace pam;

TEST_CASE("a run's loss options that its config.json does not name are the defaults", "[apps]") {
  const test::TempDir folder;
  std::ofstream(folder / "config.json") << R"({"epochs": 3, "loss_options": {"smooth": 0.5, "per_class": true}})";
  SegmentationLossOptions expected;
  expected.smooth = 0.5, expected.per_class = true;
  const auto found = apps::options_of_run(folder.path().string());
  REQUIRE(found["loss_options"] == options_to_json(expected));
  REQUIRE(found["epochs"] == 3);
}

TEST_CASE("normalise zscore of an older pam stays what it was, and new configurations mean what they say", "[apps]") {
  const test::TempDir folder;
  const auto normalise = [&](const std::string& text) {
    std::ofstream(folder / "config.json") << text;
    const auto of_run = apps::options_of_run(folder.path().string());
    REQUIRE(apps::load_options_file((folder / "config.json").string()) == of_run);
    return of_run.at("normalise").get<std::string>();
  };
  // As pam wrote them before it had `orient`, and since; and what a user writes.
  CHECK(normalise(R"({"task": "folder", "normalise": "zscore", "ignore_affine": false})") == "zscore-nonzero");
  CHECK(normalise(R"({"task": "folder", "normalise": "auto", "ignore_affine": false})") == "auto");
  CHECK(normalise(R"({"task": "folder", "normalise": "zscore", "ignore_affine": false, "orient": ""})") == "zscore");
  CHECK(normalise(R"({"normalise": "zscore"})") == "zscore");
}

TEST_CASE("help texts end with the default, unless they speak of it themselves", "[apps]") {
  const nlohmann::json defaults{
      {"epochs", 20}, {"optimizer", {{"learning_rate", 1e-3}}}, {"nets", {"unet", "fpa"}}, {"clip", 0.0}, {"out", ""},
      {"flip", true}};
  CHECK(apps::help_with_default("passes", defaults, "epochs") == "passes (default: 20)");
  CHECK(apps::help_with_default("rate", defaults, "optimizer.learning_rate") == "rate (default: 0.001)");
  CHECK(apps::help_with_default("networks", defaults, "nets") == "networks (default: unet fpa)");
  CHECK(apps::help_with_default("limit", defaults, "clip") == "limit (default: 0)");
  CHECK(apps::help_with_default("flips", defaults, "flip") == "flips (default: true)");
  CHECK(apps::help_with_default("folder", defaults, "out") == "folder");
  CHECK(apps::help_with_default("other", defaults, "other") == "other");
  CHECK(apps::help_with_default("grey (default) or red", defaults, "epochs") == "grey (default) or red");
}

}  // namespace apps_option_reader_test

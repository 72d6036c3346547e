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

}  // namespace apps_option_reader_test

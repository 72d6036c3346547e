// SPDX-License-Identifier: MIT
#include <pam/inference/preparation.hpp>

#include "support/catch.hpp"

namespace inference_preparation_test {

using namespace pam;
using Catch::Contains;
using Json = nlohmann::json;

TEST_CASE("the preparation of images survives its JSON", "[inference]") {
  CaseOptions options;
  options.normalise = Normalise::Unit;
  options.channels = 3;
  options.crop = {160, 128};
  options.pad_to_at_least = {64, 65};
  options.resize = {512, 1024};
  options.resample = options.ignore_affine = options.zero_non_finite = true;
  const auto json = preparation_to_json(options);
  // The text is part of the file format.
  CHECK(json == Json::parse(R"({"normalise": "unit", "channels": 3, "crop": "160x128", "pad": "64x65",
      "resize": "512x1024", "resample": true, "ignore_affine": true, "zero_non_finite": true})"));
  const auto read = preparation_from_json(json, "net.pt");
  CHECK(read.normalise == Normalise::Unit);
  CHECK(read.channels == 3);
  CHECK(read.crop == options.crop);
  CHECK(read.pad_to_at_least == options.pad_to_at_least);
  CHECK(read.resize == options.resize);
  CHECK((read.resample && read.ignore_affine && read.zero_non_finite));
  CHECK(preparation_to_json(preparation_from_json(Json::object(), "net.pt")) == preparation_to_json({}));
  CHECK_FALSE(preparation_from_json(Json::object(), "net.pt").as_trained);
}

TEST_CASE("every way to normalise survives its JSON, and \"zscore\" stays what it was", "[inference]") {
  CaseOptions options;
  options.normalise = Normalise::Window;
  options.window_low = -100;
  options.window_high = 400.25;
  const auto json = preparation_to_json(options);
  CHECK(json["normalise"] == "window:-100:400.25");
  const auto read = preparation_from_json(json, "net.pt");
  CHECK((read.normalise == Normalise::Window && read.window_low == -100 && read.window_high == 400.25));
  for (const auto kind : {Normalise::Auto, Normalise::ZScoreNonzero, Normalise::ZScoreAll, Normalise::MinMax,
                          Normalise::Unit, Normalise::None}) {
    options.normalise = kind;
    const auto back = preparation_from_json(preparation_to_json(options), "net.pt");
    CHECK(back.normalise == kind);
    CHECK(back.as_trained);  // what the file names is not to be doubted
  }
  // Files of older versions: over the voxels that are not 0.
  CHECK(preparation_from_json(Json::parse(R"({"normalise": "zscore"})"), "net.pt").normalise ==
        Normalise::ZScoreNonzero);
}

TEST_CASE("orientations are in the JSON where they are given", "[inference]") {
  CaseOptions options;
  CHECK_FALSE(preparation_to_json(options).contains("axes"));
  options.orient = "RAS";
  options.axes = "LPS";
  const auto read = preparation_from_json(preparation_to_json(options), "net.pt");
  CHECK((read.orient == "RAS" && read.axes == "LPS"));
  CHECK_THROWS_WITH(preparation_from_json(Json::parse(R"({"orient": "RAT"})"), "net.pt"),
                    Contains("net.pt: pam.input.orient"));
}

TEST_CASE("a preparation that pam does not know is refused by file and field", "[inference]") {
  const auto refused = [](const char* json, const std::string& sentence) {
    CHECK_THROWS_WITH(preparation_from_json(Json::parse(json), "net.pt"), Contains("net.pt") && Contains(sentence));
  };
  refused("[1]", "pam.input must be a JSON object");
  refused(R"({"zoom": 2})", "\"zoom\"");
  refused(R"({"normalise": "median"})", "pam.input.normalise");
  refused(R"({"normalise": 3})", "pam.input.normalise");
  refused(R"({"channels": "three"})", "pam.input.channels");
  refused(R"({"resample": 1})", "pam.input.resample");
  for (const char* size : {R"({"crop": "16"})", R"({"crop": "16x-2"})", R"({"crop": "16x99999"})",
                           R"({"crop": "16x16x16"})", R"({"crop": 16})"}) {
    refused(size, "pam.input.crop: must be \"HEIGHTxWIDTH\"");
  }
}

}  // namespace inference_preparation_test

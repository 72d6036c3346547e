// SPDX-License-Identifier: MIT
/// What values masks hold is looked at before training and scoring, by train, evaluate and explain alike.
#include <pam/images/nifti.hpp>

#include "apps/program_runs.hpp"

#include <nlohmann/json.hpp>

#include <fstream>

namespace apps_masks_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;

/// 0 … 1: an ellipse around the centre of (32, 40); its edge is `blur` pixels wide.
torch::Tensor ellipse(int number, double blur) {
  const auto y = torch::arange(32).view({32, 1}).to(torch::kDouble) - 15,
             x = torch::arange(40).view({1, 40}).to(torch::kDouble) - 18 - number;
  const auto radius = (y * y / 49 + x * x / 81).sqrt();
  return ((1.003 - radius) * 8 / blur + 0.5).clamp(0, 1);  // no pixel lies on that edge
}

/// Four pictures in images/, their masks in labels/ by `mask`, which gets the ellipse (0 … 1, sharp or blurred).
template <typename Mask>
void make_pictures(const TempDir& folder, double blur, const Mask& mask) {
  for (const char* name : {"images", "labels"}) std::filesystem::create_directories(folder / name);
  for (int i = 0; i < 4; ++i) {
    const auto name = fmt::format("p{}.png", i);
    const auto noise = (torch::arange(32 * 40) * 7919 % 61).view({1, 32, 40});
    write_image(folder / "images" / name, (ellipse(i, 1) * 120 + noise).round().to(torch::kByte));
    mask(folder / "labels" / name, ellipse(i, blur));
  }
}

test::ProgramEnd train(const TempDir& folder, const std::vector<std::string>& more) {
  std::vector<std::string> all{"--data",
                               folder.path().string(),
                               "--nets",
                               "unet",
                               "--width",
                               "4",
                               "--epochs",
                               "1",
                               "--threads",
                               "1",
                               "--overwrite",
                               "--out",
                               (folder / "run").string()};
  all.insert(all.end(), more.begin(), more.end());
  return test::run_program_with(test::program_named("train"), all);
}

/// Scores the masks against themselves.
test::ProgramEnd evaluate(const TempDir& folder, const std::vector<std::string>& more) {
  const auto labels = (folder / "labels").string();
  std::vector<std::string> all{"--pred", labels, "--truth", labels};
  all.insert(all.end(), more.begin(), more.end());
  return test::run_program_with(test::program_named("evaluate"), all);
}

void grey(const std::filesystem::path& path, const torch::Tensor& mask) {
  write_label_image(path, (mask * 255).round().to(torch::kByte));
}

TEST_CASE("masks of 0 and 255 train and are scored without a warning", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  make_pictures(folder, 0.01, grey);
  const auto trained = train(folder, {});
  CHECK(trained.code == 0);
  CHECK(trained.err.find("warning") == std::string::npos);
  const auto scored = evaluate(folder, {});
  CHECK(scored.code == 0);
  CHECK(scored.err.empty());
}

TEST_CASE("masks without a pixel of background are refused in training and doubted in scoring", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  make_pictures(folder, 0.01, [](const auto& path, const auto& mask) {
    write_label_image(path, (2 - mask).round().to(torch::kByte));  // 1 = object, 2 = background
  });
  const auto refused = train(folder, {});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("no pixel of any mask is background") && Contains("2 (8") && Contains("1 (1") &&
                              Contains("--label-values 1") && !Contains("LabelMap"));
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
  const auto ambiguous = evaluate(folder, {});
  CHECK(ambiguous.code == 2);
  CHECK_THAT(ambiguous.err, Contains("--label-values"));
  const auto doubted = evaluate(folder, {"--label-values", "nonzero"});
  CHECK(doubted.code == 0);
  CHECK_THAT(doubted.err, Contains("warning: true masks: ") && Contains("no pixel of any mask is background") &&
                              Contains("--label-values 1"));
  CHECK(train(folder, {"--label-values", "1"}).code == 0);
  CHECK(evaluate(folder, {"--label-values", "1"}).err.empty());
}

TEST_CASE("blurred masks give a warning with their number of values; --label-threshold is a remedy", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  make_pictures(folder, 6, grey);
  for (const char* values : {"nonzero", "255"}) {
    for (const auto& end : {train(folder, {"--label-values", values}), evaluate(folder, {"--label-values", values})}) {
      INFO(end.err);
      CHECK(end.code == 0);
      CHECK_THAT(end.err, Contains("warning: ") && Contains("labels/p") && Contains(" values; 2 were expected") &&
                              Contains("--label-values 255") && Contains("--label-threshold 128"));
    }
  }
  const auto unsaid = evaluate(folder, {});
  CHECK(unsaid.code == 2);
  CHECK_THAT(unsaid.err, Contains(" values; 2 were expected") && Contains("--label-threshold 128"));
  const auto trained = train(folder, {"--label-threshold", "128"});
  INFO(trained.err);
  CHECK(trained.code == 0);
  CHECK(trained.err.find("warning") == std::string::npos);
  CHECK(evaluate(folder, {"--label-threshold", "128"}).err.empty());
  // The threshold is kept with the run, whose scores and continuation need it: foreground is what is at least 128.
  const auto config = nlohmann::json::parse(std::ifstream(folder / "run" / "config.json"));
  CHECK(config.at("label_threshold") == 128);
  const auto scores = nlohmann::json::parse(std::ifstream(folder / "run" / "unet" / "scores.json"));
  for (const auto& each : scores.at("cases")) {
    const auto mask = read_label_image(folder / "labels" / (each.at("case").get<std::string>() + ".png"));
    const auto& counts = each.at("confusion");
    CHECK(counts.at("tp").get<std::int64_t>() + counts.at("fn").get<std::int64_t>() ==
          mask.ge(128).sum().item<std::int64_t>());
  }
  const auto other = test::run_program_with(
      test::program_named("train"),
      {"--data", folder.path().string(), "--nets", "unet", "--width", "4", "--epochs", "1", "--threads", "1",
       "--resume", "--label-threshold", "99", "--out", (folder / "run").string()});
  CHECK(other.code == 2);
  CHECK_THAT(other.err, Contains("label_threshold is 128"));
}

TEST_CASE("inverted masks give a warning with the values, their shares and the remedy", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  make_pictures(folder, 0.01, [](const auto& path, const auto& mask) { grey(path, 1 - mask); });
  for (const auto& end : {train(folder, {}), evaluate(folder, {})}) {
    INFO(end.err);
    CHECK(end.code == 0);
    CHECK_THAT(end.err, Contains("% of all pixels are foreground") && Contains("255 (8") && Contains("0 (1") &&
                            Contains("--label-values 0"));
  }
  CHECK(train(folder, {"--label-values", "0"}).err.find("warning") == std::string::npos);
  // Predictions of 0 and 255 could be inverted as well, or be masks: what they are is said.
  CHECK(evaluate(folder, {"--label-values", "0", "--pred-label-values", "0"}).err.empty());
}

TEST_CASE("a mask in the alpha channel is pointed out, and read with --mask-channel", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  make_pictures(folder, 0.01, [](const auto& path, const auto& mask) {
    const auto alpha = (mask * 255).round().to(torch::kByte), white = torch::full_like(alpha, 255);
    const auto pixels = torch::stack({white, white, white, alpha}, 2).contiguous();
    REQUIRE(cv::imwrite(path.string(), cv::Mat(32, 40, CV_8UC4, pixels.data_ptr())));
  });
  const auto refused = train(folder, {});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("no pixel of any mask is background") && Contains("alpha channel is not constant") &&
                              Contains("--mask-channel alpha"));
  const auto doubted = evaluate(folder, {});
  CHECK_THAT(doubted.err, Contains("alpha channel is not constant") && Contains("--mask-channel alpha"));
  const auto trained = train(folder, {"--mask-channel", "alpha"});
  INFO(trained.err);
  CHECK(trained.code == 0);
  CHECK(trained.err.find("warning") == std::string::npos);
  const auto scored = test::run_program_with(
      test::program_named("evaluate"), {"--pred", (folder / "run" / "unet" / "predictions").string(), "--truth",
                                        (folder / "labels").string(), "--predicted-only", "--mask-channel", "alpha"});
  INFO(scored.err);
  CHECK(scored.code == 0);
  CHECK_THAT(train(folder, {"--mask-channel", "red"}).err, Contains("no pixel of any mask"));
  const auto wrong = train(folder, {"--mask-channel", "alfa"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, Contains("--mask-channel alfa"));
}

TEST_CASE("explain looks at the true mask as training does", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  const TempDir folder;
  make_pictures(folder, 6, grey);
  const auto weights = folder / "run" / "unet" / "last.safetensors";
  REQUIRE(train(folder, {"--label-threshold", "128"}).code == 0);
  const auto explain = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all{"maps",
                                 "--weights",
                                 weights.string(),
                                 "--input",
                                 (folder / "images" / "p0.png").string(),
                                 "--labels",
                                 (folder / "labels" / "p0.png").string(),
                                 "--threads",
                                 "1",
                                 "--out",
                                 (folder / "figures").string()};
    all.insert(all.end(), more.begin(), more.end());
    return test::run_program_with(test::program_named("explain"), all);
  };
  const auto doubted = explain({});
  INFO(doubted.err);
  CHECK(doubted.code == 0);
  CHECK_THAT(doubted.err, Contains(" values; 2 were expected") && Contains("--label-threshold 128"));
  CHECK(explain({"--label-threshold", "128"}).err.empty());
  CHECK(explain({"--label-threshold", "128", "--label-values", "255"}).code == 2);
}

TEST_CASE("volumes have no mask channel, and a threshold maps fractions of resampled masks", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  for (const char* name : {"images", "labels"}) std::filesystem::create_directories(folder / name);
  for (int i = 0; i < 4; ++i) {
    const auto name = fmt::format("v{}.nii.gz", i);
    const auto noise = (torch::arange(32 * 40) * 7919 % 61 + 1).view({1, 32, 40}).to(torch::kDouble);
    write_nifti(folder / "images" / name, (ellipse(i, 1) * 120 + noise).to(torch::kFloat), NiftiGeometry());
    write_nifti(folder / "labels" / name, ellipse(i, 6).unsqueeze(0).to(torch::kFloat), NiftiGeometry());
  }
  const auto channel = train(folder, {"--mask-channel", "alpha"});
  CHECK(channel.code == 2);
  CHECK_THAT(channel.err, Contains("is a volume") && Contains("--mask-channel"));
  const auto fractions = train(folder, {});
  CHECK(fractions.code == 2);
  CHECK_THAT(fractions.err, Contains("is not an integer") && Contains("--label-threshold 0.5"));
  CHECK(train(folder, {"--label-threshold", "0.5", "--normalise", "minmax"}).code == 0);
  CHECK(evaluate(folder, {"--label-threshold", "0.5"}).code == 0);
}

TEST_CASE("--label-threshold and --label-values say the same thing twice, and are refused together", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const TempDir folder;
  make_pictures(folder, 0.01, grey);
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--label-values", "255"}, {"--label-values", "255=1", "--strict-labels"}}) {
    auto words = more;
    words.insert(words.end(), {"--label-threshold", "128"});
    const auto end = train(folder, words);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, Contains("--label-threshold 128") && Contains(more.front()));
  }
  CHECK(train(folder, {"--label-threshold", "-3"}).code == 2);
  const auto end = evaluate(folder, {"--label-values", "255", "--label-threshold", "128"});
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Contains("--label-threshold") && Contains("--label-values"));
}

}  // namespace apps_masks_test

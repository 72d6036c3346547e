// SPDX-License-Identifier: MIT
#include <pam/images/mask_survey.hpp>

#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/slice_dataset.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

namespace images_mask_survey_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

/// A survey of masks, each given as (value, pixels) pairs.
MaskSurvey survey_of(const LabelMap& map,
                     const std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>>& masks) {
  MaskSurvey survey;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    std::vector<torch::Tensor> parts;
    for (const auto& [value, pixels] : masks[i]) parts.push_back(torch::full({pixels}, value, torch::kInt));
    const auto raw = torch::cat(parts);
    survey.add(raw, map.apply(raw, "mask"), "p" + std::to_string(i) + ".png");
  }
  return survey;
}

TEST_CASE("masks of 0 and one other value, few of it, raise no doubt", "[images]") {
  for (const std::int64_t value : {1, 255, -3}) {
    const auto map = LabelMap::nonzero();
    const auto survey = survey_of(map, {{{0, 900}, {value, 100}}, {{0, 1000}}, {{value, 550}, {0, 450}}});
    CHECK(survey.unusable(map).empty());
    CHECK(survey.warnings(map).empty());
  }
  CHECK(MaskSurvey().unusable(LabelMap::nonzero()).empty());
  CHECK(MaskSurvey().warnings(LabelMap::nonzero()).empty());
}

TEST_CASE("masks without a pixel of background are unusable, with values, shares and a remedy", "[images]") {
  const auto map = LabelMap::nonzero();
  const auto trimap = survey_of(map, {{{1, 70}, {2, 930}}, {{1, 230}, {2, 770}}});
  CHECK_THAT(trimap.unusable(map), Contains("p0.png and 1 other mask: no pixel of any mask is background") &&
                                       Contains("2 (85 %), 1 (15 %)") && Contains("LabelMap::parse(\"1\")"));
  CHECK_THAT(survey_of(map, {{{255, 100}}}).unusable(map), Contains("p0.png: no pixel") && Contains("are these"));
  // One pixel of background in one mask is enough to learn from; that is doubtful in other ways.
  CHECK(survey_of(map, {{{1, 100}}, {{1, 99}, {0, 1}}}).unusable(map).empty());
  // What is ignored is no background.
  const auto ignoring = LabelMap::parse("1=1,255=ignore");
  CHECK_THAT(survey_of(ignoring, {{{1, 50}, {255, 50}}}).unusable(ignoring), Contains("no pixel of any mask"));
  // A mask without any foreground is all background, or all ignored: nothing is inverted or missing.
  CHECK(survey_of(ignoring, {{{255, 50}}}).unusable(ignoring).empty());
  // Of several classes the others can be learnt.
  const auto classes = LabelMap::parse("1=1,2=2");
  const auto full = survey_of(classes, {{{1, 50}, {2, 50}}});
  CHECK(full.unusable(classes).empty());
  REQUIRE(full.warnings(classes).size() == 1);
  CHECK_THAT(full.warnings(classes)[0], Contains("no pixel of any mask is background") && Contains("1 (50 %)"));
}

TEST_CASE("more values than classes give a warning with their number, shares and both remedies", "[images]") {
  const auto map = LabelMap::nonzero();
  std::vector<std::pair<std::int64_t, std::int64_t>> blurred{{0, 8000}, {255, 1000}};
  for (std::int64_t value = 1; value <= 141; ++value) blurred.emplace_back(value, 4);
  const auto warnings = survey_of(map, {blurred}).warnings(map);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Contains("p0.png: mask has 143 values; 2 were expected") &&
                              Contains("0 (83.6 %), 255 (10.5 %)") && Contains("and 138 others") &&
                              Contains("LabelMap::parse(\"255\")") && Contains("LabelMap::threshold(128)"));
  // Named values: a blurred mask is doubtful, one whose other values are regions of an atlas is not.
  const auto named = LabelMap::parse("255");
  CHECK(survey_of(named, {blurred}).warnings(named).size() == 1);
  std::vector<std::pair<std::int64_t, std::int64_t>> atlas{{0, 80000}};
  for (std::int64_t value = 1; value <= 116; ++value) atlas.emplace_back(value, 150 + 7 * (value % 40));
  const auto nuclei = LabelMap::parse("71-78");
  CHECK(survey_of(nuclei, {atlas}).warnings(nuclei).empty());
  // Brodmann's areas as mricron has them: 0 and the highest are the most frequent.
  std::vector<std::pair<std::int64_t, std::int64_t>> areas{{0, 57000}, {48, 1582}, {6, 980}, {20, 898}};
  for (const std::int64_t value : {1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 17, 18, 19, 21, 22, 23})
    areas.emplace_back(value, 300);
  CHECK(survey_of(LabelMap::parse("6"), {areas}).warnings(LabelMap::parse("6")).empty());
  // The remedies leave no doubt.
  const auto threshold = LabelMap::threshold(128);
  CHECK(survey_of(threshold, {blurred}).warnings(threshold).empty());
  const auto three = survey_of(map, {{{0, 800}, {1, 100}, {2, 100}}}).warnings(map);
  REQUIRE(three.size() == 1);
  CHECK_THAT(three[0], Contains("mask has 3 values; 2 were expected"));
}

TEST_CASE("foreground over 60 % of the pixels gives a warning, of all masks or of single ones", "[images]") {
  const auto map = LabelMap::nonzero();
  const auto all = survey_of(map, {{{0, 390}, {255, 610}}, {{0, 395}, {255, 605}}}).warnings(map);
  REQUIRE(all.size() == 1);
  CHECK_THAT(all[0], Contains("p0.png and 1 other mask: 60.8 % of all pixels are foreground") &&
                         Contains("255 (60.8 %), 0 (39.2 %)") && Contains("LabelMap::parse(\"0\")"));
  CHECK(survey_of(map, {{{0, 400}, {255, 600}}}).warnings(map).empty());  // not over
  const auto single = survey_of(map, {{{0, 900}, {255, 100}}, {{0, 100}, {255, 900}}, {{0, 900}, {255, 100}}});
  REQUIRE(single.warnings(map).size() == 1);
  CHECK_THAT(single.warnings(map)[0],
             Contains("p1.png: more than 60 %") && !Contains("p0.png") && Contains("36.7 % in all masks together"));
  // The remedy: value 0 is the foreground.
  const auto other = LabelMap::parse("0");
  CHECK(survey_of(other, {{{0, 390}, {255, 610}}}).warnings(other).empty());
  const auto classes = LabelMap::parse("1=1,2=2");  // several classes may fill a picture
  CHECK(survey_of(classes, {{{0, 100}, {1, 500}, {2, 400}}}).warnings(classes).empty());
}

TEST_CASE("a file is counted once, and volumes of many different numbers are no burden", "[images]") {
  const auto map = LabelMap::nonzero();
  auto survey = survey_of(map, {{{0, 10}, {1, 90}}});
  survey.add(survey);
  survey.add(survey_of(map, {{{0, 100}}}));  // of the same name
  CHECK_THAT(survey.warnings(map).at(0), Contains("p0.png: 90 %"));
  pam::detail::ValueCounts counts;
  pam::detail::add_values(torch::rand({200000}), counts);
  CHECK(counts.size() == pam::detail::kMostValues);
  std::int64_t total = 0;
  for (const auto& item : counts) total += item.second;
  CHECK(total == 200000);
  counts.clear();
  pam::detail::add_values(torch::tensor({1.F, NAN, NAN, 2.F}), counts);  // NaN equals nothing, and must not hang
  CHECK(counts.at(2) == 1);
}

/// An (H, W, 2 or 4) picture as PNG.
void write_with_alpha(const std::filesystem::path& path, const torch::Tensor& grey, const torch::Tensor& alpha) {
  const auto pixels = torch::stack({grey, grey, grey, alpha}, 2).to(torch::kByte).contiguous();
  const cv::Mat mat(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), CV_8UC4, pixels.data_ptr());
  REQUIRE(cv::imwrite(path.string(), mat));
}

TEST_CASE("an alpha channel that is not constant is reported; the mask can be taken from it", "[images]") {
  const TempDir folder;
  auto mask = torch::zeros({20, 30}, torch::kByte);
  mask.narrow(0, 3, 6).narrow(1, 4, 10).fill_(255);
  const auto white = torch::full({20, 30}, 255, torch::kByte);
  write_image(folder / "image.png", (torch::arange(600) % 200).view({1, 20, 30}).to(torch::kByte));
  write_with_alpha(folder / "alpha.png", white, mask);
  write_with_alpha(folder / "opaque.png", mask, white);
  std::string said;
  CHECK(torch::equal(read_label_image(folder / "opaque.png", MaskChannel::Grey, false, &said), mask.to(torch::kInt)));
  CHECK(said.empty());
  CHECK(torch::equal(read_label_image(folder / "alpha.png", MaskChannel::Grey, false, &said), white.to(torch::kInt)));
  CHECK_THAT(said, Contains("alpha.png: its alpha channel is not constant but holds 0 (90 %), 255 (10 %)") &&
                       Contains("MaskChannel::Alpha"));
  CHECK(torch::equal(read_label_image(folder / "alpha.png", MaskChannel::Alpha), mask.to(torch::kInt)));
  CHECK(torch::equal(read_label_image(folder / "opaque.png", MaskChannel::Red), mask.to(torch::kInt)));
  CHECK_THROWS_WITH(read_label_image(folder / "image.png", MaskChannel::Alpha),
                    Contains("image.png: has no alpha channel"));
  CHECK_THROWS_WITH(read_label_image(folder / "image.png", MaskChannel::Blue),
                    Contains("image.png: has no blue channel") && Contains("CaseOptions::mask_channel"));

  CaseOptions options;
  options.labels = LabelMap::nonzero();
  const CaseFiles files{"a", {folder / "image.png"}, folder / "alpha.png"};
  const auto each = load_case(files, options);
  REQUIRE(each.notices.size() == 1);
  CHECK_THAT(each.masks.unusable(options.labels), Contains("MaskChannel::Alpha"));
  CHECK_THROWS_WITH(SliceDataset({files}, options), Contains("no pixel of any mask") && Contains("MaskChannel::Alpha"));
  options.mask_channel = MaskChannel::Alpha;
  const auto right = load_case(files, options);
  CHECK(right.notices.empty());
  CHECK(right.masks.warnings(options.labels).empty());
  CHECK(torch::equal(right.labels[0], mask.gt(0).to(torch::kShort)));
}

TEST_CASE("colours tell apart the channels of a mask", "[images]") {
  const TempDir folder;
  auto rgb = torch::zeros({3, 4, 5}, torch::kByte);
  rgb[0][1].fill_(200), rgb[1][2].fill_(150), rgb[2][3].fill_(100);
  write_image(folder / "rgb.png", rgb);
  const std::vector<MaskChannel> channels{MaskChannel::Red, MaskChannel::Green, MaskChannel::Blue};
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(torch::equal(read_label_image(folder / "rgb.png", channels[static_cast<std::size_t>(i)]),
                       rgb[i].to(torch::kInt)));
  }
  CHECK_THROWS_WITH(read_label_image(folder / "rgb.png"), Contains("rgb.png") && Contains("mask_channel"));
}

TEST_CASE("a JPEG mask is read where a threshold maps it, and only there", "[images]") {
  const TempDir folder;
  auto mask = torch::zeros({1, 40, 48}, torch::kByte);
  mask.narrow(1, 8, 16).narrow(2, 8, 24).fill_(255);
  write_image(folder / "mask.jpg", mask);
  write_image(folder / "colours.jpg", mask.expand({3, -1, -1}).contiguous());
  write_image(folder / "image.png", mask);
  CaseOptions options;
  options.labels = LabelMap::nonzero();
  for (const char* name : {"mask.jpg", "colours.jpg"}) {
    const CaseFiles files{"a", {folder / "image.png"}, folder / name};
    options.labels = LabelMap::nonzero();
    CHECK_THROWS_WITH(load_case(files, options), Contains(name) && Contains("LabelMap::threshold(128)"));
    options.labels = LabelMap::threshold(128);
    CHECK(torch::equal(load_case(files, options).labels, mask.gt(0).to(torch::kShort)));
  }
}

}  // namespace images_mask_survey_test

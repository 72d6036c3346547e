// SPDX-License-Identifier: MIT
/// evaluate as its users meet it: folders of masks in, scores out.
#include <pam/images/nifti.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

#include "apps/program_runs.hpp"

namespace apps_evaluate_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;

/// A square of `value` at `left`, 4 x 4 voxels of 1 mm, in each of two slices.
void write_mask(const std::filesystem::path& path, std::int64_t left, std::int64_t value) {
  auto mask = torch::zeros({2, 16, 16}, torch::kByte);
  mask.narrow(1, 4, 4).narrow(2, left, 4).fill_(value);
  std::filesystem::create_directories(path.parent_path());
  write_nifti(path, mask, NiftiGeometry());
}

test::ProgramEnd evaluate(const TempDir& folder, std::vector<std::string> more) {
  more.insert(more.begin(), {"--pred", (folder / "pred").string(), "--truth", (folder / "truth").string(), "--json",
                             (folder / "scores.json").string()});
  return test::run_program_with(test::program_named("evaluate"), more);
}

/// IoU of the first case, which two squares a column apart make 12 / 20.
double iou(const TempDir& folder) {
  const auto scores = nlohmann::json::parse(test::text_of(folder / "scores.json"));
  return scores.at("cases").at(0).at("iou").get<double>();
}

TEST_CASE("Predictions that hold class numbers are scored against truths of other values, with a warning", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  write_mask(folder / "truth/a.nii.gz", 5, 73);
  write_mask(folder / "pred/a.nii.gz", 6, 1);
  const auto numbers = evaluate(folder, {"--label-values", "71-78"});
  INFO(numbers.err);
  REQUIRE(numbers.code == 0);
  CHECK_THAT(numbers.err, Contains("the predictions hold 1 and nothing of --label-values 71-78"));
  CHECK(iou(folder) == Approx(12.0 / 20));

  write_mask(folder / "pred/a.nii.gz", 6, 78);  // the truth's own values: no word is needed
  const auto same = evaluate(folder, {"--label-values", "71-78"});
  REQUIRE(same.code == 0);
  CHECK(same.err.empty());
  CHECK(iou(folder) == Approx(12.0 / 20));

  write_mask(folder / "pred/a.nii.gz", 6, 4);  // classes 1 and 2 are asked for: 4 could be either
  const auto unknown = evaluate(folder, {"--label-values", "71=1,73=2"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, Contains("the predictions hold the values 4") && Contains("--pred-label-values"));
}

TEST_CASE("Values that could be the truth's or class numbers are not guessed", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  const std::vector<std::string> brats{"--label-values", "1=1,2=2,4=3", "--class", "3"};
  write_mask(folder / "truth/a.nii.gz", 5, 4);
  write_mask(folder / "truth/b.nii.gz", 5, 1);
  write_mask(folder / "pred/a.nii.gz", 5, 3);  // pam's own number of class 3
  write_mask(folder / "pred/b.nii.gz", 5, 1);
  const auto refused = evaluate(folder, brats);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("hold the values 1, 3") && Contains("--pred-label-values identity"));
  auto said = brats;
  said.insert(said.end(), {"--pred-label-values", "identity"});
  REQUIRE(evaluate(folder, said).code == 0);
  CHECK(iou(folder) == Approx(1.0));
  write_mask(folder / "pred/a.nii.gz", 6, 4);  // the truth's own numbers, which are no class numbers
  const auto own = evaluate(folder, brats);
  REQUIRE(own.code == 0);
  CHECK(own.err.empty());
  CHECK(iou(folder) == Approx(12.0 / 20));
}

TEST_CASE("Which of several classes is scored is said, and a class that is never predicted is named", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  const std::vector<std::string> two{"--label-values", "1=1,2=2"};
  write_mask(folder / "truth/a.nii.gz", 5, 1);
  write_mask(folder / "truth/b.nii.gz", 5, 2);
  write_mask(folder / "pred/a.nii.gz", 5, 1);
  write_mask(folder / "pred/b.nii.gz", 5, 1);
  auto done = evaluate(folder, two);
  REQUIRE(done.code == 0);
  CHECK_THAT(done.out, Contains("scored: class 1 of 2; others with --class."));
  CHECK_THAT(done.err, Contains("class 2 of the true masks occurs in no prediction"));
  write_mask(folder / "pred/b.nii.gz", 5, 2);
  done = evaluate(folder, {"--label-values", "1=1,2=2", "--class", "2"});
  CHECK_THAT(done.out, Contains("scored: class 2 of 2"));
  CHECK(done.err.empty());
  CHECK_THAT(evaluate(folder, {"--label-values", "1-2"}).out, !Contains("scored: class"));  // one foreground
}

TEST_CASE("What predict writes is scored as it is, and results have a place before anything is scored", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  for (const char* name : {"truth/\xe9.nii", "pred/\xe9.nii", "pred/\xe9_probability.nii"}) {  // no UTF-8
    write_mask(folder / name, 5, 1);
  }
  const auto done = evaluate(folder, {"--csv", (folder / "scores.csv").string()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  CHECK(iou(folder) == Approx(1.0));
  const auto refused = evaluate(folder, {"--csv", (folder / "scores.json/scores.csv").string()});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("--csv ") && Contains("is a file, not a folder"));
  CHECK(refused.out.empty());
}

TEST_CASE("The scores hold each case's counts, and NSD by the convention that was asked for", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  write_mask(folder / "truth/a.nii.gz", 5, 1);
  write_mask(folder / "pred/a.nii.gz", 6, 1);
  const auto scores = [&] { return nlohmann::json::parse(test::text_of(folder / "scores.json")); };
  REQUIRE(evaluate(folder, {}).code == 0);
  // Two slices of 16 x 16 with squares of 4 x 4, a column apart.
  CHECK(scores().at("cases").at(0).at("confusion") == nlohmann::json({{"tp", 24}, {"fp", 8}, {"fn", 8}, {"tn", 472}}));
  CHECK(scores().at("settings").at("nsd_convention") == "border");
  CHECK(scores().at("cases").at(0).at("nsd") == 1.0);
  const auto elements = evaluate(folder, {"--nsd-convention", "surface-elements", "--nsd-tolerance", "0.5"});
  INFO(elements.err);
  REQUIRE(elements.code == 0);
  CHECK_THAT(elements.out, Contains("nsd: tolerance 0.5, convention surface-elements"));
  CHECK(scores().at("settings").at("nsd_convention") == "surface-elements");
  const auto nsd = scores().at("cases").at(0).at("nsd").get<double>();
  CHECK((nsd > 0.5 && nsd < 1));
  const auto refused = evaluate(folder, {"--nsd-convention", "surface"});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("--nsd-convention surface: must be border or surface-elements"));
}

TEST_CASE("Damaged pictures end with pam's sentence alone, not with what their decoder prints", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  std::filesystem::create_directories(folder / "truth");
  std::filesystem::create_directories(folder / "pred");
  for (const char* name : {"truth/a.png", "pred/a.png"}) {
    write_label_image(folder / name, torch::randint(0, 2, {64, 64}, torch::kLong));
  }
  auto bytes = test::text_of(folder / "pred/a.png");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);  // libpng finds a wrong checksum
  std::ofstream(folder / "pred/a.png", std::ios::binary) << bytes;
  const auto ended = evaluate(folder, {});
  CHECK(ended.code == 2);
  CHECK(ended.err.rfind("error: ", 0) == 0);
  CHECK_THAT(ended.err, Contains("a.png: the picture cannot be decoded") && !Contains("libpng"));
  CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
}

TEST_CASE("NaN in a mask is refused, or background where that is asked for; other files are counted", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  write_mask(folder / "truth/a.nii.gz", 5, 1);
  write_mask(folder / "pred/a.nii.gz", 5, 1);
  auto truth = read_nifti(folder / "truth/a.nii.gz");
  auto voxels = truth.voxels.to(torch::kFloat);
  voxels[0][0][0] = NAN;
  write_nifti(folder / "truth/a.nii.gz", voxels, truth);
  const auto refused = evaluate(folder, {});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("truth/a.nii.gz: 1 of 512 voxels are NaN") && Contains("--zero-non-finite"));
  test::write_file(folder / "truth/notes.txt");
  const auto scored = evaluate(folder, {"--zero-non-finite"});
  INFO(scored.err);
  REQUIRE(scored.code == 0);
  CHECK_THAT(scored.err, Contains("1 of 512 voxels are NaN") && Contains("1 file beside the data is not read") &&
                             Contains("notes.txt"));
  CHECK(iou(folder) == Approx(1.0));
}

TEST_CASE("Truths without a prediction are refused by name, or left out by name where that is asked for", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  for (const char* name : {"truth/a.nii.gz", "truth/trained.nii.gz", "pred/a.nii.gz"}) write_mask(folder / name, 5, 1);
  const auto refused = evaluate(folder, {});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("trained.nii.gz (no prediction)") && Contains("--predicted-only"));
  const auto scored = evaluate(folder, {"--predicted-only"});
  INFO(scored.err);
  REQUIRE(scored.code == 0);
  CHECK_THAT(scored.err, Contains("1 truth(s) have no prediction and are left out: trained"));
  CHECK(iou(folder) == Approx(1.0));
  write_mask(folder / "pred/other.nii.gz", 5, 1);  // a prediction without truth is still refused
  CHECK(evaluate(folder, {"--predicted-only"}).code == 2);
}

TEST_CASE("Masks whose axes run to other sides are not scored voxel by voxel, others that lie apart with a warning",
          "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  write_mask(folder / "truth/a.nii.gz", 5, 1);
  write_mask(folder / "pred/a.nii.gz", 5, 1);
  const auto place = [&](const char* name, double step, double shift) {
    auto image = read_nifti(folder / name);
    write_nifti(folder / name, image.voxels, geometry_of({{{step, 0, 0, shift}, {0, 1, 0, 0}, {0, 0, 1, 0}}}));
  };
  place("truth/a.nii.gz", 1, 0);  // against a header that says nothing
  REQUIRE(evaluate(folder, {}).err.empty());
  place("pred/a.nii.gz", -1, 15);  // the same space, stored mirrored
  const auto mirrored = evaluate(folder, {});
  CHECK(mirrored.code == 2);
  CHECK_THAT(mirrored.err, Contains("run LAS") && Contains("run RAS") && Contains("--ignore-affine"));
  REQUIRE(evaluate(folder, {"--ignore-affine"}).code == 0);
  CHECK(iou(folder) == Approx(1.0));
  place("pred/a.nii.gz", 1, 50);
  const auto moved = evaluate(folder, {});
  REQUIRE(moved.code == 0);
  CHECK_THAT(moved.err, Contains("warning: ") && Contains("pred/a.nii.gz: lies elsewhere in space than its truth"));
}

TEST_CASE("masks of equal names are pairs, whatever the names end in; a suffix may differ otherwise", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  for (const char* name : {"eye", "eye_l"}) {
    write_mask(folder / "truth" / (std::string(name) + ".nii.gz"), 5, 1);
    write_mask(folder / "pred" / (std::string(name) + ".nii.gz"), 6, 1);
  }
  write_mask(folder / "truth/knee_seg.nii.gz", 5, 1);
  write_mask(folder / "pred/knee_pred.nii.gz", 6, 1);
  const auto end = evaluate(folder, {});
  INFO(end.err);
  REQUIRE(end.code == 0);
  std::vector<std::string> names;
  const auto scores = nlohmann::json::parse(test::text_of(folder / "scores.json"));
  for (const auto& each : scores.at("cases")) names.push_back(each.at("case").get<std::string>());
  CHECK(names == std::vector<std::string>{"eye", "eye_l", "knee"});
  std::filesystem::remove(folder / "pred/eye.nii.gz");
  std::filesystem::remove(folder / "truth/eye.nii.gz");
  REQUIRE(evaluate(folder, {}).code == 0);
  CHECK_THAT(test::text_of(folder / "scores.json"), Contains("\"eye_l\""));
  write_mask(folder / "truth/knee.nii.gz", 5, 1);
  write_mask(folder / "pred/knee.nii.gz", 5, 1);
  CHECK_THAT(evaluate(folder, {}).err, Contains("both would be case \"knee\""));
}

TEST_CASE("evaluate makes the folder of its files, and writes them before the table", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  write_mask(folder / "truth/a.nii.gz", 5, 1);
  write_mask(folder / "pred/a.nii.gz", 6, 1);
  const auto json = folder / "new" / "deep" / "s.json", csv = folder / "other" / "s.csv";
  const auto end = test::run_program_with(test::program_named("evaluate"),
                                          {"--pred", (folder / "pred").string(), "--truth", (folder / "truth").string(),
                                           "--json", json.string(), "--csv", csv.string()});
  INFO(end.err);
  REQUIRE(end.code == 0);
  CHECK(std::filesystem::exists(json));
  CHECK(std::filesystem::exists(csv));
  const auto piped = folder / "piped.json";
  const auto line =
      fmt::format("'{}' --pred '{}' --truth '{}' --json '{}' 2>&1 | true", test::program_named("evaluate").string(),
                  (folder / "pred").string(), (folder / "truth").string(), piped.string());
  static_cast<void>(std::system(line.c_str()));
  CHECK(std::filesystem::exists(piped));
}

TEST_CASE("evaluate refuses options that its masks would ignore", "[apps]") {
  PAM_SKIP_WITHOUT("evaluate");
  const TempDir folder;
  write_mask(folder / "truth/a.nii.gz", 5, 1);
  write_mask(folder / "pred/a.nii.gz", 6, 1);
  const auto files = test::run_program_with(test::program_named("evaluate"),
                                            {"--pred", (folder / "pred/a.nii.gz").string(), "--truth",
                                             (folder / "truth/a.nii.gz").string(), "--predicted-only"});
  CHECK(files.code == 2);
  CHECK_THAT(files.err, Contains("--predicted-only"));
  const auto other = evaluate(folder, {"--class", "4"});
  CHECK(other.code == 2);
  CHECK_THAT(other.err, Contains("--class") && Contains("got 4"));
  const TempDir pictures;
  for (const char* place : {"truth", "pred"}) {
    std::filesystem::create_directories(pictures / place);
    write_label_image(pictures / place / "a.png", torch::eye(8).to(torch::kByte));
  }
  const auto affine = evaluate(pictures, {"--ignore-affine"});
  CHECK(affine.code == 2);
  CHECK_THAT(affine.err, Contains("--ignore-affine") && Contains("picture"));
}

}  // namespace apps_evaluate_test

// SPDX-License-Identifier: MIT
/// train as its users meet it: a process with arguments, files, an exit code and a sentence.
/// Skipped by name where the program was not built beside the tests.
#include <pam/images/nifti.hpp>
#include <pam/weights/safetensors.hpp>

#include "apps/program_runs.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <regex>

#if __has_include(<pty.h>)
#include <pty.h>
#endif

namespace apps_train_test {
using namespace pam;
using test::TempDir;

#define SKIP_WITHOUT_PROGRAM() PAM_SKIP_WITHOUT("train")

test::ProgramEnd run(const std::vector<std::string>& arguments) {
  return test::run_program_with(test::program_named("train"), arguments);
}

/// A dim noisy picture with a bright box, and the box as label 3.
std::pair<torch::Tensor, torch::Tensor> example(int number, std::int64_t depth, std::int64_t height,
                                                std::int64_t width) {
  auto image = (torch::arange(depth * height * width) * 7919 % 61 + 20).view({depth, height, width}).to(torch::kInt);
  auto labels = torch::zeros({depth, height, width}, torch::kByte);
  const auto box = [&](torch::Tensor t) { return t.narrow(1, 5 + number, 10).narrow(2, 4 + 2 * number, 9); };
  box(image).add_(120);
  box(labels).fill_(3);
  return {image, labels};
}

NiftiGeometry tilted() { return geometry_of({{{0, -2, 0, 11}, {0.8, 0, 0, -7}, {0, 0, 3, 5}}}); }

/// images/ and labels/ of `cases` small volumes, or pictures with one slice.
void make_folder(const TempDir& folder, int cases, bool pictures, std::int64_t side = 40) {
  for (const char* name : {"images", "labels"}) std::filesystem::create_directories(folder / name);
  for (int i = 0; i < cases; ++i) {
    const auto [image, labels] = example(i, pictures ? 1 : 3, side, side + 8);
    const auto name = fmt::format("case{}", i);
    if (pictures) {
      write_image(folder / "images" / (name + ".png"), image.to(torch::kByte));
      write_label_image(folder / "labels" / (name + ".png"), labels[0]);
    } else {
      write_nifti(folder / "images" / (name + ".nii.gz"), image.to(torch::kShort), tilted());
      write_nifti(folder / "labels" / (name + ".nii.gz"), labels, tilted());
    }
  }
}

std::vector<std::string> arguments_for(const TempDir& folder, const std::vector<std::string>& more) {
  std::vector<std::string> all{
      "--data", folder.path().string(),   "--label-values", "3", "--width", "4", "--threads", "1", "--epochs", "2",
      "--out",  (folder / "run").string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST_CASE("--test-share 0 trains on every case, scores nothing and says so", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/false);
  const auto outcome = run(arguments_for(folder, {"--test-share", "0"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Catch::Contains("3 cases with 9 slices to train, none to test"));
  REQUIRE_THAT(outcome.err, Catch::Contains("No case is tested (--test-share 0)"));
  REQUIRE(nlohmann::json::parse(std::ifstream(folder / "run" / "unet" / "scores.json"))["cases"].empty());
  REQUIRE(read_safetensors(folder / "run" / "unet" / "last.safetensors").metadata.count("pam.input") == 1);
  REQUIRE(std::filesystem::file_size(folder / "run" / "report.html") > 0);
  const auto again = run(arguments_for(folder, {"--test-share", "0", "--resume"}));
  REQUIRE(again.code == 0);
  REQUIRE_THAT(again.out, Catch::Contains("unet: done already"));
  const auto perturbed = run(arguments_for(folder, {"--test-share", "0", "--fgsm", "0.1", "--overwrite"}));
  REQUIRE(perturbed.code == 2);
  REQUIRE_THAT(perturbed.err, Catch::Contains("--fgsm") && Catch::Contains("--test-share 0"));
}

TEST_CASE("A folder of NIfTI gives scores, predictions with the input's affine, pictures, curves and a report",
          "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 4, /*pictures=*/false);
  // The slices of 40 x 48 are below what rfna takes (65), so this is also the test of padding and cropping back.
  const auto outcome = run(arguments_for(folder, {"--nets", "unet", "rfna", "--validation-share", "0.25"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  for (const char* word : {"net ", "IoU", "HD95 mm", "unet ", "rfna ", "report.html"}) {
    INFO(word);
    REQUIRE(outcome.out.find(word) != std::string::npos);
  }
  const auto out = folder / "run";
  for (const char* name :
       {"config.json", "run.json", "table.md", "table.csv", "report.html", "unet/config.json", "unet/run.json",
        "unet/metrics.jsonl", "unet/metrics.csv", "unet/last.safetensors", "unet/best.safetensors",
        "unet/last.state.safetensors", "unet/scores.json", "unet/scores.csv", "unet/report.html", "rfna/scores.json"}) {
    INFO(name);
    REQUIRE(std::filesystem::file_size(out / name) > 0);
  }
  const auto scores = nlohmann::json::parse(std::ifstream(out / "unet" / "scores.json"));
  REQUIRE(scores["cases"].size() == 1);
  const auto name = scores["cases"][0]["case"].get<std::string>();
  REQUIRE(std::filesystem::exists(out / "unet" / "overlays" / (name + ".png")));
  for (const char* net : {"unet", "rfna"}) {
    const auto prediction = read_nifti(out / net / "predictions" / (name + ".nii.gz"));
    REQUIRE(prediction.voxels.sizes() == torch::IntArrayRef({3, 40, 48}));
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t column = 0; column < 4; ++column) {
        // NIfTI stores the affine in float32: 0.8 comes back as 0.80000001.
        REQUIRE(prediction.affine[row][column] ==
                static_cast<double>(static_cast<float>(tilted().affine[row][column])));
      }
    }
    REQUIRE(prediction.voxels.max().item<int>() <= 1);
  }
  const auto weights = read_safetensors(out / "rfna" / "last.safetensors");
  REQUIRE(weights.metadata.at("pam.reversed") == "true");
  REQUIRE(nlohmann::json::parse(weights.metadata.at("pam.net"))["name"] == "rfna");
  const auto html = test::text_of(out / "report.html");
  REQUIRE(html.find("<script") == std::string::npos);
  REQUIRE(html.find("data:image/png;base64,") != std::string::npos);
  const std::regex outside("(src|href|data|action|poster)\\s*=\\s*[\"']?(https?:)?//|url\\(\\s*[\"']?(https?:)?//");
  for (const auto& page : {html, test::text_of(out / "unet" / "report.html")}) {  // nothing is loaded from elsewhere
    REQUIRE(std::sregex_iterator(page.begin(), page.end(), outside) == std::sregex_iterator());
  }
  const auto record = nlohmann::json::parse(std::ifstream(out / "run.json"));
  REQUIRE(record["data"]["files"] == 8);
  REQUIRE(record["options"]["label_values"] == "3");
}

TEST_CASE("A folder of PNG with two classes gives PNG predictions of the input's size and the scores of each class",
          "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 4, /*pictures=*/true);
  auto labels = read_label_image(folder / "labels" / "case0.png");
  labels[0].fill_(7);
  write_label_image(folder / "labels" / "case0.png", labels);
  auto arguments = arguments_for(folder, {"--label-values", "3=1,7=2", "--net", "unet", "--resize", "32x40"});
  const auto outcome = run(arguments);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE(outcome.out.find("Class 2 alone") != std::string::npos);
  const auto scores = nlohmann::json::parse(std::ifstream(folder / "run" / "unet" / "scores.json"));
  REQUIRE(scores["classes"]["2"]["cases"].size() == 1);
  REQUIRE(scores["distance_unit"] == "pixels");
  const auto name = scores["cases"][0]["case"].get<std::string>();
  const auto prediction = read_label_image(folder / "run" / "unet" / "predictions" / (name + ".png"));
  REQUIRE(prediction.sizes() == torch::IntArrayRef({40, 48}));  // scored where the labels are, not where the net works
}

TEST_CASE("CamVid's folders split the cases, and val/ is tested where there is no test/, which the table says",
          "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 4, /*pictures=*/true);
  for (const char* name : {"train", "trainannot", "val", "valannot"}) {
    const bool labels = std::string(name).find("annot") != std::string::npos, val = name[0] == 'v';
    std::filesystem::create_directories(folder / "camvid" / name);
    for (const char* number : val ? std::array{"2", "3"} : std::array{"0", "1"}) {
      const auto file = std::string("case") + number + ".png";
      std::filesystem::copy(folder / (labels ? "labels" : "images") / file, folder / "camvid" / name / file);
    }
  }
  const auto outcome = run(arguments_for(folder, {"--data", (folder / "camvid").string(), "--net", "unet"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Catch::Contains("val/ is used for testing"));
  const auto scores = nlohmann::json::parse(std::ifstream(folder / "run" / "unet" / "scores.json"));
  REQUIRE(scores["weights"] == "last.safetensors");
  REQUIRE(scores["cases"].size() == 2);
  REQUIRE(scores["cases"][0]["case"] == "case2");
}

TEST_CASE("--max-cases takes the first cases by name, and folds test each of them once", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 4, /*pictures=*/true);
  std::vector<std::string> tested;
  for (const char* fold : {"0", "1", "2"}) {
    const auto outcome = run(arguments_for(
        folder, {"--net", "unet", "--epochs", "1", "--max-cases", "3", "--folds", "3", "--fold", fold, "--overwrite"}));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    REQUIRE_THAT(outcome.out, Catch::Contains("Of 4 cases the first 3 by name"));
    const auto scores = nlohmann::json::parse(std::ifstream(folder / "run" / "unet" / "scores.json"));
    REQUIRE(scores["cases"].size() == 1);
    tested.push_back(scores["cases"][0]["case"].get<std::string>());
  }
  std::sort(tested.begin(), tested.end());
  REQUIRE(tested == std::vector<std::string>{"case0", "case1", "case2"});
}

TEST_CASE("A finished run is not run again, not overwritten unasked, and not continued with other options", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  const auto first = arguments_for(folder, {"--net", "unet"});
  REQUIRE(run(first).code == 0);
  const auto weights = test::text_of(folder / "run" / "unet" / "last.safetensors");
  auto outcome = run(first);
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err,
               Catch::Contains("holds a run already") && Catch::Contains("--resume") && Catch::Contains("--overwrite"));
  outcome = run({"--out", (folder / "run").string(), "--resume"});  // the rest is in the run's config.json
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Catch::Contains("unet: done already"));
  outcome = run({"--out", (folder / "run").string(), "--resume", "--epochs", "3"});
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Catch::Contains("epochs is 2") && Catch::Contains("3 now"));
  REQUIRE(test::text_of(folder / "run" / "unet" / "last.safetensors") == weights);
  auto again = first;
  again.emplace_back("--overwrite");
  REQUIRE(run(again).code == 0);
  REQUIRE(test::text_of(folder / "run" / "unet" / "last.safetensors") == weights);  // the same seed, bit for bit
}

TEST_CASE("--overwrite forgets the run of its folder, and no other run below it", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 2, /*pictures=*/true);
  const auto run_in = [&](const std::filesystem::path& out, const char* net, const std::vector<std::string>& more) {
    auto all = arguments_for(folder, {"--net", net, "--epochs", "1", "--out", out.string()});
    all.insert(all.end(), more.begin(), more.end());
    const auto outcome = run(all);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
  };
  run_in(folder / "runs" / "a", "unet", {});
  run_in(folder / "runs", "unet", {"--overwrite"});
  REQUIRE(std::filesystem::exists(folder / "runs" / "a" / "unet" / "last.safetensors"));
  const auto foreign = folder / "runs" / "other";  // a folder of another program, whose config.json says other things
  test::write_file(foreign / "config.json", R"({"nets": ["wunet"]})");
  test::write_file(foreign / "best.safetensors", "mine");
  run_in(folder / "runs", "d6unet", {"--overwrite"});
  REQUIRE(std::filesystem::exists(foreign / "best.safetensors"));
  REQUIRE(std::filesystem::exists(folder / "runs" / "a" / "unet" / "scores.json"));
  for (const char* name : {"last.safetensors", "report.html", "run.json", "scores.csv", "predictions"}) {
    INFO(name);
    REQUIRE_FALSE(std::filesystem::exists(folder / "runs" / "unet" / name));
  }
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST_CASE("Predictions and overlays are of the scoring that stands beside them, not of an older one", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  const auto predicted = [&](const char* tested, const std::vector<std::string>& more) {
    std::ofstream(folder / "split.json") << R"({"train": ["case0"], "test": [")" << tested << R"("]})";
    auto all = arguments_for(folder, {"--net", "unet", "--epochs", "1", "--split", (folder / "split.json").string()});
    all.insert(all.end(), more.begin(), more.end());
    const auto outcome = run(all);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    REQUIRE(names_in(folder / "run" / "unet" / "overlays") == names_in(folder / "run" / "unet" / "predictions"));
    return names_in(folder / "run" / "unet" / "predictions");
  };
  REQUIRE(predicted("case1", {}) == std::vector<std::string>{"case1.png"});
  REQUIRE(predicted("case2", {"--overwrite"}) == std::vector<std::string>{"case2.png"});
  std::filesystem::remove(folder / "run" / "unet" / "scores.json");
  for (const char* name : {"predictions", "overlays"}) test::write_file(folder / "run" / "unet" / name / "old.png", "x");
  REQUIRE(predicted("case2", {"--resume"}) == std::vector<std::string>{"case2.png"});
}

TEST_CASE("A resumed run names the files that are not those that it was started with", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  const auto arguments = arguments_for(folder, {"--net", "unet", "--epochs", "1", "--resume"});
  REQUIRE(run(arguments).code == 0);
  auto outcome = run(arguments);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.err, !Catch::Contains("warning"));
  std::filesystem::copy_file(folder / "images" / "case0.png", folder / "images" / "case1.png",
                             std::filesystem::copy_options::overwrite_existing);
  outcome = run(arguments);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.err, Catch::Contains("data differ") && Catch::Contains("in 1 file: \"images/case1.png\"") &&
                                Catch::Contains("--overwrite"));
  REQUIRE_THAT(test::text_of(folder / "run" / "report.html"), Catch::Contains("data differ"));
}

TEST_CASE("--allow-changes lets a run be resumed with permitted changes, and no others", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  REQUIRE(run(arguments_for(folder, {"--net", "unet"})).code == 0);
  const auto resumed = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--out", (folder / "run").string(), "--resume"});
    return run(more);
  };
  auto outcome = resumed({"--epochs", "3", "--lr", "0.0001"});
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Catch::Contains("epochs is 2") && Catch::Contains("--allow-changes"));
  outcome = resumed({"--seed", "1", "--allow-changes"});
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Catch::Contains("seed is 0") && !Catch::Contains("--allow-changes"));
  REQUIRE(resumed({"--layout", "nhwc"}).code == 0);  // changes only rounding, as from a GPU to a CPU
  outcome = resumed({"--epochs", "3", "--lr", "0.0001", "--clip", "1", "--allow-changes"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto rows = test::text_of(folder / "run" / "unet" / "metrics.jsonl");
  REQUIRE(std::count(rows.begin(), rows.end(), '\n') == 3);
  outcome = resumed({});
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Catch::Contains("unet: done already"));
}

TEST_CASE("A network's own config.json holds every option, and makes the network again", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  REQUIRE(run(arguments_for(folder, {"--nets", "unet", "d6unet", "--epochs", "1"})).code == 0);
  const auto cell = folder / "run" / "unet";
  auto config = nlohmann::json::parse(std::ifstream(cell / "config.json"));
  REQUIRE(config["data"] == folder.path().string());
  REQUIRE(config["label_values"] == "3");
  REQUIRE(config["nets"] == std::vector<std::string>{"unet"});
  REQUIRE(nlohmann::json::parse(std::ifstream(cell / "run.json"))["options"] == config);
  const auto again = folder / "again";
  const auto outcome = run({"--config", (cell / "config.json").string(), "--out", again.string()});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE(test::first_difference_of(again / "unet" / "last.safetensors", cell / "last.safetensors") == "");
}

TEST_CASE("A checkpoint of another width or depth, a lost one and a broken config.json end with their sentences",
          "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 5, /*pictures=*/true);
  REQUIRE(run(arguments_for(folder, {"--net", "unet", "--validation-share", "0.2"})).code == 0);
  const auto config = folder / "run" / "config.json", cell = folder / "run" / "unet";
  const auto whole = nlohmann::json::parse(std::ifstream(config));
  std::filesystem::remove(cell / "scores.json");
  const auto state = test::text_of(cell / "last.state.safetensors");
  const auto refused = [&](const nlohmann::json& changed, const std::vector<std::string>& words) {
    std::ofstream(config) << changed.dump();
    const auto outcome = run({"--out", (folder / "run").string(), "--resume"});
    INFO(outcome.err);
    REQUIRE(outcome.code == 2);
    for (const auto& word : words) REQUIRE_THAT(outcome.err, Catch::Contains(word));
    REQUIRE(test::text_of(cell / "last.state.safetensors") == state);
  };
  auto other = whole;
  other["width"] = 8;
  refused(other, {"last.state.safetensors", "has shape [4, 1, 3, 3] in the checkpoint, but this net has [8, 1, 3, 3]",
                  "resume with the net"});
  other = whole;
  other["net_options"] = {{"depth", 4}};
  refused(other, {"last.state.safetensors", "another depth", "resume with the net"});
  std::ofstream(config) << R"({"epochs": 2)";
  const auto broken = run({"--out", (folder / "run").string(), "--resume"});
  REQUIRE(broken.code == 2);
  REQUIRE_THAT(broken.err, Catch::Contains("config.json") && Catch::Contains("delete it"));

  std::ofstream(config) << whole.dump();
  std::filesystem::remove(cell / "best.safetensors");
  const auto lost = run({"--out", (folder / "run").string(), "--resume"});
  INFO(lost.err);
  REQUIRE(lost.code == 0);
  REQUIRE_THAT(lost.err, Catch::Contains("best.safetensors") && Catch::Contains("those of the last epoch are scored"));
}

/// `net` as pams before prune_convolutions described it.
nlohmann::json without_pruning(nlohmann::json net) {
  for (auto& stage : net["stages"]) stage.erase("prune_convolutions");
  net["bridge"].erase("prune_convolutions");
  return net;
}

TEST_CASE("A run from before prune_convolutions is never continued as the network that prunes", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  for (const char* net : {"rfna_r4_dw_e1", "rfna_r2_full_e1"}) {
    TempDir folder;
    make_folder(folder, 3, /*pictures=*/true);
    REQUIRE(run(arguments_for(folder, {"--nets", "unet", net, "--epochs", "1"})).code == 0);
    const auto cell = folder / "run" / net;
    const auto resumed = [&] { return run({"--out", (folder / "run").string(), "--resume"}); };
    REQUIRE_THAT(resumed().out, Catch::Contains(std::string(net) + ": done already"));
    for (const char* name : {"last.safetensors", "last.state.safetensors"}) {
      auto file = read_safetensors(cell / name);
      file.metadata["pam.net"] = without_pruning(nlohmann::json::parse(file.metadata["pam.net"])).dump();
      write_safetensors(cell / name, file.tensors, file.metadata);
    }
    auto record = nlohmann::json::parse(std::ifstream(cell / "run.json"));
    record["network"] = without_pruning(record["network"]);
    std::ofstream(cell / "run.json") << record.dump();
    const auto refused = [&](const char* file) {
      const auto outcome = resumed();
      INFO(outcome.err);
      REQUIRE(outcome.code == 2);
      REQUIRE_THAT(outcome.err, Catch::Contains((cell / file).string()) && Catch::Contains(net) &&
                                    Catch::Contains("prune_convolutions") && Catch::Contains("--overwrite"));
    };
    refused("last.safetensors");  // scored: its scores are of the other network
    const auto kept = test::text_of(cell / "last.state.safetensors");
    std::filesystem::rename(cell / "scores.json", cell / "scores.old");
    refused("last.safetensors");  // to be continued
    REQUIRE(test::text_of(cell / "last.state.safetensors") == kept);
    std::filesystem::rename(cell / "scores.old", cell / "scores.json");
    std::filesystem::remove(cell / "last.safetensors");
    refused("run.json");  // weights deleted to save space
    const auto plain = run({"--out", (folder / "run").string(), "--resume", "--nets", "unet"});
    INFO(plain.err);
    REQUIRE(plain.code == 0);
    const auto again = run(arguments_for(folder, {"--nets", "unet", net, "--epochs", "1", "--overwrite"}));
    INFO(again.err);
    REQUIRE(again.code == 0);
  }
}

/// How many pixels an overlay has of each colour, by the words of include/pam/report/overlay.hpp.
std::string colours_in_words(const torch::Tensor& p, const torch::Tensor& t) {
  std::int64_t right = 0, missed = 0, invented = 0;
  for (std::int64_t i = 0; i < p.numel(); ++i) {
    const auto found = p.flatten()[i].item<int>(), truth = t.flatten()[i].item<int>();
    if (found > 0 && found == truth) ++right;
    if (found == 0 && truth > 0) ++missed;
    if (found > 0 && found != truth) ++invented;
  }
  return fmt::format("{} pixels correct (yellow), {} missed (blue), {} false (red)", right, missed, invented);
}

TEST_CASE("The words under an overlay of several classes count its colours", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 4, /*pictures=*/true);
  // case3 is case0 once more, but the lower half of its box is of class 2, which no network could know.
  const auto box = (read_label_image(folder / "labels" / "case0.png") == 3).to(torch::kByte);
  auto truth = box.clone();
  truth.narrow(0, 10, 30).mul_(2);
  std::filesystem::copy_file(folder / "images" / "case0.png", folder / "images" / "case3.png",
                             std::filesystem::copy_options::overwrite_existing);
  write_label_image(folder / "labels" / "case3.png", truth);
  for (int i = 0; i < 3; ++i) {
    auto labels = (read_label_image(folder / "labels" / fmt::format("case{}.png", i)) == 3).to(torch::kByte);
    labels[0].fill_(2);  // class 2 is learnt elsewhere
    write_label_image(folder / "labels" / fmt::format("case{}.png", i), labels);
  }
  std::ofstream(folder / "split.json") << R"({"train": ["case0", "case1", "case2"], "test": ["case3"]})";
  const auto outcome =
      run(arguments_for(folder, {"--label-values", "1=1,2=2", "--net", "unet", "--split",
                                 (folder / "split.json").string(), "--epochs", "60", "--lr", "0.02", "--width", "8",
                                 "--loss", "dice_bce", "--schedule", "constant", "--flip", "false"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto predicted = read_label_image(folder / "run" / "unet" / "predictions" / "case3.png");
  REQUIRE((predicted == 1).logical_and(truth == 2).any().item<bool>());  // found, but as the other class
  const auto html = test::text_of(folder / "run" / "report.html");
  CHECK_THAT(html, Catch::Contains(colours_in_words(predicted, truth)));
  CHECK_THAT(html, Catch::Contains("Dice of the foreground"));
}

#if __has_include(<pty.h>)
TEST_CASE("On a terminal an error has a line of its own", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  int terminal = -1, end = -1;
  if (openpty(&terminal, &end, nullptr, nullptr, nullptr) != 0) PAM_SKIP("no pseudo-terminal can be opened");
  test::ProgramRun refused(test::program_named("train"), arguments_for(folder, {"--epochs", "0"}), {},
                           [&] { dup2(end, STDERR_FILENO); });
  REQUIRE(refused.wait().code == 2);
  char text[512];
  const auto length = read(terminal, text, sizeof text);
  close(terminal);
  close(end);
  REQUIRE(length > 0);
  REQUIRE(std::string(text, static_cast<std::size_t>(length)).rfind("\r\033[Kerror: --epochs", 0) == 0);
}
#endif

TEST_CASE("Pictures that look like slices of one case are split with a warning", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  for (const char* kind : {"images", "labels"}) {
    std::filesystem::rename(folder / kind / "case0.png", folder / kind / "p1_s01.png");
    std::filesystem::rename(folder / kind / "case1.png", folder / kind / "p1_s02.png");
  }
  const auto outcome = run(arguments_for(folder, {"--net", "unet", "--epochs", "1"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Catch::Contains("The names p1_… look like slices") && Catch::Contains("--split FILE.json"));
}

TEST_CASE("What takes no part gives a warning: cases in no list, classes that never occur", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  std::ofstream(folder / "split.json") << R"({"train": ["case0"], "test": ["case2"]})";
  const auto outcome = run(arguments_for(folder, {"--net", "unet", "--epochs", "1", "--split",
                                                  (folder / "split.json").string(), "--label-values", "3=1,4=2"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Catch::Contains("1 of 3 cases are in no part of") && Catch::Contains("case1"));
  CHECK_THAT(outcome.err, Catch::Contains("class 2 of --label-values 3=1,4=2 occurs in no training slice"));
  CHECK_THAT(outcome.out, Catch::Contains("1 case to train, 1 case to test"));
}

TEST_CASE("Ctrl-C saves and ends with 130, and the resumed run has the weights of an unbroken one", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  const auto arguments = arguments_for(folder, {"--net", "unet", "--epochs", "40"});
  auto unbroken = arguments;
  unbroken.insert(unbroken.end(), {"--out", (folder / "unbroken").string()});  // the later --out counts
  REQUIRE(run(unbroken).code == 0);
  test::ProgramRun broken(test::program_named("train"), arguments);
  const auto metrics = folder / "run" / "unet" / "metrics.csv";
  REQUIRE(test::wait_until(broken, [&] { return test::text_of(metrics).size() >= 10; }));
  if (broken.over()) PAM_SKIP("the run was over before the interrupt could be sent");
  broken.send(SIGINT);
  const auto outcome = broken.wait();
  INFO(outcome.err);
  REQUIRE(outcome.code == 130);
  REQUIRE_THAT(outcome.out, Catch::Contains("--resume"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "run" / "unet" / "scores.json"));
  REQUIRE(run({"--out", (folder / "run").string(), "--resume"}).code == 0);
  const auto a = read_safetensors(folder / "run" / "unet" / "last.safetensors");
  const auto b = read_safetensors(folder / "unbroken" / "unet" / "last.safetensors");
  for (std::size_t i = 0; i < a.tensors.size(); ++i) REQUIRE(torch::equal(a.tensors[i].second, b.tensors[i].second));
}

TEST_CASE("--print-config gives every option, and --config of it is the same run", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  const std::vector<std::string> arguments{
      "--width", "4", "--lr", "0.01", "--set", "optimizer.beta1=0.8", "label_values=5", "title=T1", "--print-config"};
  const auto first = run(arguments);
  REQUIRE(first.code == 0);
  const auto config = nlohmann::json::parse(first.out);
  REQUIRE(config["optimizer"]["learning_rate"] == 0.01);
  REQUIRE(config["optimizer"]["beta1"] == 0.8);
  REQUIRE(config["width"] == 4);
  REQUIRE(config["label_values"] == "5");  // text, because the option is text
  REQUIRE(config["title"] == "T1");
  std::ofstream(folder / "config.json") << first.out;
  const auto second = run({"--config", (folder / "config.json").string(), "--print-config"});
  REQUIRE(second.out == first.out);
}

TEST_CASE("bfloat16 and channels-last are options of the run and in its record; float16 needs a GPU", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/false);
  const auto outcome = run(arguments_for(folder, {"--epochs", "1", "--precision", "bfloat16", "--layout", "nhwc"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto record = nlohmann::json::parse(std::ifstream(folder / "run" / "unet" / "run.json"));
  CHECK(record["precision"] == "bfloat16");
  CHECK(record["layout"] == "nhwc");
  const auto refused = [&](const std::vector<std::string>& more) {
    auto all = arguments_for(folder, {"--out", (folder / "other").string(), "--device", "cpu"});
    all.insert(all.end(), more.begin(), more.end());
    const auto end = run(all);
    CHECK(end.code == 2);
    CHECK_FALSE(std::filesystem::exists(folder / "other"));
    return end.err;
  };
  CHECK_THAT(refused({"--precision", "float16"}), Catch::Contains("use bfloat16 or float32"));
  CHECK_THAT(refused({"--precision", "half"}),
             Catch::Contains("--precision half: must be float32, bfloat16, float16 or auto"));
  CHECK_THAT(refused({"--layout", "chw"}), Catch::Contains("must be auto, nchw or nhwc"));
}

TEST_CASE("Bad input ends with code 2, one sentence, and nothing written", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  const auto refuses = [&](const std::vector<std::string>& more, const std::vector<std::string>& words) {
    const auto outcome = run(arguments_for(folder, more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 2);
    for (const auto& word : words) REQUIRE_THAT(outcome.err, Catch::Contains(word));
    const auto error = outcome.err.rfind("error: ");  // warnings may come before it
    REQUIRE(error != std::string::npos);
    REQUIRE(std::count(outcome.err.begin() + static_cast<std::ptrdiff_t>(error), outcome.err.end(), '\n') == 1);
    REQUIRE_FALSE(std::filesystem::exists(folder / "run"));
  };
  refuses({"--net", "wunt"}, {"no network \"wunt\"", "wunet"});
  refuses({"--loss", "dise"}, {"dise", "dice"});
  refuses({"--epohcs", "3"}, {"--epohcs", "did you mean --epochs?"});
  refuses({"--epochs", "0"}, {"--epochs", "at least 1"});
  refuses({"--device", "cuda:99"}, {"cuda:99"});
  refuses({"--clip", "-1"}, {"--clip", "at least 0"});
  refuses({"--set", "accumulate=0"}, {"accumulate", "at least 1"});
  refuses({"--set", "validate_every=0"}, {"validate_every", "at least 1"});
  refuses({"--set", "patience=-1"}, {"patience", "at least 0"});
  refuses({"--set", "patience=3"}, {"patience 3", "--validation-share"});
  refuses({"--lr", "0"}, {"learning_rate must be positive"});
  refuses({"--set", "optimizer.beta1=1"}, {"beta1", "below 1"});
  refuses({"--set", "schedule.gamma=0"}, {"gamma must be above 0"});
  refuses({"--set", "schedule.warm_up=9"}, {"warm_up must be between 0 and the run's 2 steps, got 9"});
  refuses({"--set", "loss_options.smooth=0"}, {"smooth must be positive"});
  refuses({"--channels", "7"}, {"--channels 7", "must be 1 (grey), 3 (RGB) or 0 (as stored)"});
  const auto grey = test::text_of(folder / "images" / "case1.png");
  write_image(folder / "images" / "case1.png", torch::zeros({3, 40, 48}, torch::kByte));
  std::ofstream(folder / "split.json") << R"({"train": ["case0", "case1"], "test": ["case2"]})";
  refuses({"--split", (folder / "split.json").string()},
          {"case1: its number of channels is 3, that of the case case0 is 1", "--channels 3"});
  std::ofstream(folder / "images" / "case1.png", std::ios::binary) << grey;
  std::filesystem::create_directories(folder / "empty" / "images");
  std::filesystem::create_directories(folder / "empty" / "labels");
  refuses({"--data", (folder / "empty").string()}, {"empty/images", "holds no NIfTI files"});
  refuses({"--split", "case"}, {"--split case", "cases"});
  refuses({"--folds", "3", "--fold", "-1"}, {"--fold -1", "0 to 2"});
  refuses({"--folds", "4"}, {"there are 3 cases", "--folds 4"});
  refuses({"--crop", "160"}, {"--crop 160", "160x160"});
  refuses({"--set", "optimizer.lr=1"}, {"there is no option \"lr\"", "did you mean"});
  for (int i = 0; i < 3; ++i) {  // so that class 1 occurs: no warning stands before the refusal
    const auto label = folder / "labels" / fmt::format("case{}.png", i);
    auto labels = read_label_image(label);
    labels[0][0] = 1;
    write_label_image(label, labels);
  }
  refuses({"--label-values", "1=1,3=2", "--net", "rfna"}, {"--set net_options.reversed=false"});
  refuses({"--label-values", "1", "--strict-labels"}, {"labels/case", "unknown label 3", "\"1\""});
  refuses({"--split", "hemispheres", "--folds", "3"}, {"--split hemispheres", "--folds"});
  refuses({"--label-values", "5"}, {"has foreground", "--label-values 5"});
  refuses({"--config", (folder / "none.json").string()}, {"none.json", "No such file"});

  std::ofstream(folder / "typo.json") << R"({"epocs": 3})";
  refuses({"--config", (folder / "typo.json").string()}, {"typo.json", "\"epocs\"", "epochs"});
  std::ofstream(folder / "broken.json") << "{\"epochs\": ";
  refuses({"--config", (folder / "broken.json").string()}, {"broken.json", "is not JSON"});

  std::ofstream(folder / "file") << "in the way";
  auto arguments = arguments_for(folder, {});
  arguments[std::find(arguments.begin(), arguments.end(), "--out") - arguments.begin() + 1] =
      (folder / "file" / "run").string();
  const auto outcome = run(arguments);
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Catch::Contains("--out") && Catch::Contains("is a file, not a folder"));

  write_label_image(folder / "labels" / "case1.png", torch::zeros({40, 40}, torch::kByte));
  refuses({}, {"case1", "40 x 40 pixels", "48 x 40 pixels", "one size"});
  std::filesystem::remove(folder / "labels" / "case1.png");
  refuses({}, {"case1.png", "no label file"});
}

TEST_CASE("--task says which options there are, and a configuration may say the task", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  const auto help = run({"--help"}), brats = run({"--task", "brats", "--help"});
  REQUIRE(help.code == 0);
  REQUIRE_THAT(help.out, Catch::Contains("--images") && Catch::Contains("--demo") && !Catch::Contains("--grades"));
  REQUIRE_THAT(help.out, Catch::Contains("cityscapes, brats, isles, folder"));
  REQUIRE(brats.code == 0);
  REQUIRE_THAT(brats.out, Catch::Contains("--grades") && !Catch::Contains("--images"));
  const auto unknown = run({"--task", "brast"});
  REQUIRE(unknown.code == 2);
  REQUIRE(unknown.err == "error: --task brast: must be one of cityscapes, brats, isles, folder; did you mean brats?\n");
  for (const char* task : {"cityscapes", "brats", "isles", "folder"}) {
    CAPTURE(task);
    const auto printed = run({"--task", task, "--width", "5", "--print-config"});
    REQUIRE(printed.code == 0);
    auto config = nlohmann::json::parse(printed.out);
    REQUIRE(config["task"] == task);
    std::ofstream(folder / "config.json") << printed.out;
    REQUIRE(run({"--config", (folder / "config.json").string(), "--print-config"}).out == printed.out);
    config.erase("task");  // as the programs train_folder, train_brats … wrote it
    std::ofstream(folder / "older.json") << config.dump();
    REQUIRE(run({"--config", (folder / "older.json").string(), "--print-config"}).out == printed.out);
  }
  const auto other = run({"--set", "task=isles"});
  REQUIRE(other.code == 2);
  REQUIRE_THAT(other.err, Catch::Contains("choose another with --task isles"));
}

TEST_CASE("A run of an older program is resumed as the task that its options are of", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  REQUIRE(run(arguments_for(folder, {"--net", "unet", "--epochs", "1"})).code == 0);
  const auto out = folder / "run";
  // What train_folder left: no word of the task, nor of options that came later.
  for (const auto& path : {out / "config.json", out / "unet" / "config.json"}) {
    auto config = nlohmann::json::parse(std::ifstream(path));
    for (const char* key : {"task", "tensorboard"}) REQUIRE(config.erase(key) == 1);
    std::ofstream(path) << config.dump(2);
  }
  for (const std::vector<std::string>& task : {std::vector<std::string>{}, {"--task", "folder"}}) {
    std::vector<std::string> arguments{"--out", out.string(), "--resume"};
    arguments.insert(arguments.end(), task.begin(), task.end());
    const auto again = run(arguments);
    INFO(again.err);
    REQUIRE(again.code == 0);
    REQUIRE_THAT(again.out, Catch::Contains("unet: done already"));
  }
  const auto longer = run({"--out", out.string(), "--resume", "--allow-changes", "--epochs", "2"});
  INFO(longer.err);
  REQUIRE(longer.code == 0);
  REQUIRE(test::text_of(out / "unet" / "metrics.csv").find("\n2,") != std::string::npos);
  const auto refused = run({"--task", "brats", "--out", out.string(), "--resume"});
  REQUIRE(refused.code == 2);
  REQUIRE_THAT(refused.err, Catch::Contains("holds a run of the task folder"));
}

TEST_CASE("--tensorboard writes every epoch's loss as an event file, and a resumed run adds its own", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 3, /*pictures=*/true);
  const auto points = [&] {  // of the loss; tests/train reads the format itself
    std::size_t files = 0, losses = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder / "run" / "unet")) {
      if (file.path().filename().string().rfind("events.out.tfevents.", 0) != 0) continue;
      ++files;
      const auto text = test::text_of(file.path());
      for (auto at = text.find("train/loss"); at != std::string::npos; at = text.find("train/loss", at + 1)) ++losses;
    }
    return std::pair(files, losses);
  };
  REQUIRE(run(arguments_for(folder, {"--net", "unet", "--epochs", "1"})).code == 0);
  REQUIRE(points() == std::pair<std::size_t, std::size_t>(0, 0));  // nobody asked
  REQUIRE(run(arguments_for(folder, {"--net", "unet", "--tensorboard", "--overwrite"})).code == 0);
  REQUIRE(points() == std::pair<std::size_t, std::size_t>(1, 2));
  const auto longer = run({"--out", (folder / "run").string(), "--resume", "--allow-changes", "--epochs", "5"});
  INFO(longer.err);
  REQUIRE(longer.code == 0);
  REQUIRE(points() == std::pair<std::size_t, std::size_t>(2, 5));
  REQUIRE(run(arguments_for(folder, {"--net", "unet", "--epochs", "1", "--overwrite"})).code == 0);
  REQUIRE(points() == std::pair<std::size_t, std::size_t>(0, 0));  // the older run is forgotten
}

TEST_CASE("A run inside the folder of its cases is no case, and --resume takes the folder in other words", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  const auto cases = folder / "cf";
  for (int i = 0; i < 4; ++i) {
    const auto [image, labels] = example(i, 3, 40, 48);
    const auto place = cases / fmt::format("p{}", i);
    std::filesystem::create_directories(place);
    write_nifti(place / "T1w.nii.gz", image.to(torch::kShort), tilted());
    write_nifti(place / "seg.nii.gz", labels, tilted());
  }
  const auto out = cases / "run";
  const auto start = [&](const std::filesystem::path& data, const std::vector<std::string>& more) {
    std::vector<std::string> words{"--data",  data.string(), "--modalities", "T1w",       "--label-values", "3",
                                   "--width", "4",           "--threads",    "1",         "--epochs",       "1",
                                   "--net",   "unet",        "--out",        out.string()};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  auto end = start(cases, {});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.out, Catch::Contains("3 cases with"));
  for (const auto& same : {cases / "", cases / ".", folder / "." / "cf", folder / "cf" / ".." / "cf"}) {
    end = start(same, {"--resume"});
    INFO(same << end.err);
    REQUIRE(end.code == 0);
  }
  std::filesystem::rename(folder / "cf", folder / "moved");
  const auto moved = folder / "moved";
  const auto resumed = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"--data", moved.string(), "--out", (moved / "run").string(), "--resume"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  end = resumed({});
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Catch::Contains("data is") && Catch::Contains("--allow-changes"));
  end = resumed({"--allow-changes"});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.err, !Catch::Contains("The data differ"));

  auto older = nlohmann::json::parse(std::ifstream(moved / "run" / "config.json"));
  older.erase("orient");  // as pam wrote it when zscore was over the voxels that are not 0
  older["normalise"] = "zscore";
  std::ofstream(moved / "run" / "config.json") << older.dump();
  end = resumed({"--normalise", "zscore"});
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Catch::Contains("normalise is \"zscore-nonzero\""));
  end = resumed({});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.err, Catch::Contains("is of an older pam") && Catch::Contains("zscore-nonzero"));
  REQUIRE(nlohmann::json::parse(std::ifstream(moved / "run" / "config.json"))["normalise"] == "zscore-nonzero");

  std::filesystem::remove(moved / "p3" / "T1w.nii.gz");  // the case is incomplete
  const auto again = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"--data",         moved.string(),
                                   "--modalities",   "T1w,",
                                   "--label-values", "3",
                                   "--width",        "4",
                                   "--threads",      "1",
                                   "--epochs",       "1",
                                   "--net",          "unet",
                                   "--out",          (moved / "runs" / "b").string()};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  end = again({});
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Catch::Contains("p3") && Catch::Contains("\"T1w\""));
  end = again({"--skip-bad"});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.err, Catch::Contains("skipped: ") && Catch::Contains("p3"));
}

TEST_CASE("a run is continued with its own split and label map, though the files of both may have been edited",
          "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 4, /*pictures=*/true);
  const auto save = [&](const char* name, const nlohmann::json& json) { std::ofstream(folder / name) << json.dump(); };
  save("split.json", {{"train", {"case0", "case1"}}, {"test", {"case2"}}});
  save("map.json", {{"3", 1}});
  std::vector<std::string> arguments{"--data",         folder.path().string(),
                                     "--label-values", (folder / "map.json").string(),
                                     "--split",        (folder / "split.json").string(),
                                     "--width",        "4",
                                     "--threads",      "1",
                                     "--epochs",       "1",
                                     "--out",          (folder / "run").string()};
  REQUIRE(run(arguments).code == 0);
  arguments.emplace_back("--resume");
  REQUIRE(run(arguments).code == 0);
  save("split.json", {{"train", {"case0", "case2"}}, {"test", {"case1"}}});
  auto end = run(arguments);
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Catch::Contains("the case case1 is a train case in") && Catch::Contains("a test case now") &&
                          Catch::Contains("parts.json") && Catch::Contains("tested on what they were trained on"));
  save("split.json", {{"train", {"case0", "case1"}}, {"test", {"case2", "case3"}}});
  end = run(arguments);
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Catch::Contains("the case case3 is in no part"));
  save("split.json", {{"train", {"case0", "case1"}}, {"test", {"case2"}}});
  save("map.json", {{"0", 1}, {"3", 0}});
  end = run(arguments);
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Catch::Contains("--label-values") && Catch::Contains("parts.json"));
  save("map.json", {{"3", 1}});
  arguments.insert(arguments.end(), {"--allow-changes", "--lr", "0.5"});
  end = run(arguments);
  CHECK(end.code == 0);
  CHECK_THAT(end.err, Catch::Contains("unet is finished and keeps its scores") && Catch::Contains("learning_rate"));
}

TEST_CASE("validation cases that cannot choose an epoch are refused, and folders below the data are named", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  make_folder(folder, 4, /*pictures=*/true);
  std::ofstream(folder / "split.json") << nlohmann::json{
      {"train", {"case0", "case1"}},
      {"validation", {"case2"}},
      {"test", {"case3"}}}.dump();
  const std::vector<std::string> with_split{"--split", (folder / "split.json").string()};
  write_label_image(folder / "labels" / "case2.png", torch::zeros({40, 48}, torch::kByte));
  auto end = run(arguments_for(folder, with_split));
  CHECK(end.code == 2);
  CHECK_THAT(end.err,
             Catch::Contains("none of the 1 validation cases has foreground") && Catch::Contains("--validation-share"));
  std::filesystem::resize_file(folder / "labels" / "case2.png", 20);
  auto skipping = with_split;
  skipping.emplace_back("--skip-bad");
  end = run(arguments_for(folder, skipping));
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Catch::Contains("none of the 1 validation cases can be read"));
  std::ofstream(folder / "split.json") << R"({"train": ["case0", "case1"], "test": ["case9"]})";
  end = run(arguments_for(folder, with_split));
  CHECK(end.code == 2);
  CHECK_THAT(end.err, Catch::Contains("--split " + (folder / "split.json").string()) &&
                          Catch::Contains("no case \"case9\"") && Catch::Contains("without extension"));
}

TEST_CASE("--modalities is asked for as it is typed, and --demo brings its own data", "[apps]") {
  SKIP_WITHOUT_PROGRAM();
  TempDir folder;
  std::filesystem::create_directories(folder / "p1");
  std::ofstream(folder / "p1" / "T1w.nii") << "";
  const auto end = run({"--data", folder.path().string(), "--out", (folder / "run").string()});
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Catch::Contains("--modalities t1 t2 flair") && !Catch::Contains("FolderOptions"));
  if (!std::filesystem::exists("/usr/share/mricron/templates/aal.nii.gz")) return;
  const auto demo = run({"--demo", "--data", "x", "--out", (folder / "run").string()});
  REQUIRE(demo.code == 2);
  REQUIRE_THAT(demo.err, Catch::Contains("--data: --demo brings its own data"));
}

}  // namespace apps_train_test

// SPDX-License-Identifier: MIT
/// compare as its users meet it, on a small phantom. Skipped by name where the program was not built beside the tests.
#include "support/phantom.hpp"

#include "apps/program_runs.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <pam/weights/safetensors.hpp>

#include "comparison/comparison_options.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

namespace apps_compare_test {
using namespace pam;
using Catch::Contains;
using test::TempDir;

test::ProgramEnd run(const std::vector<std::string>& arguments) {
  return test::run_program_with(test::program_named("compare"), arguments);
}

std::vector<std::string> arguments_for(const TempDir& folder, const std::vector<std::string>& more) {
  std::vector<std::string> all{"--task",
                               "folder",
                               "--data",
                               (folder / "data").string(),
                               "--set",
                               "label_values=1",
                               "folds=2",
                               "workers=0",
                               "--width",
                               "4",
                               "--epochs",
                               "1",
                               "--threads",
                               "1",
                               "--repeats",
                               "2",
                               "--nets",
                               "unet",
                               "fpa",
                               "--out",
                               (folder / "run").string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// The tables without the times, which no two runs share.
nlohmann::json without_times(const std::filesystem::path& out) {
  auto json = nlohmann::json::parse(std::ifstream(out / "comparison.json"));
  for (auto& net : json["networks"]) net.erase("training_seconds");
  return json;
}

TEST_CASE("Networks, folds and repeats give the tables, and a lost cell alone is run again with equal tables",
          "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  TempDir folder;
  write_folder_phantom(folder / "data", /*pictures=*/false, {4, {32, 32}, 4, 3});
  auto outcome = run(arguments_for(folder, {"--paper"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  for (const char* word : {"[8/8] fold 1, repeat 1: fpa", "Settings (tables 1 and 2)", "mIoU %", "paper: M", "4.20",
                           "Paired tests against unet", "seeds ", "0 to 1"}) {
    INFO(word);
    REQUIRE(outcome.out.find(word) != std::string::npos);
  }
  const auto out = folder / "run";
  for (const char* name : {"config.json", "run.json", "comparison.md", "comparison.csv", "comparison.json", "cases.csv",
                           "report.html", "fold_1/repeat_0/fpa/scores.json"}) {
    INFO(name);
    REQUIRE(std::filesystem::file_size(out / name) > 0);
  }
  const auto record = nlohmann::json::parse(std::ifstream(out / "run.json"));
  REQUIRE(record["data"]["files"] == 8);
  REQUIRE(record["options"]["folds"] == 2);
  REQUIRE(record["options"]["repeats"] == 2);
  const auto before = without_times(out);
  REQUIRE(before["networks"][0]["cases"].size() == 4);  // each case is tested once per repeat
  REQUIRE(before["networks"][1]["repeats"] == std::vector<int>{0, 1});
  REQUIRE(before["tests"].size() == 2);
  const auto seed_of = [&](const std::string& cell_path) {
    return nlohmann::json::parse(std::ifstream(out / cell_path / "config.json"))["seed"].get<int>();
  };
  REQUIRE((seed_of("fold_1/repeat_0/unet") == 0 && seed_of("fold_1/repeat_1/unet") == 1));
  const auto own = nlohmann::json::parse(std::ifstream(out / "fold_1/repeat_0/unet/config.json"));
  REQUIRE((own["label_values"] == "1" && own["fold"] == 1 && own["nets"] == std::vector<std::string>{"unet"}));
  const auto names_of = [&](const char* cell_path) {
    std::vector<std::string> names;
    const auto scores = nlohmann::json::parse(std::ifstream(out / cell_path / "scores.json"));
    for (const auto& each : scores.at("cases")) {
      names.push_back(each["case"].get<std::string>());
    }
    return names;
  };
  REQUIRE(names_of("fold_0/repeat_0/unet") == names_of("fold_0/repeat_1/unet"));  // the split is that of the seed

  outcome = run(arguments_for(folder, {}));
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Contains("holds a comparison already") && Contains("--resume"));
  const auto table = test::text_of(out / "comparison.csv");
  std::filesystem::remove(out / "fold_1" / "repeat_0" / "fpa" / "scores.json");
  outcome = run({"--out", out.string(), "--resume"});  // the rest is in the comparison's config.json
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  std::size_t again = 0;
  for (auto at = outcome.out.find(" parameters\n"); at != std::string::npos;
       at = outcome.out.find(" parameters\n", at + 1)) {
    ++again;
  }
  REQUIRE(again == 1);
  REQUIRE_THAT(outcome.out, Contains("[6/8] fold 1, repeat 0: fpa: 69,464"));  // its parameters, not "done already"
  REQUIRE(without_times(out) == before);
  REQUIRE(test::text_of(out / "comparison.csv") == table);

  outcome = run({"--out", out.string(), "--resume", "--epochs", "2"});
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Contains("epochs is 1") && Contains("2 now"));
  outcome = run({"--out", out.string(), "--resume", "--nets", "unet", "--repeats", "1"});
  REQUIRE(outcome.code == 0);  // fewer networks and repeats of the same comparison
  REQUIRE(without_times(out)["tests"].empty());
  REQUIRE_THAT(test::text_of(out / "report.html"), Contains("<svg") && !Contains("<script"));
}

TEST_CASE("A cell that fails is named, the others continue, and --resume tries it again", "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  TempDir folder;
  write_folder_phantom(folder / "data", /*pictures=*/false, {2, {32, 32}, 4, 3});
  const auto cells = folder / "run" / "fold_0" / "repeat_0";
  std::filesystem::create_directories(cells);
  std::ofstream(cells / "unet") << "in the way";
  auto outcome = run(arguments_for(folder, {"--repeats", "1"}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 2);
  REQUIRE_THAT(outcome.err, Contains("unet in fold 0, repeat 0 failed") && !Contains("fpa in"));
  REQUIRE_THAT(outcome.out, Contains("[4/4]") && Contains("0 of 1 repeats have all folds"));
  auto json = nlohmann::json::parse(std::ifstream(folder / "run" / "comparison.json"));
  REQUIRE(json["failed"].size() == 1);
  REQUIRE(json["networks"][1]["scores"]["iou"]["mean"].is_number());
  REQUIRE(json["networks"][0]["scores"]["iou"]["mean"].is_null());
  REQUIRE(json["baseline"].is_null());  // no baseline has a whole repeat

  std::filesystem::remove(cells / "unet");
  outcome = run({"--out", (folder / "run").string(), "--resume"});
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Contains("[1/4] fold 0, repeat 0: unet: 49,336") && Contains("fpa: done already"));
  json = nlohmann::json::parse(std::ifstream(folder / "run" / "comparison.json"));
  REQUIRE((json["failed"].empty() && json["baseline"] == "unet"));
}

TEST_CASE("A comparison whose trainings are from before prune_convolutions is not continued", "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  TempDir folder;
  write_folder_phantom(folder / "data", /*pictures=*/false, {2, {40, 40}, 4, 3});
  auto arguments = arguments_for(folder, {"--repeats", "1"});
  *std::find(arguments.begin(), arguments.end(), "fpa") = "rfna_r4_dw_e1";
  const auto first = run(arguments);
  INFO(first.err);
  REQUIRE(first.code == 0);
  const auto path = folder / "run" / "fold_1" / "repeat_0" / "rfna_r4_dw_e1" / "last.safetensors";
  auto file = read_safetensors(path);
  auto net = nlohmann::json::parse(file.metadata["pam.net"]);
  net["bridge"].erase("prune_convolutions");
  file.metadata["pam.net"] = net.dump();
  write_safetensors(path, file.tensors, file.metadata);
  const auto again = run({"--out", (folder / "run").string(), "--resume"});
  INFO(again.err);
  REQUIRE(again.code == 2);
  REQUIRE_THAT(again.err, Contains(path.string()) && Contains("prune_convolutions"));
  REQUIRE(again.out.find("[1/4]") == std::string::npos);  // before anything is trained or read
}

TEST_CASE("Ctrl-C leaves a comparison that can be resumed", "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  TempDir folder;
  write_folder_phantom(folder / "data", /*pictures=*/false, {2, {32, 32}, 4, 3});
  test::ProgramRun broken(test::program_named("compare"), arguments_for(folder, {"--epochs", "30"}));
  const auto scores = folder / "run" / "fold_0" / "repeat_0" / "unet" / "scores.json";
  REQUIRE(test::wait_until(broken, [&] { return std::filesystem::exists(scores); }));
  broken.send(SIGINT);
  auto outcome = broken.wait();
  INFO(outcome.err);
  REQUIRE(outcome.code == 130);
  REQUIRE_THAT(outcome.out, Contains("compare --out") && Contains("--resume"));
  REQUIRE_FALSE(std::filesystem::exists(folder / "run" / "comparison.md"));
  outcome = run({"--out", (folder / "run").string(), "--resume"});
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE_THAT(outcome.out, Contains("[1/8] fold 0, repeat 0: unet: done already"));
  REQUIRE(without_times(folder / "run")["networks"].size() == 2);
}

TEST_CASE("Ctrl-C while a later fold is read leaves a comparison that can be resumed", "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  TempDir folder;
  write_folder_phantom(folder / "data", /*pictures=*/false, {40, {32, 32}, 4, 3});
  test::ProgramRun broken(test::program_named("compare"), arguments_for(folder, {"--repeats", "1"}));
  // The last file of fold 0; fold 1 is read next.
  const auto scores = folder / "run" / "fold_0" / "repeat_0" / "fpa" / "scores.json";
  REQUIRE(test::wait_until(broken, [&] { return std::filesystem::exists(scores); }));
  broken.send(SIGINT);
  const auto outcome = broken.wait();
  INFO(outcome.err);
  REQUIRE(outcome.code == 130);
  REQUIRE_THAT(outcome.out, Contains("Continue with: compare --out"));
  REQUIRE_THAT(outcome.err, !Contains("nothing"));
}

TEST_CASE("compare --resume takes the data folder in other words, and data that moved with --allow-changes", "[apps]") {
  const TempDir folder;
  const auto setup = [&](std::vector<std::string> words) {
    CLI::App app;
    const apps::CompareReader reader(app);
    words.insert(words.end(), {"--out", (folder / "run").string()});
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(words);
    return reader.read();
  };
  const auto why = [&](const std::vector<std::string>& words) {
    return test::message_of<Error>([&] { apps::check_comparison_folder(setup(words)); });
  };
  const auto before = setup({"--task", "folder", "--data", (folder / "data").string(), "--nets", "unet"});
  std::filesystem::create_directories(folder / "run");
  std::ofstream(folder / "run" / "config.json") << before.config().dump();
  CHECK_THAT(why({"--task", "folder", "--data", (folder / "data").string(), "--nets", "unet"}), Contains("--resume"));
  CHECK(why({"--resume"}) == "no error");
  CHECK(why({"--resume", "--data", (folder / "." / "data" / "").string()}) == "no error");
  const auto moved = (folder / "moved").string();
  CHECK_THAT(why({"--resume", "--data", moved}), Contains("data is ") && Contains("--allow-changes"));
  CHECK(why({"--resume", "--data", moved, "--allow-changes"}) == "no error");
  CHECK_THAT(why({"--resume", "--epochs", "7", "--allow-changes"}), Contains("epochs is "));
}

TEST_CASE("compare's bad input ends with code 2, one sentence, and nothing written", "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  TempDir folder;
  write_folder_phantom(folder / "data", /*pictures=*/false, {2, {32, 32}, 4, 3});
  const auto refuses = [&](const std::vector<std::string>& more, const std::vector<std::string>& words) {
    const auto outcome = run(arguments_for(folder, more));
    INFO(outcome.err);
    REQUIRE(outcome.code == 2);
    for (const auto& word : words) REQUIRE_THAT(outcome.err, Contains(word));
    REQUIRE(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    REQUIRE_FALSE(std::filesystem::exists(folder / "run"));
  };
  refuses({"--task", "foldr"}, {"\"foldr\"", "folder"});
  refuses({"--net", "wunt"}, {"no network \"wunt\"", "wunet"});
  refuses({"--baseline", "wunet"}, {"--baseline wunet", "unet, fpa", "best"});
  refuses({"--ablation", "fpa"}, {"--nets", "--ablation fpa", "leave out one"});
  refuses({"--set", "folds=0", "test_share=0"}, {"test_share 0", "needs test cases"});
  refuses({"--folds", "2"}, {"--folds 2", "no fold 2", "0 to 1"});
  refuses({"--folds", "0,0"}, {"twice"});
  refuses({"--folds", "first"}, {"--folds first", "all"});
  refuses({"--repeats", "0"}, {"--repeats", "1 to 1000"});
  refuses({"--precision", "auto"}, {"--precision auto", "float32 or bfloat16"});
  refuses({"--repeats", "two"}, {"repeats", "whole number"});
  refuses({"--set", "fold=1"}, {"fold is 1", "--folds 1"});
  refuses({"--set", "epocs=1"}, {"\"epocs\"", "epochs"});
  refuses({"--set", "optimizer.lr=1"}, {"\"lr\"", "did you mean"});
  refuses({"--paper-figures", (folder / "none.json").string()}, {"none.json", "No such file"});
  refuses({"--config", (folder / "none.json").string()}, {"none.json", "No such file"});
  std::ofstream(folder / "file") << "in the way";
  const auto blocked = run(arguments_for(folder, {"--out", (folder / "file" / "run").string()}));
  REQUIRE_THAT(blocked.err, Contains("--out") && Contains("is a file, not a folder"));
  const auto untold = run({"--out", (folder / "run").string()});
  REQUIRE_THAT(untold.err, Contains("--task") && Contains("brats"));

  const auto settings = run({"--print-settings", "paper"});
  REQUIRE(settings.code == 0);
  REQUIRE_THAT(settings.out, Contains("table 2") && Contains("0.0002") && Contains("5-fold cross-validation"));
  REQUIRE_THAT(run({"--print-settings", "mine"}).err, Contains("--print-settings mine: must be paper"));

  const auto ablation = run({"--task", "brats", "--ablation", "rfna", "--print-config"});
  REQUIRE(ablation.code == 0);
  REQUIRE(nlohmann::json::parse(ablation.out)["repeats"] == 3);  // the paper: at least three
  const auto nets = nlohmann::json::parse(ablation.out)["nets"];
  REQUIRE((nets.size() == 15 && nets.front() == "rfna_r2_dw_e2" && nets.back() == "rfna_r8_full_e2"));
  const auto wrong = run({"--task", "brats", "--ablation", "gcnunet", "--print-config"});
  REQUIRE(wrong.code == 2);
  REQUIRE_THAT(wrong.err, Contains("--ablation gcnunet: must be fpa or rfna"));

  const auto printed = run(arguments_for(folder, {"--lr", "0.01", "--print-config"}));
  REQUIRE(printed.code == 0);
  REQUIRE(nlohmann::json::parse(printed.out)["optimizer"]["learning_rate"] == 0.01);
  std::ofstream(folder / "config.json") << printed.out;
  REQUIRE(run({"--config", (folder / "config.json").string(), "--print-config"}).out == printed.out);
}

}  // namespace apps_compare_test

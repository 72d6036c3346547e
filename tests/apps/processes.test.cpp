// SPDX-License-Identifier: MIT
/// train as two processes that train together on loopback, and its robustness table.
/// Skipped by name where the program was not built beside the tests, or without gloo.
#include <pam/train/distributed/process_group.hpp>

#include "apps/program_runs.hpp"
#include "train/forks.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace apps_processes_test {
using namespace pam;
using namespace pam::test;
using Catch::Contains;

nlohmann::json json_of(const std::filesystem::path& path) { return nlohmann::json::parse(std::ifstream(path)); }

std::vector<std::string> keys_of(const nlohmann::json& json) {
  std::vector<std::string> keys;
  for (const auto& item : json.items()) keys.push_back(item.key());
  return keys;
}

std::vector<std::string> files_below(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    files.push_back(std::filesystem::relative(entry.path(), folder).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST_CASE("FGSM's robustness table stands apart from the clean scores, which it does not change", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  const auto program = program_named("train");
  TempDir folder;
  make_pictures(folder, 4);
  // rfna, too: it is reversed, and its smallest side of 65 asks for padding.
  const auto arguments =
      small_training(folder, "run", {"--nets", "unet", "rfna", "--loss", "dice_bce", "--epochs", "8", "--lr", "0.01"});
  auto end = run_program_with(program, arguments);
  INFO(end.err);
  REQUIRE(end.code == 0);
  const auto clean = json_of(folder / "run" / "rfna" / "scores.json");
  const auto weights = text_of(folder / "run" / "rfna" / "last.safetensors");
  REQUIRE_FALSE(std::filesystem::exists(folder / "run" / "robustness.md"));

  auto more = arguments;
  more.insert(more.end(), {"--resume", "--fgsm", "0", "0.5"});  // a finished run gets its table without training again
  end = run_program_with(program, more);
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.out, Contains("FGSM"));
  REQUIRE(text_of(folder / "run" / "rfna" / "last.safetensors") == weights);
  for (const char* net : {"unet", "rfna"}) {
    INFO(net);
    const auto scores = json_of(folder / "run" / net / "scores.json");
    const auto table = json_of(folder / "run" / net / "robustness.json");
    REQUIRE(table["epsilons"].size() == 2);
    REQUIRE(table["epsilons"][0]["epsilon"] == 0);
    REQUIRE(table["epsilons"][0]["cases"] == scores["cases"]);  // ε = 0 is the clean score exactly
    REQUIRE(table["epsilons"][0]["aggregate"] == scores["aggregate"]);
    if (net == std::string("unet")) REQUIRE(table["epsilons"][1]["cases"] != scores["cases"]);
    REQUIRE_FALSE(scores.contains("epsilons"));
  }
  REQUIRE(json_of(folder / "run" / "rfna" / "scores.json")["cases"] == clean["cases"]);
  for (const char* name : {"robustness.md", "robustness.csv", "robustness.json"}) {
    REQUIRE(std::filesystem::file_size(folder / "run" / name) > 0);
  }
  REQUIRE_THAT(text_of(folder / "run" / "report.html"), Contains("FGSM"));
  end = run_program_with(program, more);
  REQUIRE_THAT(end.out, Contains("rfna: done already"));

  more.back() = "-0.5";
  end = run_program_with(program, more);
  REQUIRE(end.code == 2);
  REQUIRE_THAT(end.err, Contains("--fgsm") && Contains("-0.5"));
}

#if PAM_HAS_PROCESS_GROUP

/// The environment of process `rank` of two.
Variables rank_of_two(int rank, int port) {
  return {{"RANK", std::to_string(rank)}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", std::to_string(port)}};
}

std::vector<ProgramEnd> run_two(const std::vector<std::string>& arguments) {
  const int port = free_port();
  ProgramRun first(program_named("train"), arguments, rank_of_two(0, port));
  ProgramRun second(program_named("train"), arguments, rank_of_two(1, port));
  return {first.wait(), second.wait()};
}

TEST_CASE("two processes train together: the first writes and prints all that one would, the second nothing",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  TempDir folder;
  make_pictures(folder, 7);
  const std::vector<std::string> more{"--nets", "unet", "fpa", "--validation-share", "0.3", "--fgsm", "0.1"};
  const auto one = run_program_with(program_named("train"), small_training(folder, "one", more));
  INFO(one.err);
  REQUIRE(one.code == 0);
  const auto two = run_two(small_training(folder, "two", more));
  INFO(two[0].err << two[1].err);
  REQUIRE(two[0].code == 0);
  REQUIRE(two[1].code == 0);
  REQUIRE_THAT(two[0].out, Contains("2 processes train together") && Contains("report.html") && Contains("FGSM"));
  REQUIRE(two[1].out + two[1].err == "");
  REQUIRE(files_below(folder / "two") == files_below(folder / "one"));
  for (const char* net : {"unet", "fpa"}) {
    const auto a = json_of(folder / "one" / net / "scores.json"), b = json_of(folder / "two" / net / "scores.json");
    REQUIRE(keys_of(a) == keys_of(b));
    REQUIRE(keys_of(a["cases"][0]) == keys_of(b["cases"][0]));
    REQUIRE(a["cases"].size() == b["cases"].size());
  }
  REQUIRE(json_of(folder / "two" / "unet" / "run.json")["processes"] == 2);

  // The same again is the same, and a finished run is left alone by both.
  const auto weights = folder / "two" / "fpa" / "last.safetensors";
  REQUIRE(run_two(small_training(folder, "again", more))[0].code == 0);
  REQUIRE(first_difference_of(folder / "again" / "fpa" / "last.safetensors", weights) == "");
  const auto resumed = run_two({"--out", (folder / "two").string(), "--resume"});
  REQUIRE(resumed[0].code == 0);
  REQUIRE(resumed[1].code == 0);
  REQUIRE_THAT(resumed[0].out, Contains("fpa: done already"));
  for (const auto& end : run_two(small_training(folder, "two", more))) {
    REQUIRE(end.code == 2);
    REQUIRE_THAT(end.err, Contains("holds a run already") || Contains("another process has ended"));
  }
}

TEST_CASE("two processes are interrupted by the Ctrl-C of one and resume to the weights of an uninterrupted run",
          "[apps]") {
  PAM_SKIP_WITHOUT("train");
  TempDir folder;
  make_pictures(folder, 5);
  const auto arguments = small_training(folder, "run", {"--epochs", "30"});
  const auto unbroken = run_two(small_training(folder, "unbroken", {"--epochs", "30"}));
  REQUIRE(unbroken[0].code == 0);
  const int port = free_port();
  ProgramRun first(program_named("train"), arguments, rank_of_two(0, port));
  ProgramRun second(program_named("train"), arguments, rank_of_two(1, port));
  const auto metrics = folder / "run" / "unet" / "metrics.jsonl";
  REQUIRE(wait_until(first, [&] { return text_of(metrics).size() > 300; }));
  if (first.over() || second.over()) PAM_SKIP("the run was over before the interrupt could be sent");
  second.send(SIGINT);
  const auto a = first.wait(), b = second.wait();
  INFO(a.err << b.err);
  REQUIRE(a.code == 130);
  REQUIRE(b.code == 130);
  REQUIRE(run_two({"--out", (folder / "run").string(), "--resume"})[0].code == 0);
  REQUIRE(first_difference_of(folder / "run" / "unet" / "last.safetensors",
                              folder / "unbroken" / "unet" / "last.safetensors") == "");
}

TEST_CASE("a process that is killed, or hangs, ends the other with code 2 and a sentence", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  TempDir folder;
  make_pictures(folder, 5);
  const auto metrics = [&](const char* run) { return text_of(folder / run / "unet" / "metrics.jsonl"); };
  for (const int signal : {SIGKILL, SIGSTOP}) {
    for (const int victim : {0, 1}) {
      CAPTURE(signal, victim);
      const auto name = fmt::format("run{}{}", signal, victim);
      const int port = free_port();
      const auto arguments = small_training(folder, name, {"--epochs", "100000", "--timeout", "2"});
      ProgramRun first(program_named("train"), arguments, rank_of_two(0, port));
      ProgramRun second(program_named("train"), arguments, rank_of_two(1, port));
      REQUIRE(wait_until(first, [&] { return metrics(name.c_str()).size() > 100; }));
      const auto begin = std::chrono::steady_clock::now();
      (victim == 0 ? first : second).send(signal);
      const auto other = (victim == 0 ? second : first).wait();
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
      INFO(other.err);
      REQUIRE(other.code == 2);
      REQUIRE_THAT(other.err, Contains("error: process ") && Contains("of 2") &&
                                  Contains("another process has ended, or did not answer within 2 s"));
      REQUIRE(waited.count() < 15);  // twice the timeout, and what a loaded machine may need to end a process
    }
  }
}

TEST_CASE("processes without a partner, and more processes than training cases, end with a sentence", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  TempDir folder;
  make_pictures(folder, 2);  // one trains, one tests
  const auto alone = run_program_with(program_named("train"), small_training(folder, "run", {"--timeout", "1"}),
                                      rank_of_two(0, free_port()));
  REQUIRE(alone.code == 2);
  REQUIRE_THAT(alone.err, Contains("process 0 of 2") && Contains("meeting the other processes"));
  for (const auto& end : run_two(small_training(folder, "run"))) {
    REQUIRE(end.code == 2);
    REQUIRE_THAT(end.err, Contains("1 training cases for 2 processes"));
  }
  const auto wrong = run_program_with(program_named("train"), small_training(folder, "run"), {{"RANK", "0"}});
  REQUIRE(wrong.code == 2);
  REQUIRE_THAT(wrong.err, Contains("RANK but not WORLD_SIZE"));
}

#endif  // PAM_HAS_PROCESS_GROUP

}  // namespace apps_processes_test

// SPDX-License-Identifier: MIT
#include <pam/train/log.hpp>

#include "support/catch.hpp"
#include "support/file_size_limit.hpp"
#include "support/files.hpp"
#include "train/fake_training.hpp"

#include <cmath>
#include <fstream>

namespace train_log_test {

using namespace pam;
using namespace pam::test;
using Catch::Matchers::Contains;

Started started_at(std::int64_t epoch) {
  Started started;
  started.resumed = epoch > 0;
  started.epoch = epoch;
  return started;
}

EpochEnd epoch_end(std::int64_t epoch, double loss, std::optional<Validation> validation = {}) {
  EpochEnd end;
  end.epoch = epoch;
  end.step = 10 * epoch;
  end.loss = loss;
  end.learning_rate = 0.001;
  end.validation = std::move(validation);
  return end;
}

TEST_CASE("the log writes one row per epoch as JSON lines and CSV, undefined numbers as null and nothing", "[train]") {
  TempDir folder;
  MetricsLog log(folder.path());
  log(started_at(0));
  log(epoch_end(1, 0.5, Validation(0.25, {{"iou", 0.75}, {"hd95, mm", std::nan("")}})));
  log(epoch_end(2, 0.125, Validation(0.5, {{"iou", 1}, {"hd95, mm", 2.5}})));
  CHECK(text_of(folder / "metrics.csv") ==
        "epoch,step,loss,learning_rate,seconds,data_wait_share,images_per_second,score,best,iou,\"hd95, mm\"\n"
        "1,10,0.5,0.001,0.0,0.0,0.0,0.25,false,0.75,\n"
        "2,20,0.125,0.001,0.0,0.0,0.0,0.5,false,1.0,2.5\n");
  std::ifstream lines(folder / "metrics.jsonl");
  std::string line;
  REQUIRE(std::getline(lines, line));
  const auto row = nlohmann::json::parse(line);
  CHECK(row["epoch"] == 1);
  CHECK(row["hd95, mm"].is_null());
  REQUIRE(std::getline(lines, line));
  CHECK(nlohmann::json::parse(line)["hd95, mm"] == 2.5);
}

TEST_CASE("a score does not take the place of the run's own columns", "[train]") {
  TempDir folder;
  MetricsLog log(folder.path());
  log(started_at(0));
  log(epoch_end(1, 0.5, Validation(0.25, {{"loss", 123}, {"epoch", 7}})));
  const auto row = nlohmann::json::parse(text_of(folder / "metrics.jsonl"));
  CHECK((row["loss"] == 0.5 && row["epoch"] == 1));
  CHECK((row["validation/loss"] == 123 && row["validation/epoch"] == 7));
}

TEST_CASE("a column that comes later widens the table", "[train]") {
  TempDir folder;
  MetricsLog log(folder.path());
  log(started_at(0));
  log(epoch_end(1, 0.5));
  log(epoch_end(2, 0.25, Validation(0.5)));
  log(epoch_end(3, 0.125));
  CHECK(text_of(folder / "metrics.csv") ==
        "epoch,step,loss,learning_rate,seconds,data_wait_share,images_per_second,score,best\n"
        "1,10,0.5,0.001,0.0,0.0,0.0,,\n"
        "2,20,0.25,0.001,0.0,0.0,0.0,0.5,false\n"
        "3,30,0.125,0.001,0.0,0.0,0.0,,\n");
}

TEST_CASE("a resumed log drops the rows after its epoch and a half-written line", "[train]") {
  TempDir folder;
  {
    MetricsLog log(folder.path());
    log(started_at(0));
    for (std::int64_t epoch = 1; epoch <= 3; ++epoch) log(epoch_end(epoch, 1.0 / static_cast<double>(epoch)));
  }
  const auto three = text_of(folder / "metrics.csv");
  std::ofstream(folder / "metrics.jsonl", std::ios::app) << R"({"epoch":4,"st)";
  MetricsLog log(folder.path());
  log(started_at(2));
  log(epoch_end(3, 1.0 / 3.0));
  CHECK(text_of(folder / "metrics.csv") == three);
  const auto lines = text_of(folder / "metrics.jsonl");
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 3);
  log(started_at(0));  // a new run in the same directory
  CHECK(text_of(folder / "metrics.jsonl").empty());
  CHECK(text_of(folder / "metrics.csv").empty());
}

TEST_CASE("the log of an interrupted and resumed training is that of the unbroken one", "[train]") {
  TempDir folder;
  const auto train = [&](const std::filesystem::path& directory, std::int64_t stop_at) {
    auto net = fake_net();
    FakeLoader loader(3);
    auto optimizer = make_adamw(net);
    FitOptions options;
    options.epochs = 3;
    options.directory = directory;
    options.resume = true;
    options.save_every_epochs = 2;  // so that a row is on disk whose epoch is trained again
    std::atomic<bool> stop{false};
    options.stop = &stop;
    MetricsLog log(directory);
    fit(net, loader, fake_loss, optimizer, options,
        combine({[&](const Event& event) {
                   if (const auto* step = std::get_if<StepEnd>(&event)) stop = step->step == stop_at;
                 },
                 std::ref(log)}));
  };
  train(folder / "a", -1);
  train(folder / "b", 4);
  train(folder / "b", -1);
  const auto losses = [](const std::filesystem::path& directory) {
    std::ifstream in(directory / "metrics.jsonl");
    std::vector<std::pair<int, double>> rows;
    for (std::string line; std::getline(in, line);) {
      const auto row = nlohmann::json::parse(line);
      rows.emplace_back(row["epoch"].get<int>(), row["loss"].get<double>());
    }
    return rows;
  };
  CHECK(losses(folder / "a").size() == 3);
  CHECK(losses(folder / "a") == losses(folder / "b"));
}

TEST_CASE("a disk that is full in the middle of a row leaves whole rows", "[train]") {
  TempDir folder;
  MetricsLog log(folder.path());
  log(started_at(0));
  log(epoch_end(1, 0.5));
  const auto lines = text_of(folder / "metrics.jsonl"), table = text_of(folder / "metrics.csv");
  {
    const FileSizeLimit full(lines.size() + 20);
    CHECK_THROWS_WITH(log(epoch_end(2, 0.25)), Contains("metrics.jsonl") && Contains("is the disk full?"));
  }
  CHECK(text_of(folder / "metrics.jsonl") == lines);
  CHECK(text_of(folder / "metrics.csv") == table);
}

TEST_CASE("a log that cannot be written is an error with the file's name", "[train]") {
  TempDir folder;
  MetricsLog log(folder / "file" / "inside");
  std::ofstream(folder / "file") << "x";
  CHECK_THROWS_WITH(log(started_at(0)), Contains("metrics.jsonl"));
}

}  // namespace train_log_test

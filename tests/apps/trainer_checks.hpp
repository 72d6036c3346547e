// SPDX-License-Identifier: MIT
/// What the tests of train --task cityscapes, brats and isles have in common.
#pragma once

#include "support/phantom.hpp"

#include "apps/program_runs.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace pam::test {

/// `train` for one task on the data in `folder`/data: small, one epoch, into `folder`/run.
class Trainer {
 public:
  Trainer(std::string task, const TempDir& folder) : task_(std::move(task)), folder_(folder) {}

  [[nodiscard]] std::filesystem::path data() const { return folder_ / "data"; }
  [[nodiscard]] std::filesystem::path out() const { return folder_ / "run"; }

  /// Later flags of `more` outrank earlier ones.
  [[nodiscard]] ProgramEnd run(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"--data", data().string(), "--width", "4",     "--threads",
                                 "1",      "--epochs",      "1",       "--out", out().string()};
    all.insert(all.end(), more.begin(), more.end());
    return only(all);
  }
  /// With these arguments alone.
  [[nodiscard]] ProgramEnd only(const std::vector<std::string>& arguments) const {
    auto all = arguments;
    all.insert(all.begin(), {"--task", task_});
    return run_program_with(program_named("train"), all);
  }
  [[nodiscard]] nlohmann::json json(const std::string& file) const {
    return nlohmann::json::parse(std::ifstream(out() / file));
  }
  [[nodiscard]] nlohmann::json defaults() const { return nlohmann::json::parse(only({"--print-config"}).out); }

  /// Code 2, one sentence with all of `words`, and nothing written.
  void refuses(const std::vector<std::string>& more, const std::vector<std::string>& words) const {
    const auto end = run(more);
    INFO(end.err);
    REQUIRE(end.code == 2);
    for (const auto& word : words) REQUIRE_THAT(end.err, Catch::Contains(word));
    const auto errors = end.err.rfind("error: ");  // warnings may come before it, and libpng's own words
    REQUIRE(errors != std::string::npos);
    REQUIRE(std::count(end.err.begin() + static_cast<std::ptrdiff_t>(errors), end.err.end(), '\n') == 1);
    REQUIRE_FALSE(std::filesystem::exists(out()));
  }

  /// `--config` of what `--print-config` wrote is the same run.
  void round_trip(const std::vector<std::string>& arguments) const {
    auto all = arguments;
    all.emplace_back("--print-config");
    const auto first = only(all);
    REQUIRE(first.code == 0);
    std::ofstream(folder_ / "config.json") << first.out;
    REQUIRE(only({"--config", (folder_ / "config.json").string(), "--print-config"}).out == first.out);
  }

 private:
  std::string task_;
  const TempDir& folder_;
};

/// The names of the cases that were scored.
inline std::set<std::string> scored_cases(const nlohmann::json& scores) {
  std::set<std::string> names;
  for (const auto& each : scores["cases"]) names.insert(each["case"].get<std::string>());
  return names;
}

/// The pixels that were scored of a case.
inline std::int64_t scored_pixels(const nlohmann::json& each) {
  std::int64_t pixels = 0;
  for (const char* count : {"tp", "fp", "fn", "tn"}) pixels += each["confusion"][count].get<std::int64_t>();
  return pixels;
}

/// The defaults: a row of the paper's table 2, and where the paper is silent, what the authors' code does.
inline void check_paper_defaults(const nlohmann::json& config, std::int64_t epochs, std::int64_t batch,
                                 double learning_rate) {
  REQUIRE(config["optimizer"]["weight_decay"] == 1e-5);
  REQUIRE(config["schedule"]["kind"] == "multi_step");
  REQUIRE(config["schedule"]["milestones"] == nlohmann::json({0.5, 0.75}));
  REQUIRE(config["schedule"]["gamma"] == 0.1);
  REQUIRE(config["loss"] == "dice");
  REQUIRE(config["loss_options"]["smooth"] == 1.0);
  REQUIRE(config["flip"] == true);
  REQUIRE(config["width"] == 0);
  REQUIRE(config["epochs"] == epochs);
  REQUIRE(config["batch"] == batch);
  REQUIRE(config["optimizer"]["learning_rate"] == learning_rate);
}

/// Cuts a file in half.
inline void truncate_file(const std::filesystem::path& path) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
}

}  // namespace pam::test

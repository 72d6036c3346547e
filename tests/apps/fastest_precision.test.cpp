// SPDX-License-Identifier: MIT
/// --precision auto: the rule, what is kept of the measurement, and what train and predict say and record.
#include "engine/fastest_precision.hpp"

#include <pam/weights/weights.hpp>

#include "apps/program_runs.hpp"
#include "engine/networks.hpp"
#include "report/run_record.hpp"

#include <nlohmann/json.hpp>

namespace apps_fastest_precision_test {
using namespace pam;
using namespace pam::apps;
using Catch::Contains;
using test::TempDir;

bool here() { return has_bfloat16(apps::detail::proc_value("/proc/cpuinfo", "flags")); }

TEST_CASE("bfloat16 must be 5 % faster to be taken", "[apps]") {
  REQUIRE(PrecisionTimes{105, 100}.faster() == Precision::Bfloat16);
  REQUIRE(PrecisionTimes{104.9, 100}.faster() == Precision::Float32);
  REQUIRE(PrecisionTimes{90, 100}.faster() == Precision::Float32);
}

TEST_CASE("only processors with instructions for bfloat16 are measured", "[apps]") {
  REQUIRE(has_bfloat16("fpu avx512f avx512_bf16 vaes"));
  REQUIRE(has_bfloat16("amx_bf16"));
  REQUIRE(has_bfloat16("fp asimd bf16 sve"));
  REQUIRE_FALSE(has_bfloat16("fpu avx2 avx512f"));
  REQUIRE_FALSE(has_bfloat16(""));
}

TEST_CASE("a measurement is made once, and again where what was kept is damaged", "[apps]") {
  const TempDir folder;
  const auto file = folder / "deep" / "precision.json";
  int calls = 0;
  const auto measure = [&] {
    ++calls;
    return PrecisionTimes{30.5, 20.25};
  };
  for (int i = 0; i < 2; ++i) {
    const auto times = kept_times(file, "one", measure);
    REQUIRE(times.float32 == 30.5);
    REQUIRE(times.bfloat16 == 20.25);
    REQUIRE(calls == 1);
  }
  kept_times(file, "two", measure);
  kept_times(file, "one", measure);
  REQUIRE(calls == 2);
  for (const char* damaged : {"", "{\"one\": ", "[1]", R"({"one": 5})", R"({"one": {"float32": "x"}})",
                              R"({"one": {"float32": -1, "bfloat16": 2}})"}) {
    INFO(damaged);
    test::write_file(file, damaged);
    calls = 0;
    kept_times(file, "one", measure);
    kept_times(file, "one", measure);
    CHECK(calls == 1);
  }
  calls = 0;
  for (const auto* nowhere : {"", "/proc/no/such/place/precision.json"}) kept_times(nowhere, "one", measure);
  REQUIRE(calls == 2);
}

TEST_CASE("the second run on a machine decides as the first, without measuring", "[apps]") {
  const TempDir folder;
  const auto net = make_network("unet", 1, 1, 4, nlohmann::json::object(), 0);
  const auto before = parameter_count(net);
  for (const bool training : {false, true}) {
    const auto first = fastest_precision({net}, training, torch::kCPU, false, folder.path());
    const auto second = fastest_precision({net}, training, torch::kCPU, false, folder.path());
    CHECK(first.precision == second.precision);
    CHECK_THAT(first.reason, Contains(to_string(first.precision)));
    if (!here()) continue;
    CHECK_THAT(first.reason, Contains(training ? "a training step of unet" : "a forward pass of unet"));
    CHECK_THAT(first.reason, Contains("measured now"));
    CHECK_THAT(second.reason, Contains("measured before, in " + (folder / "precision.json").string()));
  }
  for (const auto& p : net->parameters()) REQUIRE_FALSE((p.grad().defined() && p.grad().abs().sum().item<double>() > 0));
  REQUIRE(parameter_count(net) == before);
}

TEST_CASE("train records the precision that auto chose, and a resumed run keeps it", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  if (!here()) PAM_SKIP("this processor has no instructions for bfloat16");
  const TempDir folder;
  test::make_pictures(folder, 3);
  const auto cache = folder / "cache" / "pam" / "precision.json";
  const auto train = [&](const std::string& out, const std::vector<std::string>& more) {
    const auto end = test::run_program_with(test::program_named("train"), test::small_training(folder, out, more),
                                            {{"XDG_CACHE_HOME", (folder / "cache").string()}});
    INFO(end.err);
    REQUIRE(end.code == 0);
    return end.out;
  };
  const auto json = [&](const std::filesystem::path& path) { return nlohmann::json::parse(test::text_of(folder / path.string())); };
  /// As if the machine had taken so long.
  const auto pretend = [&](double float32, double bfloat16) {
    auto all = json("cache/pam/precision.json");
    for (auto& entry : all) entry = {{"float32", float32}, {"bfloat16", bfloat16}};
    test::write_file(cache, all.dump());
  };
  CHECK_THAT(train("first", {"--precision", "auto"}), Contains("precision: ") && Contains("measured now"));
  const auto chosen = json("first/config.json")["precision"].get<std::string>();
  CHECK(json("first/unet/run.json")["precision"] == chosen);
  CHECK_THAT(json("first/run.json")["precision_choice"].get<std::string>(), Contains("precision: " + chosen));
  train("same", {"--precision", chosen});  // measuring changes nothing of the training
  CHECK(test::first_difference_of(folder / "first" / "unet" / "last.safetensors",
                                  folder / "same" / "unet" / "last.safetensors")
            .empty());

  pretend(100, 1);
  CHECK_THAT(train("second", {"--precision", "auto"}), Contains("precision: bfloat16 (auto: a training step of unet "
                                                               "takes 100 ms in float32 and 1 ms in bfloat16"));
  CHECK(json("second/unet/config.json")["precision"] == "bfloat16");
  CHECK(json("second/unet/run.json")["precision"] == "bfloat16");
  pretend(1, 100);
  CHECK_THAT(train("second", {"--precision", "auto", "--resume"}),
             Contains("precision: bfloat16 (auto: as the run was begun)"));
  CHECK(json("second/config.json")["precision"] == "bfloat16");
  CHECK_THAT(train("second", {"--precision", "auto", "--overwrite"}), Contains("precision: float32"));
}

TEST_CASE("predict says which precision auto chose", "[apps]") {
  PAM_SKIP_WITHOUT("predict");
  const TempDir folder;
  test::make_pictures(folder, 1);
  const auto net = make_network("unet", 3, 1, 4, nlohmann::json::object(), 0);
  save_weights(*net, folder / "net.safetensors", {{"pam.net", net.options().dump()}, {"pam.reversed", "false"}});
  const auto end = test::run_program_with(
      test::program_named("predict"),
      {"--weights", (folder / "net.safetensors").string(), "--input", (folder / "images").string(), "--out",
       (folder / "out").string(), "--precision", "auto"},
      {{"XDG_CACHE_HOME", (folder / "cache").string()}});
  INFO(end.err);
  REQUIRE(end.code == 0);
  REQUIRE_THAT(end.out, Contains("precision: "));
  REQUIRE(std::filesystem::exists(folder / "cache" / "pam" / "precision.json") == here());
}

}  // namespace apps_fastest_precision_test

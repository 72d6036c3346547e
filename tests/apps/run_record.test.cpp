// SPDX-License-Identifier: MIT
/// Run records: complete, valid JSON whatever the names, and a fingerprint that moves with the data and nothing else.
#include "report/run_record.hpp"

#include "support/catch.hpp"
#include "support/files.hpp"

#include <regex>

namespace apps_run_record_test {
using namespace pam;
using namespace pam::apps;
using test::TempDir;

std::filesystem::path put(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

TEST_CASE("A run record holds options, seed, versions, machine, data and time", "[apps]") {
  TempDir folder;
  const auto data = put(folder / "a.nii", "voxels");
  RunRecord record("train --demo", {{"width", 16}}, 7);
  record.data({data}, "one volume").set("note", "smoke test");
  record.write(folder / "run.json");
  const auto json = nlohmann::json::parse(std::ifstream(folder / "run.json"));
  REQUIRE(json["options"]["width"] == 16);
  REQUIRE(json["seed"] == 7);
  REQUIRE(json["versions"]["pam"] == PAM_VERSION);
  REQUIRE(json["versions"]["libtorch"] == TORCH_VERSION);
  REQUIRE(json["versions"]["compiler"].get<std::string>().size() > 4);
  REQUIRE(json["machine"]["cores"].get<int>() >= 1);
  REQUIRE(json["machine"]["torch_threads"].get<int>() >= 1);
  REQUIRE_FALSE(json["machine"]["cpu"].get<std::string>().empty());
  REQUIRE(json["data"]["files"] == 1);
  REQUIRE(json["convolution"] == kernels::convolution_in_use());
  REQUIRE(json["note"] == "smoke test");
  REQUIRE(json["wall_seconds"].get<double>() >= 0);
  REQUIRE(std::regex_match(json["started"].get<std::string>(), std::regex("20..-..-..T..:..:..Z")));
}

TEST_CASE("A moment is written in UTC as ISO 8601", "[apps]") {
  // 1,700,000,000 s after the epoch, from `date -u -d @1700000000`.
  REQUIRE(utc_time(std::chrono::system_clock::from_time_t(1700000000)) == "2023-11-14T22:13:20Z");
}

TEST_CASE("The data fingerprint is FNV-1a and moves with names, sizes and content only", "[apps]") {
  TempDir folder;
  const auto a = put(folder / "a", "x"), b = put(folder / "b", std::string(200000, 'y'));
  const auto print = data_fingerprint({a, b});
  REQUIRE(print.size() == 16);
  REQUIRE(data_fingerprint({b, a}) == print);
  REQUIRE(data_fingerprint({put(folder / "copy" / "a", "x"), b}) == print);
  REQUIRE(data_fingerprint({a}) != print);
  REQUIRE(data_fingerprint({put(folder / "c", "x"), b}) != print);
  REQUIRE(data_fingerprint({put(folder / "copy" / "a", "z"), b}) != print);
  auto tail = std::string(200000, 'y');
  tail.back() = 'z';
  REQUIRE(data_fingerprint({a, put(folder / "copy" / "b", tail)}) != print);
  pam::apps::detail::Fnv1a hash;
  hash.add("a", 1);
  REQUIRE(hash.value() == 0xaf63dc4c8601ec8cULL);  // the reference value of FNV-1a 64 for "a" (draft-eastlake-fnv)
}

TEST_CASE("A file that cannot be read stops the fingerprint by name, and odd names still make valid JSON", "[apps]") {
  TempDir folder;
  REQUIRE_THROWS_WITH(data_fingerprint({folder / "missing.nii"}),
                      Catch::Contains("missing.nii") && Catch::Contains("No such file"));
  RunRecord record("bad \xff name", {{"out", "\xc3\x28"}}, 0);
  record.write(folder / "run.json");
  REQUIRE_NOTHROW(nlohmann::json::parse(std::ifstream(folder / "run.json")));
}

}  // namespace apps_run_record_test

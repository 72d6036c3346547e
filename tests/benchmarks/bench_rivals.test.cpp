// SPDX-License-Identifier: MIT
// The peers' side is a script without torch: it answers at once, with the output that its mode is named after.
#include "../../benchmarks/bench_rivals.hpp"

#include "support/catch.hpp"
#include "support/files.hpp"

#include <chrono>

namespace benchmarks_bench_rivals_test {

using namespace pam;
using Catch::Contains;

constexpr const char* kPeer = R"(import json, os, struct, sys, time
mode = sys.argv[2]
if mode == "missing":
    raise SystemExit(3)

def write(path, values):  # one float32 tensor y of shape (n,)
    header = json.dumps({"y": {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, 4 * len(values)]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + struct.pack("<%df" % len(values), *values))

ms = {"eager nchw": 40.0, "eager nhwc": 30.0, "compile nchw": 20.0, "openvino ": 25.0}
for line in sys.stdin:
    r = json.loads(line)
    name = mode + " " + r.get("variant", "")
    if r["op"] == "hello":
        answer = {"version": "%s of %d threads" % (mode, r["threads"])}
    elif mode == "ncnn":
        answer = {"failed": "ModuleNotFoundError: No module named 'ncnn'"}
    elif mode == "crash":
        os.abort()
    elif name == "compile nhwc":
        time.sleep(60)
    elif mode == "noise":
        answer = "not an object"
    elif r["op"] == "run":
        answer = {"ms": ms.get(name, 50.0) + r["steps"]}
    else:
        wrong = {"other": [1.0, 2.5, -4.0], "nan": [1.0, float("nan"), -4.0], "short": [1.0, 2.0]}
        write(r["output"], wrong.get(mode, [1.0, 2.0004, -4.0]))
        answer = {"ms": ms.get(name, 50.0)}
    print(json.dumps(answer), flush=True)
)";

struct Peers {
  Peers() { test::write_file(script, kPeer); }
  test::TempDir dir;
  const std::string script = (dir / "peer.py").string();

  [[nodiscard]] bench::Rivals of(const std::vector<std::string>& modes, double limit = 20) const {
    return {"python3", script, modes, /*threads=*/3, limit};
  }
};

bench::PeerCase three_values(const std::string& task = "infer") {
  bench::PeerCase given;
  given.input = torch::zeros({3});
  given.expected = torch::tensor({1.0F, 2.0F, -4.0F});
  given.task = task, given.device = "cpu", given.dtype = "float32";
  return given;
}

TEST_CASE("the fastest layout of a mode is timed, and the ratio is to the fastest rival of all", "[benchmarks]") {
  const Peers peers;
  auto rivals = peers.of({"eager", "compile nchw", "openvino"});
  auto loaded = rivals.load(three_values());
  REQUIRE(loaded.size() == 3);
  REQUIRE(loaded[0].name() == "eager nhwc");
  REQUIRE(loaded[0].version == "eager of 3 threads");
  REQUIRE(loaded[0].difference == Approx(1e-4).epsilon(1e-3));  // 0.0004 of 4; float32 holds 2.0004 to 1e-7
  REQUIRE(loaded[1].name() == "compile nchw");
  REQUIRE(loaded[2].name() == "openvino");
  for (auto& rival : loaded) rivals.round(rival, /*steps=*/2);
  bench::Row row{{"ms", 11.0}};
  bench::add_rivals(row, loaded);
  REQUIRE(row["peer_mode"] == "compile nchw");
  REQUIRE(row["peer_ms"] == 22.0);
  REQUIRE(row["ratio"] == 2.0);
  REQUIRE(row["rivals"]["eager"]["ms"] == 32.0);
  REQUIRE(row["rivals"]["eager"]["variant"] == "nhwc");
  REQUIRE(row["rivals"]["openvino"]["ms"] == 27.0);
}

TEST_CASE("engines are not asked to train", "[benchmarks]") {
  const Peers peers;
  auto rivals = peers.of({"openvino", "eager"});
  const auto loaded = rivals.load(three_values("train"));
  REQUIRE(loaded.size() == 1);
  REQUIRE(loaded[0].asked == "eager");
}

TEST_CASE("a rival that is missing, crashes or computes something else is named with its reason", "[benchmarks]") {
  const Peers peers;
  auto rivals = peers.of({"ncnn", "missing", "crash", "noise", "other", "nan", "short", "openvino"});
  auto loaded = rivals.load(three_values());
  REQUIRE(loaded.size() == 8);
  CHECK(loaded[0].failed == "ModuleNotFoundError: No module named 'ncnn'");
  CHECK_THAT(loaded[1].failed, Contains("ended without an answer (exit code 3)"));
  CHECK_THAT(loaded[2].failed, Contains("ended without an answer (signal 6)"));
  CHECK_THAT(loaded[3].failed, Contains("not a JSON object"));
  CHECK(loaded[4].failed == "wrong output: differs from pam's by 0.12 of its largest value");  // 0.5 of 4
  CHECK_THAT(loaded[5].failed, Contains("wrong output: differs from pam's by nan"));
  CHECK(loaded[6].failed == "wrong output: has shape [2], pam's [3]");
  CHECK(loaded[7].failed.empty());
  for (auto& rival : loaded) rivals.round(rival, 1);
  bench::Row row{{"ms", 13.0}};
  bench::add_rivals(row, loaded);
  CHECK(row["peer_mode"] == "openvino");  // a rival without a time is not the fastest
  CHECK(row["ratio"] == 2.0);
  CHECK(row["rivals"]["ncnn"]["failed"] == "ModuleNotFoundError: No module named 'ncnn'");
  CHECK(row["rivals"]["other"].contains("failed"));
  CHECK_FALSE(row["rivals"]["other"].contains("ms"));
}

TEST_CASE("without a Python there is a reason, and without a script an error", "[benchmarks]") {
  const Peers peers;
  bench::Rivals none("no-such-python", peers.script, {"eager nchw"}, 1, 20);
  REQUIRE_THAT(none.load(three_values())[0].failed, Contains("no-such-python") && Contains("exit code 127"));
  REQUIRE_THROWS_WITH(bench::Rivals("python3", "/no/such/peer.py", {"eager"}, 1, 20),
                      Contains("/no/such/peer.py") && Contains("PAM_PEER"));
}

TEST_CASE("a variant that takes too long is ended, and the one before it is still timed", "[benchmarks]") {
  const Peers peers;
  auto rivals = peers.of({"compile", "compile nhwc"}, /*limit=*/5);
  const auto start = std::chrono::steady_clock::now();
  auto loaded = rivals.load(three_values());
  REQUIRE(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));  // it would sleep for 60
  REQUIRE(loaded[0].name() == "compile nchw");
  rivals.round(loaded[0], 1);
  REQUIRE(loaded[0].failed.empty());
  REQUIRE(loaded[0].ms() == 21.0);
  REQUIRE(loaded[1].failed == "took longer than 5 s");
}

bench::Row measured(const std::string& name, double ms) {
  return {{"name", name},       {"task", "infer"},    {"dtype", "float32"}, {"layout", "nhwc"},
          {"backend", "fused"}, {"batch", 4},         {"ms", ms},           {"p10", ms - 1},
          {"p90", ms + 1}};
}

TEST_CASE("the Markdown table has a column for each rival and a note for each reason", "[benchmarks]") {
  bench::Rival eager, openvino, ncnn;
  eager.asked = "eager", eager.variant = "nhwc", eager.times = {390, 391, 389}, eager.difference = 2e-6;
  openvino.asked = "openvino", openvino.times = {206, 205, 207}, openvino.difference = 3e-6;
  ncnn.asked = "ncnn", ncnn.failed = "took longer than 120 s";
  auto unet = measured("unet", 103), fpa = measured("fpa", 100), other = measured("rfna", 1);
  bench::add_rivals(unet, {eager, openvino, ncnn});
  ncnn.failed.clear(), ncnn.times = {50};
  bench::add_rivals(fpa, {eager, ncnn});
  fpa["dtype"] = "bfloat16";
  unet["peer_dtype"] = fpa["peer_dtype"] = "bfloat16";
  other["task"] = "train";
  REQUIRE(bench::MarkdownTable({unet, fpa, other}, "infer").text() ==
          "| network | batch | pam ms | p10 to p90 | PyTorch eager | OpenVINO | ncnn | fastest ÷ pam | largest "
          "difference |\n"
          "| --- | ---:| ---:| --- | ---:| ---:| ---:| ---:| ---:|\n"
          "| unet, float32 against bfloat16 | 4 | 103.0 | 102.0 to 104.0 | 390.0 (nhwc) | **206.0** | none [1] | **2.00** | 3.0e-06 |\n"
          "| fpa, bfloat16 | 4 | 100.0 | 99.0 to 101.0 | 390.0 (nhwc) | – | **50.0** | **0.50** | 2.0e-06 |\n"
          "\n[1] ncnn, unet, float32 against bfloat16: took longer than 120 s\n");
}

TEST_CASE("where every rival failed there is no ratio", "[benchmarks]") {
  bench::Rival ncnn;
  ncnn.asked = "ncnn", ncnn.failed = "No module named 'ncnn'";
  auto row = measured("unet", 103);
  bench::add_rivals(row, {ncnn});
  REQUIRE(row["ratio"].is_null());
  REQUIRE_THAT(bench::MarkdownTable({row}, "infer").text(),
               Contains("| none [1] | **-** | - |") && Contains("[1] ncnn, unet: No module named 'ncnn'"));
}

}  // namespace benchmarks_bench_rivals_test

// SPDX-License-Identifier: MIT
#include <pam/nets/zoo.hpp>

#include "support/tensor_matchers.hpp"

#include <set>

namespace nets_zoo_test {

using namespace pam;
using Json = nlohmann::json;

std::int64_t parameters(const Network& net) {
  std::int64_t sum = 0;
  for (const auto& p : net->parameters()) sum += p.numel();
  return sum;
}

TEST_CASE("parameter counts at 4 channels are the paper's table 5, to the unit", "[nets]") {
  // Counted from the blocks that the paper describes; the paper prints them in millions:
  // 3.13, 3.13, 3.13, 12.51, 3.16, 3.14, 3.14, 3.15, 4.2, 5.63.
  const std::vector<std::pair<std::string, std::int64_t>> expected{
      {"unet", 3129248},          {"d6unet", 3129248},        {"d9unet", 3129248},     {"wunet", 12506944},
      {"aunet", 3161843},         {"cscunet", 3140448},       {"cbamunet", 3140200},   {"gcnunet", 3151608},
      {"fpa", 4200608},           {"rfna", 5627296},          {"fpa_table5", 4200608}, {"rfna_table5", 5627296},
      {"fpa_section43", 4033312}, {"rfna_section33", 3860384}};
  for (const auto& [name, count] : expected) {
    CAPTURE(name);
    REQUIRE(parameters(build_network({name, 4})) == count);
  }
}

/// Figure 7's blocks counted by hand: the plain U-Net plus, per stage and bridge, the branch. RFNA's with ratio 8 has
/// D2 twice with the same weights, with ratio 4 once (no D3), with ratio 2 neither: E and P alone (section 4.3).
std::int64_t figure7_parameters(bool fpa, bool depthwise, std::int64_t e, std::int64_t ratio = 8) {
  std::int64_t sum = 196520;  // the plain net at width 8 (asserted below), 4 channels
  for (const auto& [in, out] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{8, 16}, {16, 32}, {32, 64}, {64, 64}}) {
    const auto m = e * out;
    sum += (fpa ? in : out) * m + m * out;                                 // E, P
    if (fpa || ratio > 2) sum += (depthwise ? 9 * m : 9 * m * m) + 2 * m;  // D and its norm
    if (!fpa) sum += 2 * m;                                                // E's norm
  }
  return sum;
}

TEST_CASE("every name of figure 7 is there, with the parameters that its axes say", "[nets]") {
  REQUIRE(parameters(build_network({"unet", 4, 1, 8})) == 196520);
  for (const bool depthwise : {true, false}) {
    for (const std::int64_t e : {1, 2, 4, 8}) {
      for (const std::int64_t axis : {0, 1, 2}) {
        const auto kind = fmt::format("{}_e{}", depthwise ? "dw" : "full", e);
        const auto fpa = build_network({fmt::format("fpa_d{}_{}", 6 + 3 * axis, kind), 4, 1, 8});
        REQUIRE(parameters(fpa) == figure7_parameters(true, depthwise, e));
        REQUIRE(fpa.options()["stages"][0]["dilation"] == 6 + 3 * axis);
        const auto rfna = build_network({fmt::format("rfna_r{}_{}", 2 << axis, kind), 4, 1, 8});
        REQUIRE(parameters(rfna) == figure7_parameters(false, depthwise, e, 2 << axis));
        REQUIRE(rfna.options()["bridge"]["ratio"] == (2 << axis));
        REQUIRE(rfna.options()["bridge"]["prune_convolutions"] == true);
        REQUIRE(rfna.reversed());
      }
    }
  }
  const auto names = network_names();
  REQUIRE(names.size() == 14 + 48);
  REQUIRE(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  REQUIRE(build_network({"fpa_d9_dw_e4", 4}).options()["stages"] == build_network({"fpa", 4}).options()["stages"]);
}

TEST_CASE("every network runs at odd sizes, round-trips through JSON and keeps its name", "[nets]") {
  torch::NoGradGuard no_grad;
  for (const auto& name : network_names()) {
    CAPTURE(name);
    const auto net = build_network({name, 3, 1, 4});
    REQUIRE(net.name() == name);
    const auto n = net.min_size();
    REQUIRE(net(torch::randn({1, 3, n, n + 2})).sizes() == at::IntArrayRef({1, 1, n, n + 2}));
    const auto json = net.options();
    const auto again = network_from_json(Json::parse(json.dump()), "net.json");
    REQUIRE(again.options() == json);
    REQUIRE(again->named_parameters().keys() == net->named_parameters().keys());
    REQUIRE(pam::detail::estimate_parameters(json) >= static_cast<double>(parameters(net)));
    REQUIRE(pam::detail::estimate_parameters(json) <= 1.5 * static_cast<double>(parameters(net)));
  }
}

TEST_CASE("attention stands where the paper's authors put it", "[nets]") {
  const auto attended = [](const std::string& name) {
    std::set<std::string> places;
    for (const auto& p : build_network({name, 4, 1, 4})->named_parameters()) {
      const auto at = p.key().find(".attention.");
      const auto gate = p.key().find(".gate.");
      if (at != std::string::npos) places.insert(p.key().substr(0, at));
      if (gate != std::string::npos) places.insert(p.key().substr(0, gate));
    }
    return places;
  };
  using Places = std::set<std::string>;
  REQUIRE(attended("aunet") == Places{"skip0", "skip1", "skip2"});
  REQUIRE(attended("cscunet") == Places{"stem", "stage1", "stage2", "decoder0", "decoder1", "decoder2"});
  REQUIRE(attended("cbamunet") == Places{"stem", "stage1", "stage2", "bridge"});
  REQUIRE(attended("gcnunet") == Places{"stem", "stage1", "stage2", "bridge"});
  REQUIRE(attended("unet").empty());
}

TEST_CASE("the same seed gives the same weights", "[nets]") {
  torch::manual_seed(7);
  const auto a = build_network({"gcnunet", 2, 1, 4});
  torch::manual_seed(7);
  const auto b = network_from_json(a.options());
  for (std::size_t i = 0; i < a->parameters().size(); ++i)
    REQUIRE(torch::equal(a->parameters()[i], b->parameters()[i]));
}

TEST_CASE("JSON overrides any option and keeps the preset's others", "[nets]") {
  const auto net =
      network_from_json(Json::parse(R"({"name": "fpa_section43", "in_channels": 4, "classes": 3, "width": 8,
      "stages": {"dilation": 12}})"));
  REQUIRE(net.classes() == 3);
  const auto stage = net.options()["stages"][0];
  REQUIRE(stage["dilation"] == 12);
  REQUIRE(stage["depthwise"] == false);  // section 4.3's own
  REQUIRE(stage["expansion"] == 1);

  const auto deep = network_from_json(Json::parse(R"({"name": "cbamunet", "in_channels": 1, "width": 4, "depth": 4,
      "stages": [{}, {"attend": false}, {"attention": {"reduction": 2}}, {}]})"));
  REQUIRE(deep.options()["stages"].size() == 4);
  REQUIRE(deep.options()["stages"][0]["attend"] == true);
  REQUIRE(deep.options()["stages"][1]["attend"] == false);
  REQUIRE(deep.options()["stages"][2]["attention"]["reduction"] == 2);
  REQUIRE(deep.options()["stages"][3]["attend"] == false);  // the preset's last stage, whatever the depth
  REQUIRE(deep(torch::rand({1, 1, 32, 32})).size(3) == 32);

  NetworkSpec spec{"unet", 2};
  REQUIRE(build_network(spec).options()["width"] == 32);
  spec.name = "wunet";
  REQUIRE(build_network(spec).options()["width"] == 64);
  spec.width = 8;
  spec.options = {{"depth", 2}};
  REQUIRE(build_network(spec).options()["width"] == 8);
  REQUIRE(build_network(spec).min_size() == 5);
}

TEST_CASE("reversed nets are binary", "[nets]") {
  REQUIRE(build_network({"rfna", 4, 1, 4}).reversed());
  REQUIRE_THROWS_WITH(build_network({"rfna", 4, 3, 4}), Catch::Contains("reversed") && Catch::Contains("classes=3"));
  NetworkSpec spec{"rfna", 4, 3, 4};
  spec.options = {{"reversed", false}};
  REQUIRE(build_network(spec).classes() == 3);
}

TEST_CASE("JSON that describes no network is refused with the place and the remedy", "[nets]") {
  const auto read = [](const char* text) { return network_from_json(Json::parse(text), "net.json"); };
  using Catch::Contains;
  REQUIRE_THROWS_WITH(read(R"([1])"), Contains("net.json") && Contains("JSON object"));
  REQUIRE_THROWS_WITH(read(R"({"in_channels": 4})"), Contains("net.json.name"));
  REQUIRE_THROWS_WITH(read(R"({"name": "unet"})"), Contains("net.json.in_channels: must be given"));
  REQUIRE_THROWS_WITH(read(R"({"name": "wunt", "in_channels": 4})"),
                      Contains("no network \"wunt\"") && Contains("wunet"));
  REQUIRE_THROWS_WITH(read(R"({"name": "fpa", "in_channels": 4, "widht": 3})"),
                      Contains("\"widht\"") && Contains("width"));
  REQUIRE_THROWS_WITH(read(R"({"name": "fpa", "in_channels": "4"})"),
                      Contains("net.json.in_channels: must be a whole"));
  REQUIRE_THROWS_WITH(read(R"({"name": "fpa", "in_channels": 4, "stages": 3})"), Contains("stages: must be an array"));
  REQUIRE_THROWS_WITH(read(R"({"name": "fpa", "in_channels": 4, "stages": []})"), Contains("one per level (3), got 0"));
  REQUIRE_THROWS_WITH(read(R"({"name": "fpa", "in_channels": 4, "depth": 16})"), Contains("net.json.depth"));
  REQUIRE_THROWS_WITH(read(R"({"name": "fpa", "in_channels": 4, "depth": "3"})"),
                      Contains("net.json.depth: must be a whole"));
  REQUIRE_THROWS_WITH(read(R"({"name": "fpa", "in_channels": 4, "stem": {"in_channels": 4}})"),
                      Contains("take it out"));
  REQUIRE_THROWS_WITH(read(R"({"name": "gcnunet", "in_channels": 4, "stem": {"attention": {"norm": "instance"}}})"),
                      Contains("instance norm"));
  NetworkSpec spec{"unet", 4};
  spec.options = {{"in_channels", 3}};
  REQUIRE_THROWS_WITH(build_network(spec), Contains("in_channels is a field of the spec"));
  REQUIRE_THROWS_WITH(build_network({"unet"}), Contains("in_channels: must be 1 to 4096, got 0"));
}

/// Options at the edge of what JSON may set, small otherwise.
Json unusual_nets() {
  auto list = Json::parse(R"([
    {"name": "aunet", "skips": {"gate": {"theta_stride": 2}}},
    {"name": "aunet", "skips": {"gate": {"theta_stride": 4, "norm": false}}},
    {"name": "aunet", "skips": {"gate": {"theta_stride": 17, "reduction": 1, "output": true}}},
    {"name": "aunet", "skips": [{"gated": false}, {"gate": {"theta_stride": 3}}, {"gate": {"reduction": 4096}}]},
    {"name": "aunet", "depth": 1, "skips": {"gate": {"theta_stride": 64}}},
    {"name": "cscunet", "stem": {"attention": {"bias": true, "reduction": 1}},
     "decoders": {"attention": {"bias": true, "reduction": 1}}},
    {"name": "cbamunet", "stem": {"attention": {"bias": true, "kernel_size": 63, "spatial_norm": true}},
     "bridge": {"attention": {"kernel_size": 63, "reduction": 1}}},
    {"name": "gcnunet", "stages": {"attention": {"bias": true, "reduction": 1}}, "bridge": {"attend": false}},
    {"name": "fpa", "stages": {"share_weights": false, "depthwise": false, "expansion": 3, "dilation": 1024}},
    {"name": "rfna", "stages": {"ratio": 1, "input": "input", "expand_norm": false, "residual": true,
                                "share_weights": false, "depthwise": false}, "bridge": {"branch": false}},
    {"name": "rfna_r2_full_e8", "stages": {"expand_norm": false}, "bridge": {"expand_norm": false}},
    {"name": "rfna", "stages": {"ratio": 4, "share_weights": false, "depthwise": false}, "bridge": {"ratio": 2}},
    {"name": "rfna", "stages": {"ratio": 2, "prune_convolutions": false, "share_weights": false, "residual": true}},
    {"name": "d9unet", "depth": 5, "width": 1, "classes": 300}
  ])");
  for (auto& item : list) {
    item["in_channels"] = 3;
    if (!item.contains("width")) item["width"] = 4;
  }
  return list;
}

TEST_CASE("nets of unusual options run at min_size, refuse less, and have no more parameters than estimated",
          "[nets]") {
  torch::NoGradGuard no_grad;
  for (const auto& json : unusual_nets()) {
    CAPTURE(json.dump());
    const auto net = network_from_json(json, "net.json");
    REQUIRE(pam::detail::estimate_parameters(net.options()) >= static_cast<double>(parameters(net)));
    const auto n = net.min_size();
    REQUIRE(net(torch::randn({2, 3, n, n})).size(3) == n);  // two samples: batch norms see one pixel of a bottleneck
    REQUIRE_THROWS_WITH(net(torch::randn({2, 3, n - 1, n})), Catch::Contains("min_size"));
  }
}

TEST_CASE("a gate whose kernel would take all memory is refused", "[nets]") {
  const auto gate = [](std::int64_t step) -> Json {
    return {{"name", "aunet"}, {"in_channels", 1}, {"width", 4}, {"skips", {{"gate", {{"theta_stride", step}}}}}};
  };
  for (const std::int64_t step : {65, 30000, 2000000000}) {
    REQUIRE_THROWS_WITH(network_from_json(gate(step), "net.json"),
                        Catch::Contains("net.json.skips[0].gate.theta_stride: must be 1 to 64"));
  }
  NetworkLimits limits;
  limits.parameters = 5e5;
  REQUIRE_THROWS_WITH(network_from_json(gate(64), "net.json", limits), Catch::Contains("limit is 5e+05"));
  REQUIRE_NOTHROW(network_from_json(gate(8), "net.json", limits));
}

TEST_CASE("a net too large for the limit is refused before any memory is taken", "[nets]") {
  const auto huge =
      Json::parse(R"({"name": "fpa", "in_channels": 4, "width": 4096, "depth": 15, "stages": {"expansion": 256}})");
  REQUIRE_THROWS_WITH(network_from_json(huge, "net.json"),
                      Catch::Contains("parameters") && Catch::Contains("2.15e+09"));
  NetworkLimits limits;
  limits.parameters = 1e6;
  REQUIRE_THROWS_WITH(build_network({"unet", 4}, limits), Catch::Contains("limit is 1e+06"));
  REQUIRE_NOTHROW(build_network({"unet", 4, 1, 8}, limits));
}

}  // namespace nets_zoo_test

// SPDX-License-Identifier: MIT
#include <pam/attention/attended.hpp>
#include <pam/attention/cbam.hpp>
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/gather_excite.hpp>
#include <pam/attention/global_context.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/attention/spatial_channel_squeeze_excite.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/layers/dilated_block.hpp>
#include <pam/nets/gated_skip.hpp>
#include <pam/nets/network_json.hpp>
#include <pam/nets/unet.hpp>

#include "support/catch.hpp"

namespace nets_network_json_test {

using namespace pam;
using pam::detail::check_nesting;
using pam::detail::merge_options;
using Json = nlohmann::json;

TEST_CASE("overrides merge key by key, lists item by item, an object into every item of a list", "[nets]") {
  const auto base = Json::parse(R"({"a": 1, "b": {"c": 2, "d": 3}, "l": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]})");
  const auto merged = [&](const char* over) { return merge_options(base, Json::parse(over), "f"); };
  REQUIRE(merged("{}") == base);
  REQUIRE(merged(R"({"b": {"c": 9}})")["b"] == Json::parse(R"({"c": 9, "d": 3})"));
  REQUIRE(merged(R"({"l": {"x": 9}})")["l"] == Json::parse(R"([{"x": 9, "y": 2}, {"x": 9, "y": 4}])"));
  REQUIRE(merged(R"({"l": [{}, {"y": 9}]})")["l"] == Json::parse(R"([{"x": 1, "y": 2}, {"x": 3, "y": 9}])"));
  const auto one = Json::parse(R"({"l": [{"x": 1, "y": 2}]})");
  REQUIRE(merge_options(one, Json::parse(R"({"l": [{"x": 5}, {"x": 6}, {}]})"), "f")["l"] ==
          Json::parse(R"([{"x": 5, "y": 2}, {"x": 6, "y": 2}, {"x": 1, "y": 2}])"));
}

TEST_CASE("overrides that do not fit are refused, with the place", "[nets]") {
  const auto base = Json::parse(R"({"dilation": 1, "l": [{"x": 1}, {"x": 3}]})");
  const auto refused = [&](const char* over) {
    return [&base, over] { merge_options(base, Json::parse(over), "n.json"); };
  };
  REQUIRE_THROWS_WITH(refused(R"({"dilatoin": 2})")(),
                      Catch::Contains("n.json") && Catch::Contains("\"dilatoin\"") && Catch::Contains("mean dilation"));
  REQUIRE_THROWS_WITH(refused(R"({"l": [{}, {"z": 2}]})")(), Catch::Contains("n.json.l[1]"));
  REQUIRE_THROWS_WITH(refused(R"({"l": [{}, {}, {}]})")(), Catch::Contains("one per level, got 3"));
  REQUIRE_THROWS_WITH(refused(R"({"l": {"stride": 2}})")(), Catch::Contains("follows from the part's place"));
}

TEST_CASE("nesting deeper than any options is refused before it can overflow the stack", "[nets]") {
  REQUIRE_NOTHROW(check_nesting(Json::parse("[[[[[[1]]]]]]"), "f"));
  REQUIRE_THROWS_WITH(check_nesting(Json::parse(std::string(200000, '[') + std::string(200000, ']')), "f"),
                      Catch::Contains("nested deeper"));
}

TEST_CASE("numbers out of range are refused wherever they stand", "[nets]") {
  const auto bounds = [](const char* text) { pam::detail::check_bounds(Json::parse(text), "f"); };
  REQUIRE_NOTHROW(bounds(R"({"width": 4096, "stages": [{"dilation": 1024, "expansion": 256}]})"));
  REQUIRE_THROWS_WITH(bounds(R"({"width": 4097})"), Catch::Contains("f.width: must be 1 to 4096, got 4097"));
  REQUIRE_THROWS_WITH(bounds(R"({"width": 0})"), Catch::Contains("f.width"));
  REQUIRE_THROWS_WITH(bounds(R"({"width": -9223372036854775808})"), Catch::Contains("f.width"));
  REQUIRE_THROWS_WITH(bounds(R"({"stages": [{}, {"dilation": 1e300}]})"), Catch::Contains("f.stages[1].dilation"));
  REQUIRE_THROWS_WITH(bounds(R"({"bridge": {"ratio": 16}})"), Catch::Contains("f.bridge.ratio: must be 1 to 8"));
  REQUIRE_THROWS_WITH(bounds(R"({"skips": [{"gate": {"theta_stride": 65}}]})"),
                      Catch::Contains("f.skips[0].gate.theta_stride: must be 1 to 64, got 65"));
}

TEST_CASE("a stored net that does not say whether RFNA prunes is from before the option, so it keeps", "[nets]") {
  auto json = Json::parse(R"({"stages": [{"ratio": 2}, {"ratio": 4, "prune_convolutions": true}, {"ratio": 8}],
                              "bridge": {"ratio": 4}, "decoders": [{}], "depth": 3})");
  pam::detail::keep_convolutions(json);
  REQUIRE(json == Json::parse(R"({"stages": [{"ratio": 2, "prune_convolutions": false},
                                             {"ratio": 4, "prune_convolutions": true}, {"ratio": 8}],
                                  "bridge": {"ratio": 4, "prune_convolutions": false}, "decoders": [{}], "depth": 3})"));
}

TEST_CASE("every whole number of a net's options has a bound", "[nets]") {
  // What a hostile file could set without one. The net fills in the others (kFilledIn).
  const auto unbounded = [](const auto& options) {
    std::vector<std::string> names;
    const auto json = options_to_json(options);  // items() refers to it
    for (const auto& item : json.items()) {
      if (!item.value().is_number()) continue;
      const auto of_item = [&](const auto& bound) { return item.key() == bound.option; };
      const auto& bounds = pam::detail::kBounds;
      const auto& filled = pam::detail::kFilledIn;
      if (std::none_of(bounds.begin(), bounds.end(), of_item) &&
          std::find(filled.begin(), filled.end(), item.key()) == filled.end()) {
        names.push_back(item.key());
      }
    }
    return names;
  };
  const std::vector<std::string> none;
  CHECK(unbounded(UNetOptions<ConvBlock>()) == none);
  CHECK(unbounded(ConvNormActOptions()) == none);
  CHECK(unbounded(ConvBlockOptions()) == none);
  CHECK(unbounded(DilatedBlockOptions()) == none);
  CHECK(unbounded(FalsePositiveAttentionOptions()) == none);
  CHECK(unbounded(ReverseFalseNegativeAttentionOptions()) == none);
  CHECK(unbounded(AttendedOptions<CBAM>()) == none);
  CHECK(unbounded(CBAMOptions()) == none);
  CHECK(unbounded(GatherExciteOptions()) == none);
  CHECK(unbounded(GlobalContextOptions()) == none);
  CHECK(unbounded(SpatialChannelSqueezeExciteOptions()) == none);
  CHECK(unbounded(SqueezeExciteOptions()) == none);
  CHECK(unbounded(ConcatSkipOptions()) == none);
  CHECK(unbounded(GatedSkipOptions()) == none);
  CHECK(unbounded(AttentionGateOptions()) == none);
}

TEST_CASE("the estimate covers blocks within blocks, kernels and gates of nets that the zoo has no name for",
          "[nets]") {
  using Stage = Attended<GatherExcite, FalsePositiveAttention>;
  UNetOptions<Stage, ConvNormAct, ConvBlock, GatedSkip> options(3, 2);
  options.width(2).depth(2);
  options.stage(options_t<Stage>()
                    .block(FalsePositiveAttentionOptions().released().depthwise(false).expansion(5))
                    .attention(GatherExciteOptions().extent(64)));
  options.bridge(ConvNormActOptions().kernel_size(63));
  options.skips({GatedSkipOptions().gate(AttentionGateOptions().original().reduction(1).theta_stride(64))});
  double count = 0;
  for (const auto& p : UNet(options)->parameters()) count += static_cast<double>(p.numel());
  const auto estimate = pam::detail::estimate_parameters(pam::detail::net_options_to_json(options));
  REQUIRE(estimate >= count);
  REQUIRE(estimate <= 2.1 * count);  // a single convolution counts as a block of two
}

}  // namespace nets_network_json_test

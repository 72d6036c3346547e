// SPDX-License-Identifier: MIT
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/core/options_json.hpp>
#include <pam/nets/unet.hpp>

#include "support/catch.hpp"

namespace core_options_test {

using namespace pam;

TEST_CASE("options print what differs from the defaults", "[core]") {
  std::ostringstream stream;
  print_options(stream, "ConvBlock", ConvBlockOptions(3, 8), 2);
  REQUIRE(stream.str() == "pam::ConvBlock(3, 8)");
  UNetOptions<ReverseFalseNegativeAttention> net(4, 1);
  net.stages({ReverseFalseNegativeAttentionOptions().section33()});
  std::ostringstream nested;
  print_options(nested, "UNet", net, 2);
  REQUIRE(nested.str() == "pam::UNet(4, 1, stages=[{expansion=4, share_weights=false}])");
}

TEST_CASE("options read JSON and refuse what does not fit, naming file and field", "[core]") {
  ReverseFalseNegativeAttentionOptions o;
  options_from_json({{"ratio", 4}, {"depthwise", false}, {"input", "input"}}, o, "net.json");
  REQUIRE(o == ReverseFalseNegativeAttentionOptions().ratio(4).depthwise(false).input(BranchInput::Input));
  const auto refuse = [&](const nlohmann::json& json, const std::string& message) {
    REQUIRE_THROWS_WITH(options_from_json(json, o, "net.json"), Catch::Contains(message));
  };
  refuse({{"ratoi", 4}}, "net.json: there is no option \"ratoi\"; did you mean ratio");
  refuse({{"ratio", 4.5}}, "net.json.ratio: must be a whole number, got 4.5");
  refuse({{"ratio", "4"}}, "must be a whole number");
  refuse({{"depthwise", 1}}, "net.json.depthwise: must be true or false");
  refuse({{"input", "x"}}, "must be \"features\" or \"input\", got \"x\"");
  refuse(nlohmann::json::array(), "must be a JSON object");
  refuse({{"ratio", 18446744073709551615ull}}, "fits 64 bits");

  UNetOptions<ConvBlock> net(1, 1);
  REQUIRE_THROWS_WITH(options_from_json({{"stages", {{{"strde", 2}}}}}, net, "net"), Catch::Contains("net.stages[0]"));
}

}  // namespace core_options_test

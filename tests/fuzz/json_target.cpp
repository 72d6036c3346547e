// SPDX-License-Identifier: MIT
#include "fuzz/targets.hpp"

#include <pam/nets/zoo.hpp>

#include <nlohmann/json.hpp>

namespace pam::fuzz {

/// What is accepted must build, and print as options that build the same again.
void json(const Bytes& bytes) {
  const auto parsed = nlohmann::json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return;
  NetworkLimits small;
  small.parameters = 50'000;  // speed: the fuzzer is after the options, not after big nets
  const auto net = network_from_json(parsed, "input", small);
  const auto printed = net.options();
  if (network_from_json(printed, "printed", small).options() != printed) {
    throw std::logic_error("options do not survive the round trip: " + printed.dump());
  }
}

std::vector<std::string> json_seeds() {
  std::vector<std::string> texts;
  for (const auto* name : {"unet", "d9unet", "aunet", "cscunet", "cbamunet", "gcnunet", "fpa", "fpa_section43", "rfna",
                           "fpa_d12_full_e1", "rfna_r2_dw_e8", "rfna_r4_full_e1"}) {
    const nlohmann::json spec{{"name", name}, {"in_channels", 1}, {"width", 2}, {"depth", 2}};
    texts.push_back(spec.dump());
    texts.push_back(network_from_json(spec).options().dump());
  }
  return texts;
}

}  // namespace pam::fuzz

// SPDX-License-Identifier: MIT
/// The zoo: every network of the paper by name, with options from JSON. Only a source file that calls one of these
/// functions compiles the networks (a minute or so), so a project calls them in one file, or links pam::compiled.
///
///     auto net = build_network({"fpa", /*in_channels=*/4});
///     auto net = network_from_json({{"name", "fpa"}, {"in_channels", 4}, {"stages", {{"dilation", 12}}}}, "net.json");
///
/// Parameters at 4 input channels, as in table 5: unet 3.13 M, wunet 12.51 M, d6unet and d9unet 3.13 M, aunet 3.16 M,
/// cscunet 3.14 M, cbamunet 3.14 M, gcnunet 3.15 M, fpa 4.2 M, rfna 5.63 M.
#pragma once

#include <pam/core/config.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/zoo_nets.hpp>

#include <optional>
#include <string>
#include <typeindex>
#include <vector>

namespace pam {

/// What to build. `options` overrides any field of the net's UNetOptions, nested prototypes included, by name.
struct NetworkSpec {
  std::string name = "unet";
  /// Channels of the input image; must be given.
  std::int64_t in_channels = 0;
  /// 1 = binary, N >= 2 = N classes with channel 0 the background.
  std::int64_t classes = 1;
  /// Channels of level 0; not given: the name's own (32, and 64 for wunet).
  std::optional<std::int64_t> width = std::nullopt;
  nlohmann::json options = nlohmann::json::object();
};

/// Every name that `build_network` knows, the paper's table 5 first, then figure 7's ablations.
PAM_LAZY [[nodiscard]] std::vector<std::string> network_names();

/// Builds the net that `json` describes: {"name": "fpa", "in_channels": 4, "classes": 1, "width": 32, …}, where "name"
/// and "in_channels" must be there and every other option of the net may. An object given for a list of prototypes
/// ("stages": {"dilation": 12}) counts for each of them. `where` names the file or option in messages.
/// Throws where a name or key is unknown (with the nearest ones), a value has the wrong type or is out of range, and
/// where the net would have more than `limits.parameters` parameters, before any memory is taken.
PAM_LAZY [[nodiscard]] Network network_from_json(const nlohmann::json& json, const std::string& where = "network",
                                                 const NetworkLimits& limits = {});

/// Builds the net that `spec` describes; the same spec after the same `torch::manual_seed` gives the same weights.
/// Throws as `network_from_json`, and where `spec.options` holds name, in_channels or classes, which are the spec's
/// own.
PAM_LAZY [[nodiscard]] Network build_network(const NetworkSpec& spec, const NetworkLimits& limits = {});

namespace detail {

/// The name under which the zoo builds nets of this type first; empty where it builds none.
PAM_LAZY [[nodiscard]] std::string zoo_name(std::type_index type);

}  // namespace detail
}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/nets/zoo-inl.hpp>
#endif

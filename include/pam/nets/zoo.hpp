// SPDX-License-Identifier: MIT
/// The zoo: every network of the paper by name, with options from JSON. Including this header instantiates all of them,
/// so include it in one source file of a project.
///
///     auto net = build_network({"fpa", /*in_channels=*/4});
///     auto net = network_from_json({{"name", "fpa"}, {"in_channels", 4}, {"stages", {{"dilation", 12}}}}, "net.json");
///
/// Parameters at 4 input channels, as in table 5: unet 3.13 M, wunet 12.51 M, d6unet and d9unet 3.13 M, aunet 3.16 M,
/// cscunet 3.14 M, cbamunet 3.14 M, gcnunet 3.15 M, fpa 4.2 M, rfna 5.63 M.
#pragma once

#include <pam/attention/attended.hpp>
#include <pam/attention/cbam.hpp>
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/global_context.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/attention/spatial_channel_squeeze_excite.hpp>
#include <pam/layers/dilated_block.hpp>
#include <pam/nets/gated_skip.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/network_json.hpp>
#include <pam/nets/unet.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>
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

namespace detail {

using NetworkBuilder = std::function<Network(const std::string& name, const nlohmann::json& overrides,
                                             const std::string& where, const NetworkLimits& limits)>;

/// Builds a `Net` whose options are `preset` of the defaults, then `overrides`. The preset sees the depth that was
/// asked for, since it may hold a prototype per level.
template <typename Net>
NetworkBuilder network_builder(std::function<void(typename Net::Impl::Options&)> preset) {
  return [preset](const std::string& name, const nlohmann::json& overrides, const std::string& where,
                  const NetworkLimits& limits) {
    typename Net::Impl::Options options;
    if (const auto depth = overrides.find("depth"); depth != overrides.end()) {
      std::int64_t value = 0;
      field_from_json(*depth, value, where + ".depth");
      check(value > 0 && value < 16, "{}.depth: must be 1 to 15, got {}", where, value);
      options.depth(value);
    }
    preset(options);
    const auto merged = merge_options(net_options_to_json(options), overrides, where);
    check_bounds(merged, where);
    options_from_json(merged, options, where);
    check_size(merged, where, limits);
    return Network(name, Net(options));
  };
}

struct ZooEntry {
  std::string name;
  NetworkBuilder build;
};

inline void add_plain_nets(std::vector<ZooEntry>& zoo) {
  using Plain = UNet<ConvBlock>;
  using Dilated = UNet<DilatedBlock, ConvBlock>;
  zoo.push_back({"unet", network_builder<Plain>([](auto&) {})});
  zoo.push_back({"wunet", network_builder<Plain>([](auto& o) { o.width(64); })});
  for (const std::int64_t dilation : {6, 9}) {
    zoo.push_back({formatted("d{}unet", dilation), network_builder<Dilated>([dilation](auto& o) {
                     o.stage(DilatedBlockOptions().dilation(dilation));
                   })});
  }
}

/// Attention after the stages, but not after the last one, which the bridge follows.
template <typename Options>
void attend_all_but_last(Options& options) {
  auto stages = options.stages();
  stages.assign(static_cast<std::size_t>(options.depth()), stages.front());
  stages.back().attend(false);
  options.stages(stages);
}

/// The paper's baselines, as its authors placed them. The blocks' defaults are the presets `paper()`.
inline void add_baseline_nets(std::vector<ZooEntry>& zoo) {
  using Scse = Attended<SpatialChannelSqueezeExcite>;
  using Cbam = Attended<CBAM>;
  using Context = Attended<GlobalContext>;
  zoo.push_back({"aunet", network_builder<UNet<ConvBlock, ConvBlock, ConvBlock, GatedSkip>>([](auto&) {})});
  zoo.push_back({"cscunet", network_builder<UNet<Scse, ConvBlock, Scse, ConcatSkip, Scse>>(
                                [](auto& o) { attend_all_but_last(o); })});
  zoo.push_back({"cbamunet", network_builder<UNet<Cbam, Cbam, ConvBlock, ConcatSkip, Cbam>>(
                                 [](auto& o) { attend_all_but_last(o); })});
  zoo.push_back({"gcnunet", network_builder<UNet<Context, Context, ConvBlock, ConcatSkip, Context>>(
                                [](auto& o) { attend_all_but_last(o); })});
}

/// Sets `block` in the stages and, where it is the same type, in the bridge.
template <typename Options, typename Block>
void place_block(Options& options, const Block& block) {
  options.stage(block);
  if constexpr (std::is_same_v<std::decay_t<decltype(options.bridge())>, Block>) options.bridge(block);
}

inline void add_paper_nets(std::vector<ZooEntry>& zoo) {
  using Fpa = FalsePositiveAttentionOptions;
  using Rfna = ReverseFalseNegativeAttentionOptions;
  for (const auto* name : {"fpa", "fpa_table5"}) {
    zoo.push_back(
        {name, network_builder<UNet<FalsePositiveAttention>>([](auto& o) { place_block(o, Fpa().table5()); })});
  }
  zoo.push_back({"fpa_section43", network_builder<UNet<FalsePositiveAttention, ConvBlock>>(
                                      [](auto& o) { place_block(o, Fpa().section43()); })});
  for (const auto* name : {"rfna", "rfna_table5"}) {
    zoo.push_back(
        {name, network_builder<UNet<ReverseFalseNegativeAttention>>([](auto& o) { place_block(o, Rfna().table5()); })});
  }
  zoo.push_back({"rfna_section33", network_builder<UNet<ReverseFalseNegativeAttention, ConvBlock>>(
                                       [](auto& o) { place_block(o, Rfna().section33()); })});
}

/// The ablations of figure 7: dilation or pooling ratio, depth-wise or full convolutions, expansion; stages and bridge.
inline void add_figure7_nets(std::vector<ZooEntry>& zoo) {
  for (const bool depthwise : {true, false}) {
    const auto* kind = depthwise ? "dw" : "full";
    for (const std::int64_t expansion : {1, 2, 4, 8}) {
      for (const std::int64_t dilation : {6, 9, 12}) {
        auto block = FalsePositiveAttentionOptions().table5();
        block.dilation(dilation).depthwise(depthwise).expansion(expansion);
        zoo.push_back({formatted("fpa_d{}_{}_e{}", dilation, kind, expansion),
                       network_builder<UNet<FalsePositiveAttention>>([block](auto& o) { place_block(o, block); })});
      }
      for (const std::int64_t ratio : {2, 4, 8}) {
        auto block = ReverseFalseNegativeAttentionOptions().table5();
        block.ratio(ratio).depthwise(depthwise).expansion(expansion);
        zoo.push_back(
            {formatted("rfna_r{}_{}_e{}", ratio, kind, expansion),
             network_builder<UNet<ReverseFalseNegativeAttention>>([block](auto& o) { place_block(o, block); })});
      }
    }
  }
}

inline const std::vector<ZooEntry>& zoo() {
  static const auto entries = [] {
    std::vector<ZooEntry> list;
    add_plain_nets(list);
    add_baseline_nets(list);
    add_paper_nets(list);
    add_figure7_nets(list);
    return list;
  }();
  return entries;
}

}  // namespace detail

/// Every name that `build_network` knows, the paper's table 5 first, then figure 7's ablations.
inline std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const auto& entry : detail::zoo()) names.push_back(entry.name);
  return names;
}

/// Builds the net that `json` describes: {"name": "fpa", "in_channels": 4, "classes": 1, "width": 32, …}, where "name"
/// and "in_channels" must be there and every other option of the net may. An object given for a list of prototypes
/// ("stages": {"dilation": 12}) counts for each of them. `where` names the file or option in messages.
/// Throws where a name or key is unknown (with the nearest ones), a value has the wrong type or is out of range, and
/// where the net would have more than `limits.parameters` parameters, before any memory is taken.
inline Network network_from_json(const nlohmann::json& json, const std::string& where = "network",
                                 const NetworkLimits& limits = {}) {
  detail::check_nesting(json, where);
  check(json.is_object(), "{}: a network is a JSON object such as {{\"name\": \"fpa\", \"in_channels\": 4}}, got {}",
        where, json.type_name());
  const auto name = json.find("name");
  check(name != json.end() && name->is_string(), "{}.name: must be the name of a network in quotes, such as \"unet\"",
        where);
  check(json.contains("in_channels"), "{}.in_channels: must be given: the number of channels of the images", where);
  const auto wanted = name->get<std::string>();
  for (const auto& entry : detail::zoo()) {
    if (entry.name != wanted) continue;
    auto overrides = json;
    overrides.erase("name");
    return entry.build(wanted, overrides, where, limits);
  }
  fail("{}.name: there is no network \"{}\"; did you mean {}?", where, detail::shortened(wanted),
       joined(nearest_names(wanted, network_names(), 3), ", "));
}

/// Builds the net that `spec` describes; the same spec after the same `torch::manual_seed` gives the same weights.
inline Network build_network(const NetworkSpec& spec, const NetworkLimits& limits = {}) {
  check(spec.options.is_object(), "NetworkSpec: options must be a JSON object, got {}", spec.options.type_name());
  for (const auto* field : {"name", "in_channels", "classes"}) {
    check(!spec.options.contains(field), "NetworkSpec: {} is a field of the spec; take it out of its options", field);
  }
  auto json = spec.options;
  json["name"] = spec.name;
  json["in_channels"] = spec.in_channels;
  json["classes"] = spec.classes;
  if (spec.width) json["width"] = *spec.width;
  return network_from_json(json, "network " + detail::shortened(spec.name), limits);
}

}  // namespace pam

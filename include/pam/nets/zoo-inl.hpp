// SPDX-License-Identifier: MIT
#pragma once

#include <pam/nets/detail/zoo_placement.hpp>
#include <pam/nets/network_json.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/nets/zoo_nets.hpp>

#include <functional>
#include <utility>

namespace pam {
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
  std::type_index type;  ///< of the net
  NetworkBuilder build;
};

template <typename Net>
ZooEntry zoo_entry(std::string name, std::function<void(typename Net::Impl::Options&)> preset) {
  return {std::move(name), typeid(Net), network_builder<Net>(std::move(preset))};
}

PAM_LAZY void add_plain_nets(std::vector<ZooEntry>& zoo) {
  using Plain = UNet<ConvBlock>;
  using Dilated = UNet<DilatedBlock, ConvBlock>;
  zoo.push_back(zoo_entry<Plain>("unet", [](auto&) {}));
  zoo.push_back(zoo_entry<Plain>("wunet", [](auto& o) { o.width(64); }));
  for (const std::int64_t dilation : {6, 9}) {
    zoo.push_back(zoo_entry<Dilated>(formatted("d{}unet", dilation),
                                     [dilation](auto& o) { o.stage(DilatedBlockOptions().dilation(dilation)); }));
  }
}

/// The paper's baselines, as its authors placed them. The blocks' defaults are the presets `paper()`.
PAM_LAZY void add_baseline_nets(std::vector<ZooEntry>& zoo) {
  using Scse = Attended<SpatialChannelSqueezeExcite>;
  using Cbam = Attended<CBAM>;
  using Context = Attended<GlobalContext>;
  zoo.push_back(zoo_entry<UNet<ConvBlock, ConvBlock, ConvBlock, GatedSkip>>("aunet", [](auto&) {}));
  zoo.push_back(
      zoo_entry<UNet<Scse, ConvBlock, Scse, ConcatSkip, Scse>>("cscunet", [](auto& o) { attend_all_but_last(o); }));
  zoo.push_back(
      zoo_entry<UNet<Cbam, Cbam, ConvBlock, ConcatSkip, Cbam>>("cbamunet", [](auto& o) { attend_all_but_last(o); }));
  zoo.push_back(zoo_entry<UNet<Context, Context, ConvBlock, ConcatSkip, Context>>(
      "gcnunet", [](auto& o) { attend_all_but_last(o); }));
}

PAM_LAZY void add_paper_nets(std::vector<ZooEntry>& zoo) {
  using Fpa = FalsePositiveAttentionOptions;
  using Rfna = ReverseFalseNegativeAttentionOptions;
  for (const auto* name : {"fpa", "fpa_table5"}) {
    zoo.push_back(zoo_entry<UNet<FalsePositiveAttention>>(name, [](auto& o) { place_block(o, Fpa().table5()); }));
  }
  zoo.push_back(zoo_entry<UNet<FalsePositiveAttention, ConvBlock>>("fpa_section43",
                                                                   [](auto& o) { place_block(o, Fpa().section43()); }));
  for (const auto* name : {"rfna", "rfna_table5"}) {
    zoo.push_back(
        zoo_entry<UNet<ReverseFalseNegativeAttention>>(name, [](auto& o) { place_block(o, Rfna().table5()); }));
  }
  zoo.push_back(zoo_entry<UNet<ReverseFalseNegativeAttention, ConvBlock>>(
      "rfna_section33", [](auto& o) { place_block(o, Rfna().section33()); }));
}

/// The ablations of figure 7: dilation or pooling ratio, depth-wise (expansion 2, 4, 8) or full convolutions (1, 2), in
/// stages and bridge; and the expansions that the figure has of the other kind alone.
PAM_LAZY void add_figure7_nets(std::vector<ZooEntry>& zoo) {
  for (const bool depthwise : {true, false}) {
    const auto* kind = depthwise ? "dw" : "full";
    for (const std::int64_t expansion : {1, 2, 4, 8}) {
      for (const std::int64_t dilation : {6, 9, 12}) {
        auto block = FalsePositiveAttentionOptions().table5();
        block.dilation(dilation).depthwise(depthwise).expansion(expansion);
        zoo.push_back(zoo_entry<UNet<FalsePositiveAttention>>(formatted("fpa_d{}_{}_e{}", dilation, kind, expansion),
                                                              [block](auto& o) { place_block(o, block); }));
      }
      for (const std::int64_t ratio : {2, 4, 8}) {
        auto block = ReverseFalseNegativeAttentionOptions().table5();
        block.ratio(ratio).depthwise(depthwise).expansion(expansion);
        zoo.push_back(zoo_entry<UNet<ReverseFalseNegativeAttention>>(
            formatted("rfna_r{}_{}_e{}", ratio, kind, expansion), [block](auto& o) { place_block(o, block); }));
      }
    }
  }
}

PAM_LAZY const std::vector<ZooEntry>& zoo() {
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

PAM_LAZY_FUNC std::string zoo_name(std::type_index type) {
  for (const auto& entry : zoo()) {
    if (entry.type == type) return entry.name;
  }
  return {};
}

}  // namespace detail

PAM_LAZY_FUNC std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const auto& entry : detail::zoo()) names.push_back(entry.name);
  return names;
}

PAM_LAZY_FUNC Network network_from_json(const nlohmann::json& json, const std::string& where,
                                        const NetworkLimits& limits) {
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

PAM_LAZY_FUNC Network build_network(const NetworkSpec& spec, const NetworkLimits& limits) {
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

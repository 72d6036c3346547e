// SPDX-License-Identifier: MIT
#pragma once

#include <pam/inference/load_network.hpp>
#include <pam/inference/preparation.hpp>

#include <utility>

namespace pam {
namespace detail {

/// The tensor whose name ends in `name`, whatever wrapper stands before it; undefined where there is none.
PAM_FUNC torch::Tensor tensor_ending(const StateDict& tensors, const std::string& name) {
  for (const auto& [full, tensor] : tensors) {
    if (full == name || (full.size() > name.size() && full.substr(full.size() - name.size() - 1) == "." + name)) {
      return tensor;
    }
  }
  return {};
}

/// A JSON entry of a file's metadata; null if there is none of that name.
PAM_FUNC nlohmann::json noted_json(const WeightsFile& weights, const std::string& key, const std::string& file) {
  const auto noted = weights.metadata.find(key);
  if (noted == weights.metadata.end()) return {};
  auto json = nlohmann::json::parse(noted->second, nullptr, /*allow_exceptions=*/false);
  check(!json.is_discarded(), "{}: its metadata hold no JSON under {}", file, key);
  return json;
}

/// The net as the caller describes it; what is not given is derived from its first and last layer.
PAM_FUNC nlohmann::json described_net(const WeightsFile& weights, const std::string& file,
                                      const LoadNetworkOptions& options) {
  check(!options.net.empty(),
        "{}: does not say which network its weights are of (no pam.net in its metadata); name it by "
        "LoadNetworkOptions::net, such as \"unet\"",
        file);
  const auto stem = tensor_ending(weights.tensors, "stem.conv1.conv.weight");
  const auto head = tensor_ending(weights.tensors, "head.weight");
  auto json = options.options;
  json["name"] = options.net;
  const bool shown = stem.defined() && stem.dim() == 4 && head.defined() && head.dim() == 4;
  const bool said = json.contains("in_channels") && json.contains("width") && json.contains("classes");
  check(shown || said,
        "{}: has no stem.conv1.conv.weight and head.weight, so it is not of a network of pam; docs/weights.md says how "
        "names are mapped",
        file);
  if (!json.contains("in_channels")) json["in_channels"] = stem.size(1);
  if (!json.contains("width")) json["width"] = stem.size(0);
  if (!json.contains("classes")) json["classes"] = head.size(0);
  return json;
}

/// "name" and every option of the net of `weights`.
PAM_FUNC nlohmann::json net_of_file(const WeightsFile& weights, const std::string& file,
                                    const LoadNetworkOptions& options) {
  auto json = noted_json(weights, "pam.net", file);
  if (json.is_null()) return described_net(weights, file, options);
  check_nesting(json, file);
  keep_convolutions(json);
  const auto noted = json.is_object() ? json.value("name", nlohmann::json()) : nlohmann::json();
  check(options.net.empty() || noted == options.net,
        "{}: holds weights of the network {}, not {}; leave out LoadNetworkOptions::net to follow the file", file,
        noted.is_string() ? printable(noted.get<std::string>()) : std::string("without a name"), options.net);
  for (const auto& item : options.options.items()) {
    check(json.contains(item.key()) && json[item.key()] == item.value(),
          "{}: its pam.net has {} = {}, LoadNetworkOptions::options {}; leave it out to follow the file", file,
          item.key(), json.contains(item.key()) ? json[item.key()].dump() : "nothing", item.value().dump());
  }
  return json;
}

/// Sets "reversed" of `net` as file and caller say; they must agree. If neither says it, nothing is set.
PAM_FUNC void set_reversed(nlohmann::json& net, const WeightsFile& weights, const std::string& file,
                           const LoadNetworkOptions& options) {
  const auto noted = noted_reversed(file, weights.metadata);
  check(!noted || !options.reversed || *noted == *options.reversed,
        "{}: its metadata say pam.reversed = {}, but LoadNetworkOptions::reversed is {}; leave it out to follow the "
        "file",
        file, noted.value_or(false), options.reversed.value_or(false));
  const auto reversed = noted ? noted : options.reversed;
  if (!reversed || !net.is_object()) return;
  const auto own = net.find("reversed");
  check(weights.metadata.count("pam.net") == 0 || own == net.end() || *own == *reversed,
        "{}: its pam.net says reversed = {}, but {} = {}: one of them would invert every mask; find out which is right "
        "and save the network again by save_network",
        file, own == net.end() ? "" : own->dump(), noted ? "its pam.reversed" : "LoadNetworkOptions::reversed",
        *reversed);
  net["reversed"] = *reversed;
}

PAM_FUNC Metadata network_metadata(const nlohmann::json& net, const SaveNetworkOptions& options,
                                   const std::string& who) {
  auto metadata = options.metadata;
  const auto note = [&](const char* key, std::string value) {
    const auto& written = metadata.emplace(key, value).first->second;
    check(written == value,
          "{}: SaveNetworkOptions::metadata has another {} than the net; leave it out: it is written by itself", who,
          key);
  };
  note("pam.net", net.dump());
  if (options.preparation) note("pam.input", preparation_to_json(*options.preparation).dump());
  return metadata;
}

PAM_LAZY_FUNC void check_zoo_name(const std::string& name) {
  for (const auto& known : network_names()) {
    if (known == name) return;
  }
  fail(
      "save_network: the zoo has no network \"{}\", so load_network could not build it; save_weights saves its weights",
      name);
}

PAM_LAZY_FUNC nlohmann::json named_options(nlohmann::json options, std::type_index type) {
  const auto name = zoo_name(type);
  check(!name.empty(),
        "save_network: the zoo builds no net of this type, so load_network could not; save_weights saves its weights");
  options["name"] = name;
  return options;
}

/// `net` as weights without "pam.net" have it: an RFNA block with ratio 2 or 4 has a D2 if it keeps all convolutions,
/// as it did before prune_convolutions; if it prunes, it has nothing of that name.
PAM_LAZY void keep_named_convolutions(nlohmann::json& net, const WeightsFile& weights, const std::string& file,
                                      const LoadNetworkOptions& options) {
  const auto has_d2 = [&](const std::string& part) {
    return tensor_ending(weights.tensors, (part.empty() ? "" : part + ".") + "down2.conv.weight").defined();
  };
  if (weights.metadata.count("pam.net") > 0 || !has_d2("")) return;
  if (options.options.dump().find("\"prune_convolutions\"") != std::string::npos) return;  // the caller decides
  auto full = network_from_json(net, file, options.limits).options();
  const auto named = full;
  const auto keep = [&](nlohmann::json& part, const std::string& name) {
    if (has_small_ratio(part) && has_d2(name)) part["prune_convolutions"] = false;
  };
  for (std::size_t i = 0; i < full["stages"].size(); ++i) keep(full["stages"][i], formatted("stage{}", i + 1));
  keep(full["bridge"], "bridge");
  if (full != named) net = std::move(full);
}

}  // namespace detail

PAM_LAZY_FUNC LoadedNetwork load_network(const std::filesystem::path& path, const LoadNetworkOptions& options) {
  const auto file = path.string();
  const auto weights = read_weights(path, options.section);
  auto json = detail::net_of_file(weights, file, options);
  detail::keep_named_convolutions(json, weights, file, options);
  detail::set_reversed(json, weights, file, options);
  LoadedNetwork loaded{network_from_json(json, file, options.limits), std::nullopt, {}};
  check(!loaded.net.reversed() || options.reversed || detail::noted_reversed(file, weights.metadata),
        "{}: does not say whether its weights were trained on reversed labels (no pam.reversed in its metadata), and a "
        "{} can be trained either way; say which by LoadNetworkOptions::reversed",
        file, loaded.net.name());
  LoadOptions how;
  how.key_map = options.key_map;
  how.key_prefix = options.key_prefix;
  how.reversed = options.reversed;
  how.require_finite = true;
  loaded.report = load_state_dict(loaded.net, weights, file, how);
  loaded.net->eval();
  const auto input = detail::noted_json(weights, "pam.input", file);
  if (!input.is_null()) loaded.preparation = preparation_from_json(input, file);
  return loaded;
}

}  // namespace pam

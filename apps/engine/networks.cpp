// SPDX-License-Identifier: MIT
#include "engine/networks.hpp"

#include <pam/core/seed.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/weights/weights.hpp>

#include <algorithm>
#include <iostream>

namespace pam::apps {
namespace {

/// The tensor whose name ends in `name`, whatever wrapper stands before it; undefined where there is none.
torch::Tensor tensor_ending(const StateDict& tensors, const std::string& name) {
  for (const auto& [full, tensor] : tensors) {
    if (full == name || (full.size() > name.size() && full.substr(full.size() - name.size() - 1) == "." + name)) {
      return tensor;
    }
  }
  return {};
}

/// A JSON text out of a file's metadata; null where it has none of that name.
nlohmann::json noted_json(const WeightsFile& weights, const std::string& key, const std::string& file) {
  const auto noted = weights.metadata.find(key);
  if (noted == weights.metadata.end()) return {};
  auto json = nlohmann::json::parse(noted->second, nullptr, /*allow_exceptions=*/false);
  check(!json.is_discarded(), "{}: its metadata hold no JSON under {}", file, key);
  return json;
}

/// What the caller says of the net, and for the rest what its first and last layer show.
nlohmann::json described_net(const WeightsFile& weights, const WeightsSource& source) {
  check(!source.net.empty(), "{}: does not say which network its weights are of; name it, such as --net unet",
        source.path);
  check_network_name(source.net);
  const auto stem = tensor_ending(weights.tensors, "stem.conv1.conv.weight");
  const auto head = tensor_ending(weights.tensors, "head.weight");
  check(stem.defined() && stem.dim() == 4 && head.defined() && head.dim() == 4,
        "{}: has no stem.conv1.conv.weight and head.weight, so it is not of a network of pam; docs/weights.md says how "
        "names are mapped",
        source.path);
  auto json = source.options;
  json["name"] = source.net;
  if (!json.contains("in_channels")) json["in_channels"] = stem.size(1);
  if (!json.contains("width")) json["width"] = stem.size(0);
  if (!json.contains("classes")) json["classes"] = head.size(0);
  return json;
}

}  // namespace

std::vector<std::string> all_network_names() { return network_names(); }

void print_network_names() {
  for (const auto& name : network_names()) std::cout << name << "\n";
}

void check_network_name(const std::string& name) {
  const auto names = network_names();
  check(std::find(names.begin(), names.end(), name) != names.end(),
        "there is no network \"{}\"; did you mean {}? --list-nets shows all", name,
        joined(nearest_names(name, names, 3), ", "));
}

Network make_network(const std::string& name, std::int64_t in_channels, std::int64_t classes, std::int64_t width,
                     const nlohmann::json& options, std::int64_t seed) {
  SeedScope scope(static_cast<std::uint64_t>(seed));
  NetworkSpec spec{name, in_channels, classes};
  if (width > 0) spec.width = width;
  spec.options = options;
  return build_network(spec);
}

LoadedNetwork load_network(const WeightsSource& source) {
  const auto weights = read_weights(source.path);
  auto json = noted_json(weights, "pam.net", source.path);
  const auto noted = json.is_object() ? json.value("name", "") : std::string();
  check(json.is_null() || source.net.empty() || noted == source.net,
        "{}: holds weights of the network {}, not {}; leave --net away", source.path, noted, source.net);
  if (json.is_null()) json = described_net(weights, source);
  auto net = network_from_json(json, source.path);
  LoadOptions options;
  options.can_be_reversed = net.reversed();
  options.reversed = source.reversed;
  const auto report = load_state_dict(*net, weights, source.path, options);
  if (report.reversed.value_or(net.reversed()) != net.reversed()) {
    json["reversed"] = *report.reversed;
    net = network_from_json(json, source.path);
    load_state_dict(*net, weights, source.path, options);
  }
  net->eval();
  return {net, noted_json(weights, "pam.input", source.path)};
}

std::int64_t parameter_count(const Network& net) {
  std::int64_t count = 0;
  for (const auto& parameter : net->parameters()) count += parameter.numel();
  return count;
}

}  // namespace pam::apps

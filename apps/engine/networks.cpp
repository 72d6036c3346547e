// SPDX-License-Identifier: MIT
#include "engine/networks.hpp"

#include "cli/program.hpp"

#include <pam/core/seed.hpp>
#include <pam/inference/pretrained.hpp>
#include <pam/nets/zoo.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>

namespace pam::apps {

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

namespace {

/// `word` itself, or where weights of that name are that come with pam.
std::filesystem::path weights_path(const std::string& word) {
  const bool name = word.find_first_of("/\\.") == std::string::npos && !std::filesystem::exists(word);
  return name && !word.empty() ? pretrained_path(word) : std::filesystem::path(word);
}

}  // namespace

LoadedNetwork load_network(const WeightsSource& source) {
  const auto path = weights_path(source.path);
  auto loaded = pam::load_network(path, source.how);
  for (const auto& note : loaded.report.notes())
    std::cerr << "note: " << path.string() << ": " << with_flags(note) << "\n";
  return loaded;
}

std::int64_t parameter_count(const Network& net) {
  std::int64_t count = 0;
  for (const auto& parameter : net->parameters()) count += parameter.numel();
  return count;
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "engine/networks.hpp"

#include "cli/program.hpp"

#include <pam/core/seed.hpp>
#include <pam/inference/pretrained.hpp>
#include <pam/nets/zoo.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>

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

/// "hippocampus_fpa, hippocampus_rfna": the names that weights have.
std::string known_names() {
  const auto names = pretrained_names();
  return names.empty() ? "there are none here" : joined(names, ", ");
}

/// `word` itself, or where weights of that name are that come with pam. A folder of that name is no weights file.
std::filesystem::path weights_path(const std::string& word) {
  check(!word.empty(), "--weights: is empty; give a file (.safetensors, .pt or .pth), or a name of weights ({})",
        known_names());
  std::error_code ignored;
  if (const char* folder = std::getenv("PAM_WEIGHTS_DIR"); folder != nullptr && *folder != '\0') {
    if (!std::filesystem::is_directory(folder, ignored)) {
      std::cerr << fmt::format("warning: PAM_WEIGHTS_DIR is {}, which is no folder; it is passed over\n", folder);
    }
  }
  if (word.find_first_of("/\\.") == std::string::npos && !std::filesystem::is_regular_file(word, ignored)) {
    auto path = pretrained_path(word);
    std::cerr << fmt::format("note: --weights {}: {}\n", word, path.string());
    return path;
  }
  check(std::filesystem::exists(word, ignored),
        "--weights {}: no such file; check its path, or give a name of weights without slashes and extension ({})",
        word, known_names());
  return word;
}

}  // namespace

TrainedNetwork load_network(const WeightsSource& source) {
  const auto path = weights_path(source.path);
  TrainedNetwork loaded{pam::load_network(path, source.how), {}, {}};
  for (const auto& note : loaded.report.notes())
    std::cerr << "note: " << path.string() << ": " << with_flags(note) << "\n";
  loaded.facts = training_facts(loaded.report.metadata, path.string());
  loaded.path = path;
  return loaded;
}

std::int64_t parameter_count(const Network& net) {
  std::int64_t count = 0;
  for (const auto& parameter : net->parameters()) count += parameter.numel();
  return count;
}

}  // namespace pam::apps

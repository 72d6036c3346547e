// SPDX-License-Identifier: MIT
/// The zoo for programs: one translation unit compiles every network, so that the others compile in seconds.
#pragma once

#include "engine/training_facts.hpp"

#include <pam/inference/load_network.hpp>
#include <pam/nets/network.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pam::apps {

/// Every name of the zoo.
std::vector<std::string> all_network_names();
/// `--list-nets`: prints them, one per line.
void print_network_names();

/// Throws `Error`, with the nearest names, unless the zoo has `name`.
void check_network_name(const std::string& name);

/// A net of the zoo with weights from `seed`. `width` 0 is the net's own; `options` are further ones (nets/zoo.hpp).
/// `classes`: 1 = binary. Throws `Error` as `network_from_json` does, and for reversed nets with several classes.
Network make_network(const std::string& name, std::int64_t in_channels, std::int64_t classes, std::int64_t width,
                     const nlohmann::json& options, std::int64_t seed);

/// Weights on disk, and what their file may not say.
struct WeightsSource {
  std::string path;  ///< .safetensors, .pt or .pth; or a name for `pretrained`
  LoadNetworkOptions how = {};
};

/// A net from a file, what else the file says of its training, and which file it is.
struct TrainedNetwork : LoadedNetwork {
  TrainingFacts facts;
  std::filesystem::path path;
};

/// `pam::load_network`, compiled here for all programs. Prints a note for each choice that the file left to it: which
/// section of a checkpoint, a prefix that was taken off all names, entries that were left out; for a name, where it is.
/// Throws `Error` that names --weights where there is no such file or name.
TrainedNetwork load_network(const WeightsSource& source);

/// The number of trainable values.
std::int64_t parameter_count(const Network& net);

}  // namespace pam::apps

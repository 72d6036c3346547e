// SPDX-License-Identifier: MIT
/// `load_network` and `save_network`: a net of the zoo with everything that a prediction needs, in one file: weights,
/// which net it is ("pam.net"), whether it learnt reversed labels ("pam.reversed"), and how images are prepared
/// ("pam.input").
///
///     pam::save_network(net, "fpa.safetensors", {preparation});
///     const auto loaded = pam::load_network("fpa.safetensors");  // loaded.net, loaded.preparation
///
/// A source file that calls them compiles every network (nets/zoo.hpp).
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/reversible.hpp>
#include <pam/images/case_options.hpp>
#include <pam/nets/network.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/weights/weights.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <typeindex>

namespace pam {

/// What the caller adds where the file does not say it. Contradicting the file is an error.
struct LoadNetworkOptions {
  std::string net;                                    ///< zoo name, for files without "pam.net"
  nlohmann::json options = nlohmann::json::object();  ///< further options of `net`, as in nets/zoo.hpp
  /// Whether the weights were trained on reversed labels, for files without "pam.reversed". A net that learns reversed
  /// labels by default (RFNA) needs it from one of the two.
  std::optional<bool> reversed;
  std::function<std::string(const std::string&)> key_map;  ///< as in `LoadOptions`
  std::string key_prefix;                                  ///< as in `LoadOptions`
  std::string section;                                     ///< as in `LoadOptions`
  NetworkLimits limits = {};                               ///< the largest net that a file may ask for
};

/// A net from a file, in eval mode, on the CPU.
struct LoadedNetwork {
  Network net;
  std::optional<CaseOptions> preparation;  ///< how its training prepared images; nothing where the file does not say
  LoadReport report;                       ///< what was loaded, and the file's metadata
};

/// Builds the net that `path` (.safetensors, .pt or .pth) names and loads its weights. For files without "pam.net",
/// `options` name the net; its channels, classes and width are then derived from the first and the last layer, and from
/// the names whether RFNA blocks with ratio 2 or 4 keep D2 and D3 (`prune_convolutions`).
/// Throws `Error` where net or reversal are unknown, `options` contradict the file, or weights are NaN or infinite, and
/// as `load_weights` does.
PAM_LAZY [[nodiscard]] LoadedNetwork load_network(const std::filesystem::path& path,
                                                  const LoadNetworkOptions& options = {});

/// What `save_network` writes in addition to net and weights.
struct SaveNetworkOptions {
  std::optional<CaseOptions> preparation =
      {};                  ///< how images were prepared; `load_network` and `Predictor` do the same
  Metadata metadata = {};  ///< further entries
};

namespace detail {

/// `options` as JSON with the zoo's name of a net of this type.
PAM_LAZY nlohmann::json named_options(nlohmann::json options, std::type_index type);
/// Throws `Error` unless the zoo has a net of this name.
PAM_LAZY void check_zoo_name(const std::string& name);

/// `options.metadata` with "pam.net" and "pam.input". `who` begins messages.
Metadata network_metadata(const nlohmann::json& net, const SaveNetworkOptions& options, const std::string& who);

/// The JSON of `net` under a name that the zoo knows.
template <typename Net>
nlohmann::json zoo_json(const Net& net) {
  if constexpr (std::is_same_v<Net, Network>) {
    check_zoo_name(net.name());
    return net.options();
  } else {
    static_assert(points_to_module<Net>::value,
                  "pam::save_network: a net is a pam::Network or a holder such as pam::UNet<...>; save_weights takes "
                  "any module");
    return named_options(net_options_to_json(net->options), typeid(Net));
  }
}

}  // namespace detail

/// What `save_network` writes about `net`, for `FitOptions::metadata`: `load_network` and `Predictor` then read the
/// checkpoints of a training. ("pam.reversed" is added by `fit`.) Throws `Error` for nets that the zoo cannot build.
template <typename Net>
[[nodiscard]] Metadata network_metadata(const Net& net, const SaveNetworkOptions& options = {}) {
  return detail::network_metadata(detail::zoo_json(net), options, "network_metadata");
}

/// Saves `net`, a `Network` or any `UNet` that the zoo can build, to `path` (.safetensors, .pt or .pth), atomically.
/// Throws `Error` for nets that the zoo cannot build (`save_weights` saves those), where `options` contradict the net,
/// and as `save_weights` does.
template <typename Net>
void save_network(const Net& net, const std::filesystem::path& path, const SaveNetworkOptions& options = {}) {
  save_weights(net, path, detail::network_metadata(detail::zoo_json(net), options, path.string()));
}

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/inference/load_network-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// How JSON overrides the options of a net, and the checks that keep hostile JSON from taking time or memory: known
/// keys only, bounds on every number, and an upper estimate of the parameters before anything is built.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/options_json.hpp>

#include <array>
#include <string>

namespace pam {

/// What `network_from_json` refuses to exceed.
struct NetworkLimits {
  /// Parameters of the net (each takes 4 bytes, and 16 while AdamW trains it). Default: 2^31.
  double parameters = 2147483648.0;
};

namespace detail {

/// Options of a part that the net itself fills in, from the part's position; the user cannot set them.
inline constexpr std::array<const char*, 7> kFilledIn{"in_channels",   "out_channels",  "stride",       "channels",
                                                      "deep_channels", "skip_channels", "gate_channels"};

/// Removes `kFilledIn` from `json` and everything in it.
void erase_filled_in(nlohmann::json& json);

/// Whether `json`, a part of a net, has an RFNA block's ratio of 2 or 4, whose convolutions prune_convolutions leaves
/// out.
bool has_small_ratio(const nlohmann::json& json);

/// Sets prune_convolutions to false in every part of a stored net that has ratio 2 or 4 and does not say: files from
/// before that option hold RFNA blocks with all convolutions. `json` must not be nested deeply (`check_nesting`).
void keep_convolutions(nlohmann::json& json);

/// The options of a net without what it fills in itself: its own in_channels stays, that of its parts goes.
template <typename Options>
nlohmann::json net_options_to_json(const Options& options) {
  auto json = options_to_json(options);
  for (auto& item : json) {
    if (item.is_structured()) erase_filled_in(item);
  }
  return json;
}

inline constexpr int kDeepestOptions = 16;

/// The first characters of `text`, for messages about hostile input.
inline std::string shortened(const std::string& text) { return text.size() <= 64 ? text : text.substr(0, 64) + "..."; }

/// Throws where `json` is nested deeper than any net's options: printing or merging it must not overflow the stack.
void check_nesting(const nlohmann::json& json, const std::string& where, int depth = 0);

nlohmann::json merge_options(const nlohmann::json& base, const nlohmann::json& over, const std::string& where);

nlohmann::json merge_lists(const nlohmann::json& base, const nlohmann::json& over, const std::string& where);

/// `base` with the values of `over`: objects key by key, a list with a list item by item, an object with a list as
/// every item's. Keys that `base` lacks are refused; types are checked when the options are read.
nlohmann::json merge_options(const nlohmann::json& base, const nlohmann::json& over, const std::string& where);

/// The largest sensible value of each whole number in a net's options, wherever it stands.
struct Bound {
  const char* option;
  std::int64_t largest;
};
inline constexpr std::array<Bound, 11> kBounds{{{"in_channels", 4096},
                                                {"classes", 4096},
                                                {"width", 4096},
                                                {"depth", 15},
                                                {"dilation", 1024},
                                                {"expansion", 256},
                                                {"reduction", 4096},
                                                {"kernel_size", 63},
                                                {"extent", 64},
                                                {"ratio", 8},
                                                {"theta_stride", 64}}};

/// Throws where a number anywhere in `json` is below 1 or above its bound.
void check_bounds(const nlohmann::json& json, const std::string& where);

/// `json[name]` as a number, or `missing`.
double number_or(const nlohmann::json& json, const char* name, double missing);

/// An upper estimate of the parameters of the block `json` from `in` to `out` channels: never less than the block has,
/// and close for the options that cost most (expansion, full convolutions).
double estimate_block(const nlohmann::json& json, double in, double out);

/// The same for a skip from `deep` and `skip` channels: its attention gate, where it has one.
double estimate_skip(const nlohmann::json& json, double deep, double skip);

/// The same for a whole net, from its options (`net_options_to_json`).
double estimate_parameters(const nlohmann::json& json);

/// Throws where the lists of prototypes do not fit the depth, or the net would be larger than `limits`.
void check_size(const nlohmann::json& json, const std::string& where, const NetworkLimits& limits);

}  // namespace detail

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/nets/network_json-inl.hpp>
#endif

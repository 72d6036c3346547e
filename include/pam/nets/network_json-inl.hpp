// SPDX-License-Identifier: MIT
/// The definitions of network_json.hpp.
#pragma once

#include <pam/core/options_json.hpp>
#include <pam/nets/network_json.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace pam {

namespace detail {

PAM_FUNC void erase_filled_in(nlohmann::json& json) {
  if (json.is_object()) {
    for (const auto* name : kFilledIn) json.erase(name);
  }
  for (auto& item : json) {
    if (item.is_structured()) erase_filled_in(item);
  }
}

PAM_FUNC bool has_small_ratio(const nlohmann::json& json) {
  const auto ratio = json.is_object() ? number_or(json, "ratio", 8) : 8;
  return ratio == 2 || ratio == 4;
}

PAM_FUNC void keep_convolutions(nlohmann::json& json) {
  if (has_small_ratio(json) && !json.contains("prune_convolutions")) json["prune_convolutions"] = false;
  for (auto& item : json) {
    if (item.is_structured()) keep_convolutions(item);
  }
}

PAM_FUNC void check_nesting(const nlohmann::json& json, const std::string& where, int depth) {
  check(depth <= kDeepestOptions, "{}: nested deeper than {} levels, which no network's options are", where,
        kDeepestOptions);
  if (!json.is_structured()) return;
  for (const auto& item : json) check_nesting(item, where, depth + 1);
}

PAM_FUNC nlohmann::json merge_lists(const nlohmann::json& base, const nlohmann::json& over, const std::string& where) {
  check(base.size() == over.size() || base.size() == 1 || over.size() == 1,
        "{}: must hold one prototype for all levels or one per level, got {} where the net has {}", where, over.size(),
        base.size());
  auto list = nlohmann::json::array();
  for (std::size_t i = 0; i < std::max(base.size(), over.size()); ++i) {
    list.push_back(
        merge_options(base[base.size() == 1 ? 0 : i], over[over.size() == 1 ? 0 : i], formatted("{}[{}]", where, i)));
  }
  return list;
}

PAM_FUNC nlohmann::json merge_options(const nlohmann::json& base, const nlohmann::json& over,
                                      const std::string& where) {
  if (base.is_array() && over.is_object()) return merge_lists(base, nlohmann::json::array({over}), where);
  if (base.is_array() && over.is_array() && !base.empty() && !over.empty()) return merge_lists(base, over, where);
  if (!base.is_object() || !over.is_object()) return over;
  auto merged = base;
  for (const auto& item : over.items()) {
    if (const auto found = merged.find(item.key()); found != merged.end()) {
      *found = merge_options(*found, item.value(), where + "." + item.key());
      continue;
    }
    check(std::find(kFilledIn.begin(), kFilledIn.end(), item.key()) == kFilledIn.end(),
          "{}.{}: follows from the part's place in the net; take it out", where, item.key());
    std::vector<std::string> known;
    for (const auto& option : base.items()) known.push_back(option.key());
    fail("{}: there is no option \"{}\"; did you mean {}?", where, shortened(item.key()),
         joined(nearest_names(item.key(), known, 3), ", "));
  }
  return merged;
}

PAM_FUNC void check_bounds(const nlohmann::json& json, const std::string& where) {
  if (json.is_array()) {
    for (std::size_t i = 0; i < json.size(); ++i) check_bounds(json[i], formatted("{}[{}]", where, i));
    return;
  }
  if (!json.is_object()) return;
  for (const auto& item : json.items()) {
    check_bounds(item.value(), where + "." + item.key());
    for (const auto& bound : kBounds) {
      if (item.key() != bound.option || !item.value().is_number()) continue;
      const auto value = item.value().get<double>();
      check(value >= 1 && value <= static_cast<double>(bound.largest), "{}.{}: must be 1 to {}, got {}", where,
            item.key(), bound.largest, item.value().dump());
    }
  }
}

PAM_FUNC double number_or(const nlohmann::json& json, const char* name, double missing) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : missing;
}

PAM_FUNC double estimate_block(const nlohmann::json& json, double in, double out) {
  const auto side = number_or(json, "kernel_size", 3);
  double sum = side * side * out * (in + out) + 4 * out;  // two convolutions and their norms
  if (const auto block = json.find("block"); block != json.end()) sum = estimate_block(*block, in, out);
  if (json.contains("expansion")) {
    const auto m = number_or(json, "expansion", 1) * out;
    const auto depthwise = json.find("depthwise");
    const bool full = depthwise != json.end() && *depthwise == false;
    const auto share = json.find("share_weights");
    double steps = share != json.end() && *share == false ? 2 : 1;  // convolutions with weights of their own
    const auto prune = json.find("prune_convolutions");
    if (prune != json.end() && *prune == true && has_small_ratio(json)) steps = json["ratio"] == 2 ? 0 : 1;
    sum += m * std::max(in, out) + steps * (full ? 9 * m * m : 9 * m) + 6 * m + m * out + in * out;
  }
  if (const auto attention = json.find("attention"); attention != json.end()) {
    const auto inner = std::max(1.0, std::floor(out / number_or(*attention, "reduction", 1)));
    const auto kernel = number_or(*attention, "kernel_size", 3);
    sum += 2 * out * inner + 4 * inner + 64 * out + 2 * kernel * kernel + 8;
  }
  return sum;
}

PAM_FUNC double estimate_skip(const nlohmann::json& json, double deep, double skip) {
  const auto gate = json.find("gate"), gated = json.find("gated");
  if (gate == json.end() || (gated != json.end() && *gated == false)) return 0;
  const auto inner = std::max(1.0, std::floor(skip / number_or(*gate, "reduction", 1)));
  const auto step = number_or(*gate, "theta_stride", 1);
  return inner * (deep + skip * step * step + 3) + skip * (skip + 3) + 1;  // phi, theta, psi; the output and its norm
}

PAM_FUNC double estimate_parameters(const nlohmann::json& json) {
  const auto depth = static_cast<int>(number_or(json, "depth", 3));
  const auto channels = [&](int level) { return std::ldexp(number_or(json, "width", 32), level); };
  const auto part = [&](const char* list, int index) -> const nlohmann::json& {
    const auto& items = json.at(list);
    return items.size() == 1 ? items[0] : items.at(static_cast<std::size_t>(index));
  };
  double sum = estimate_block(json.at("stem"), number_or(json, "in_channels", 1), channels(0)) +
               estimate_block(json.at("bridge"), channels(depth), channels(depth)) +
               number_or(json, "classes", 1) * channels(0);
  for (int level = 0; level < depth; ++level) {
    const auto up = channels(level), deep = channels(level + 1);
    sum += estimate_block(part("stages", level), up, deep) + estimate_block(part("decoders", level), up + deep, up);
    sum += estimate_skip(part("skips", level), deep, up);
  }
  return sum;
}

PAM_FUNC void check_size(const nlohmann::json& json, const std::string& where, const NetworkLimits& limits) {
  const auto depth = static_cast<std::size_t>(number_or(json, "depth", 3));
  for (const auto* list : {"stages", "decoders", "skips"}) {
    const auto size = json.at(list).size();
    check(size == 1 || size == depth, "{}.{}: must hold one prototype for all levels or one per level ({}), got {}",
          where, list, depth, size);
  }
  const auto parameters = estimate_parameters(json);
  check(parameters <= limits.parameters,
        "{}: the net would have about {:.3g} parameters, and the limit is {:.3g}; lower width, depth, expansion or "
        "theta_stride",
        where, parameters, limits.parameters);
}

}  // namespace detail
}  // namespace pam

// SPDX-License-Identifier: MIT
/// The networks of the paper's figure 7: an attention with another dilation (fpa) or ratio (rfna), expansion, and
/// depth-wise or full convolutions.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {

/// The parts of the name of such a network: fpa_d9_dw_e4 is {"fpa", 'd', 9, "dw", 4}.
struct AblationName {
  std::string family;
  char axis = 'd';  ///< 'd': dilation, 'r': ratio
  int value = 0;
  std::string kind;  ///< "dw" or "full"
  int expansion = 0;
};

/// The parts of `net`'s name; none for names that are not of this form.
[[nodiscard]] inline std::optional<AblationName> ablation_name(const std::string& net) {
  for (const auto& [family, axis] : {std::pair{"fpa", 'd'}, {"rfna", 'r'}}) {
    AblationName name{family, axis, 0, {}, 0};
    char kind[8] = "";
    int end = 0;
    const auto format = fmt::format("{}_{}%d_%7[a-z]_e%d%n", family, axis);
    if (std::sscanf(net.c_str(), format.c_str(), &name.value, kind, &name.expansion, &end) != 3) continue;
    name.kind = kind;
    if (static_cast<std::size_t>(end) == net.size() && (name.kind == "dw" || name.kind == "full")) return name;
  }
  return std::nullopt;
}

/// The fifteen networks of figure 7 for `family`, "fpa" or "rfna": depth-wise with expansion 2, 4 and 8, full with 1
/// and 2, each with dilation 6, 9 and 12 (fpa) or ratio 2, 4 and 8 (rfna). Empty for other families.
[[nodiscard]] inline std::vector<std::string> ablation_nets(const std::string& family) {
  std::vector<std::string> nets;
  if (family != "fpa" && family != "rfna") return nets;
  const bool fpa = family == "fpa";
  for (const auto& [kind, expansions] : {std::pair{"dw", std::vector{2, 4, 8}}, {"full", std::vector{1, 2}}}) {
    for (const int expansion : expansions) {
      for (const int value : fpa ? std::vector{6, 9, 12} : std::vector{2, 4, 8}) {
        nets.push_back(fmt::format("{}_{}{}_{}_e{}", family, fpa ? 'd' : 'r', value, kind, expansion));
      }
    }
  }
  return nets;
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
/// Figure 7's bars: how IoU and penalised HD95 change with dilation (fpa) or ratio (rfna), expansion, and depth-wise or
/// full convolutions. Networks of other names get one bar each.
#pragma once

#include "comparison/comparison.hpp"

#include "report/chart.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace pam::apps {

/// The parts of the name of a network of figure 7: fpa_d9_dw_e4 is {"fpa", 'd', 9, "dw", 4}.
struct AblationName {
  std::string family;
  char axis = 'd';  ///< 'd': dilation, 'r': ratio
  int value = 0;
  std::string kind;  ///< "dw" or "full"
  int expansion = 0;
};

/// The parts of `net`'s name; none for names that are not of figure 7.
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

namespace detail {

struct BarScore {
  const char* key;
  std::string label;
  double factor;
};

inline std::vector<BarScore> bar_scores(const std::string& unit) {
  return {{"iou", "IoU %", 100}, {"hd95_penalised", "HD95 (penalised) " + unit, 1}};
}

inline void set_bar(Series& series, std::size_t at, const NetSummary& net, const BarScore& score) {
  const auto summary = net.of(score.key);
  series.y[at] = summary.mean ? *summary.mean * score.factor : std::nan("");
  series.error[at] = summary.std ? *summary.std * score.factor : std::nan("");
}

inline Series empty_bars(std::string name, std::size_t count) {
  Series series{std::move(name),
                {},
                std::vector<double>(count, std::nan("")),
                Mark::Bars,
                std::vector<double>(count, std::nan(""))};
  for (std::size_t i = 0; i < count; ++i) series.x.push_back(static_cast<double>(i));
  return series;
}

/// One bar per network.
inline Chart net_bars(const std::vector<NetSummary>& nets, const BarScore& score) {
  Chart chart{"", "", score.label};
  auto series = empty_bars("", nets.size());
  for (std::size_t i = 0; i < nets.size(); ++i) {
    set_bar(series, i, nets[i], score);
    chart.x_names.push_back(nets[i].net);
  }
  chart.series.push_back(std::move(series));
  chart.y_low = 0;
  return chart;
}

/// The bars of one family: dilation (or ratio) and expansion along x, depth-wise beside full. No series where none of
/// `nets` is of it.
inline Chart family_bars(const std::vector<NetSummary>& nets, const std::string& family, const BarScore& score) {
  std::vector<std::tuple<int, int, std::string>> places;  // (value, expansion, words)
  for (const auto& net : nets) {
    const auto name = ablation_name(net.net);
    if (!name || name->family != family) continue;
    places.emplace_back(name->value, name->expansion,
                        fmt::format("{}{} e{}", name->axis, name->value, name->expansion));
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  Chart chart{family, family == "fpa" ? "dilation and expansion" : "ratio and expansion", score.label};
  chart.y_low = 0;
  for (const auto& [kind, words] : {std::pair{"dw", "depth-wise"}, {"full", "full"}}) {
    auto series = empty_bars(words, places.size());
    bool any = false;
    for (const auto& net : nets) {
      const auto name = ablation_name(net.net);
      if (!name || name->family != family || name->kind != kind) continue;
      const auto at = std::find_if(places.begin(), places.end(), [&](const auto& place) {
        return std::get<0>(place) == name->value && std::get<1>(place) == name->expansion;
      });
      set_bar(series, static_cast<std::size_t>(at - places.begin()), net, score);
      any = true;
    }
    if (any) chart.series.push_back(std::move(series));
  }
  for (const auto& place : places) chart.x_names.push_back(std::get<2>(place));
  return chart;
}

}  // namespace detail

/// Bars with the deviation over repeats: figure 7's where some of `nets` are of its names, else of all networks.
[[nodiscard]] inline std::vector<Chart> ablation_charts(const std::vector<NetSummary>& nets, const std::string& unit) {
  std::vector<Chart> charts;
  for (const char* family : {"fpa", "rfna"}) {
    for (const auto& score : detail::bar_scores(unit)) {
      auto chart = detail::family_bars(nets, family, score);
      if (!chart.series.empty()) charts.push_back(std::move(chart));
    }
  }
  if (!charts.empty()) return charts;
  for (const auto& score : detail::bar_scores(unit)) charts.push_back(detail::net_bars(nets, score));
  return charts;
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
/// Figure 7's bars: the IoU of an attention's ablations, four panels per attention. Other networks get one bar each.
#pragma once

#include "comparison/ablation.hpp"
#include "comparison/comparison.hpp"

#include "report/chart.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pam::apps {
namespace detail {

struct BarScore {
  const char* key;
  std::string label;
  double factor;
};

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

/// A panel of figure 7: the IoU of one family with one kind of convolution. Groups of bars along x by dilation (or
/// ratio), a series per expansion; with `by_expansion` the other way round. Without series where no network is of it.
inline Chart ablation_panel(const std::vector<NetSummary>& nets, const std::string& family, const std::string& kind,
                            bool by_expansion) {
  const auto axis = family == "fpa" ? "dilation" : "ratio";
  Chart chart{fmt::format("{}, {} convolutions, by {}", family, kind == "dw" ? "depth-wise" : "full",
                          by_expansion ? "expansion" : axis),
              by_expansion ? "expansion" : axis, "IoU %"};
  chart.y_low = 0;
  chart.width = 420;
  std::set<int> groups, members;
  std::vector<std::pair<std::pair<int, int>, const NetSummary*>> found;  // ((group, member), network)
  for (const auto& net : nets) {
    const auto name = ablation_name(net.net);
    if (!name || name->family != family || name->kind != kind) continue;
    const auto place = by_expansion ? std::pair(name->expansion, name->value) : std::pair(name->value, name->expansion);
    groups.insert(place.first);
    members.insert(place.second);
    found.emplace_back(place, &net);
  }
  for (const int group : groups) chart.x_names.push_back(std::to_string(group));
  for (const int member : members) {
    auto series = empty_bars(fmt::format("{} {}", by_expansion ? axis : "expansion", member), groups.size());
    for (const auto& [place, net] : found) {
      if (place.second != member) continue;
      const auto at = std::distance(groups.begin(), groups.find(place.first));
      set_bar(series, static_cast<std::size_t>(at), *net, {"iou", "IoU %", 100});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace detail

/// Bars with the deviation over repeats. Where some of `nets` have figure 7's names, its panels for their family:
/// depth-wise and full convolutions, each by dilation (or ratio) and by expansion, as far as there are networks. Else
/// the IoU and the penalised HD95 of all networks.
[[nodiscard]] inline std::vector<Chart> ablation_charts(const std::vector<NetSummary>& nets, const std::string& unit) {
  std::vector<Chart> charts;
  for (const char* family : {"fpa", "rfna"}) {
    for (const char* kind : {"dw", "full"}) {
      for (const bool by_expansion : {false, true}) {
        auto chart = detail::ablation_panel(nets, family, kind, by_expansion);
        if (!chart.series.empty()) charts.push_back(std::move(chart));
      }
    }
  }
  if (!charts.empty()) return charts;
  charts.push_back(detail::net_bars(nets, {"iou", "IoU %", 100}));
  charts.push_back(detail::net_bars(nets, {"hd95_penalised", "HD95 (penalised) " + unit, 1}));
  return charts;
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
/// The paper's figures (Xu et al., BMVC 2020), to be printed beside measured ones. The parameters of table 5 are here;
/// the scores of tables 3 to 6 are read from a file, which users fill from their copy of the paper.
#pragma once

#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pam::apps {

/// A printed score; no deviation where the table has none.
struct PaperFigure {
  double mean = 0;
  std::optional<double> std;
};

/// [net][score], of one task.
using PaperFigures = std::map<std::string, std::map<std::string, PaperFigure>>;

/// Parameters of `net` in millions, as table 5 prints them; none for networks that are not in it.
[[nodiscard]] inline std::optional<double> paper_parameters(const std::string& net) {
  static const std::map<std::string, double> millions{{"unet", 3.13},      {"d6unet", 3.13},  {"d9unet", 3.13},
                                                      {"wunet", 12.51},    {"aunet", 3.16},   {"cscunet", 3.14},
                                                      {"cbamunet", 3.14},  {"gcnunet", 3.15}, {"fpa", 4.2},
                                                      {"fpa_table5", 4.2}, {"rfna", 5.63},    {"rfna_table5", 5.63}};
  const auto found = millions.find(net);
  return found == millions.end() ? std::nullopt : std::optional<double>(found->second);
}

/// The scores that a file of the paper's figures may hold, as the paper calls and prints them: per cent, mm or pixels.
inline const std::vector<std::string>& paper_scores() {
  static const std::vector<std::string> keys{"iou", "hd", "fp", "fn"};
  return keys;
}

namespace detail {

inline PaperFigure paper_figure(const nlohmann::json& value, const std::string& where) {
  const auto number = [](const nlohmann::json& json) { return json.is_number(); };
  check(number(value) || (value.is_array() && value.size() == 2 && std::all_of(value.begin(), value.end(), number)),
        "{}: must be a number, or [mean, deviation], got {}", where, value.dump());
  if (value.is_number()) return {value.get<double>(), std::nullopt};
  return {value[0].get<double>(), value[1].get<double>()};
}

}  // namespace detail

/// The figures of `task` ("brats") in a file {"brats": {"unet": {"iou": [60, 1.5], "hd": 20, "fp": …, "fn": …}}}, where
/// a pair is mean and deviation. Throws `Error`, naming file and field, on anything else; a task or network that is not
/// in the file has no figures.
[[nodiscard]] inline PaperFigures read_paper_figures(const std::filesystem::path& path, const std::string& task) {
  std::ifstream in(path, std::ios::binary);
  check(in.is_open(), "--paper-figures {}: cannot be opened: {}", path.string(), std::strerror(errno));
  const auto json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  check(json.is_object(), "--paper-figures {}: is not a JSON object of tasks", path.string());
  PaperFigures figures;
  const auto nets = json.value(task, nlohmann::json::object());
  check(nets.is_object(), "{}: {}: must be an object of networks, got {}", path.string(), task, nets.dump());
  for (const auto& [net, scores] : nets.items()) {
    check(scores.is_object(), "{}: {}.{}: must be an object of scores, got {}", path.string(), task, net,
          scores.dump());
    for (const auto& [key, value] : scores.items()) {
      const auto where = fmt::format("{}: {}.{}.{}", path.string(), task, net, key);
      const auto& known = paper_scores();
      check(std::find(known.begin(), known.end(), key) != known.end(), "{}: there is no such score; did you mean {}?",
            where, nearest_names(key, known, 1).front());
      figures[net][key] = detail::paper_figure(value, where);
    }
  }
  return figures;
}

}  // namespace pam::apps

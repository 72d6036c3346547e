// SPDX-License-Identifier: MIT
#include "tasks/recipe.hpp"

#include "cli/option_reader.hpp"
#include "tasks/brats_task.hpp"
#include "tasks/cityscapes_task.hpp"
#include "tasks/folder_task.hpp"
#include "tasks/isles_task.hpp"

#include <pam/core/nearest.hpp>

#include <algorithm>
#include <utility>

namespace pam::apps {
namespace {

const std::vector<std::pair<std::string, Recipe (*)()>>& makers() {
  static const std::vector<std::pair<std::string, Recipe (*)()>> kMakers{
      {"cityscapes", [] { return recipe_of(cityscapes_program()); }},
      {"brats", [] { return recipe_of(brats_program()); }},
      {"isles", [] { return recipe_of(isles_program()); }},
      {"folder", [] { return recipe_of(folder_program()); }},
  };
  return kMakers;
}

/// The value of "--flag VALUE" or "--flag=VALUE", the last if it is given twice; empty if it is not given.
std::string word_after(const std::string& flag, const std::vector<std::string>& words) {
  std::string value;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == flag && i + 1 < words.size()) value = words[i + 1];
    if (words[i].rfind(flag + "=", 0) == 0) value = words[i].substr(flag.size() + 1);
  }
  return value;
}

/// Whether `options` have every option of the recipe's data, of which there are `count`.
bool has_data_options(const nlohmann::json& options, const Recipe& recipe, std::size_t& count) {
  const auto shared = options_to_json(ExperimentOptions());
  count = 0;
  for (const auto& item : recipe.defaults.items()) {
    if (item.key() == "task" || shared.contains(item.key())) continue;
    if (!options.contains(item.key())) return false;
    ++count;
  }
  return true;
}

/// The recipe that `options` name or, where they name none and are all of one recipe's, are of; else empty.
std::string recipe_in(const nlohmann::json& options) {
  if (!options.is_object()) return {};
  if (const auto named = options.find("task"); named != options.end() && named->is_string()) {
    return named->get<std::string>();
  }
  std::string best;
  std::size_t most = 0, count = 0;
  for (const auto& [name, make] : makers()) {
    if (!has_data_options(options, make(), count) || count <= most) continue;
    best = name;
    most = count;
  }
  return best;
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : makers()) names.push_back(name);
  return names;
}

Recipe find_recipe(const std::string& name) {
  for (const auto& [known, make] : makers()) {
    if (known == name) return make();
  }
  fail("there is no recipe \"{}\"; did you mean {}?", name, nearest_names(name, recipe_names(), 1).front());
}

std::string chosen_recipe(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  auto name = word_after("--task", words);
  const auto config = word_after("--config", words), out = word_after("--out", words);
  const bool resume = std::find(words.begin(), words.end(), "--resume") != words.end();
  if (name.empty() && !config.empty()) name = recipe_in(load_options_file(config));
  if (const auto before = resume ? recipe_in(options_of_run(out)) : std::string(); !before.empty()) {
    check(name.empty() || name == before,
          "--task {}: {} holds a run of the task {}; leave --task out, or choose another --out", name, out, before);
    name = before;
  }
  if (name.empty()) return "folder";
  const auto names = recipe_names();
  check(std::find(names.begin(), names.end(), name) != names.end(), "--task {}: must be one of {}; did you mean {}?",
        name, joined(names, ", "), nearest_names(name, names, 1).front());
  return name;
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "tasks/recipe.hpp"

#include "tasks/brats_task.hpp"
#include "tasks/cityscapes_task.hpp"
#include "tasks/folder_task.hpp"
#include "tasks/isles_task.hpp"

#include <pam/core/nearest.hpp>

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

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "tasks/paper_settings.hpp"

#include "tasks/recipe.hpp"

#include <pam/core/error.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <utility>

namespace pam::apps {
namespace {

/// "folds = 5", from a recipe's defaults; `key` as in --set.
std::string default_of(const Recipe& recipe, const std::string& key) {
  const auto& value = recipe.defaults.at(nlohmann::json::json_pointer("/" + key));
  return fmt::format("{} = {}", key, value.is_string() ? value.get<std::string>() : value.dump());
}

Table training_table() {
  Table table("The paper's table 2 (batch: slices or pictures per step), and the defaults here",
              {"task", "epochs", "batch", "learning rate", "here"});
  for (const auto& [name, paper] :
       {std::pair{"cityscapes", kCityscapesSettings}, {"brats", kBratsSettings}, {"isles", kIslesSettings}}) {
    const auto defaults = find_recipe(name).defaults;
    table.row({name, std::to_string(paper.epochs), std::to_string(paper.batch),
               fmt::format("{:g}", paper.learning_rate),
               fmt::format("{}, {}, {:g}", defaults.at("epochs").dump(), defaults.at("batch").dump(),
                           defaults.at("optimizer").at("learning_rate").get<double>())});
  }
  const auto brats = find_recipe("brats");
  table.note(fmt::format(
      "The paper: AdamW, Dice loss, random horizontal flips, every experiment at least 3 times. Here: "
      "AdamW, {}, {}; compare trains 3 times (--repeats). Where the paper is silent, as in the "
      "authors' code: weight decay {}, learning rate x 0.1 at half and at three quarters.",
      default_of(brats, "loss"), default_of(brats, "flip"), brats.defaults.at("optimizer").at("weight_decay").dump()));
  return table;
}

/// A line of the protocol: what the paper says, and the option here, or in words what is done.
struct Rule {
  const char *what, *paper, *here;
  bool option;
};

void add_rules(Table& table, const std::string& task, const std::vector<Rule>& rules) {
  const auto recipe = find_recipe(task);
  for (const auto& rule : rules) {
    table.row({task, rule.what, rule.paper, rule.option ? default_of(recipe, rule.here) : std::string(rule.here)});
  }
}

Table protocol_table() {
  Table table("The paper's data protocol, and what is done here (KEY = VALUE: an option's default)",
              {"task", "what", "the paper", "here"});
  add_rules(table, "cityscapes",
            {{"foreground", "vehicles", "label_values", true},
             {"size", "256 x 128 (width x height)", "resize", true},
             {"training", "the cities of train", "the same, without the city that validates", false},
             {"validation", "one training city held out", "the last by name, or --val-city", false},
             {"test", "the cities of val", "the same", false}});
  add_rules(table, "brats",
            {{"cases", "210 high-grade of 286", "those in HGG/, or graded HGG in --grades", false},
             {"foreground", "enhancing tumour core", "label_values", true},
             {"modalities", "4", "modalities", true},
             {"normalisation", "per case, per modality", "the same: mean 0, deviation 1 over the brain", false},
             {"size", "centre 160 x 160", "crop", true},
             {"slices", "not said", "slices", true},
             {"split", "5-fold cross-validation by case", "folds", true},
             {"validation", "not said", "validation_share", true}});
  add_rules(table, "isles",
            {{"cases", "94", "all in TRAINING/", false},
             {"foreground", "the lesion", "label_values", true},
             {"modalities", "CBF, MTT, CBV, Tmax", "CBF, CBV, MTT, Tmax", false},
             {"normalisation", "per case, per modality", "the same: mean 0, deviation 1 over the brain", false},
             {"size", "centre 224 x 224", "crop", true},
             {"slices", "not said", "slices", true},
             {"training", "0.7 by case", "the rest", false},
             {"validation", "0.1 by case", "validation_share", true},
             {"test", "0.2 by case", "test_share", true}});
  return table;
}

}  // namespace

std::vector<Table> paper_settings_tables() { return {training_table(), protocol_table()}; }

void add_settings_flag(CLI::App& app, std::string& which) {
  app.add_option("--print-settings", which,
                 "paper: print the paper's table 2 and data protocol for each task, and exit");
}

bool printed_settings(const std::string& which) {
  if (which.empty()) return false;
  check(which == "paper", "--print-settings {}: must be paper; --print-config prints the options of this run", which);
  for (const auto& table : paper_settings_tables()) std::cout << table.text() << "\n";
  return true;
}

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "comparison/comparison_options.hpp"

#include "comparison/ablation.hpp"
#include "comparison/comparison.hpp"
#include "comparison/paper_figures.hpp"
#include "engine/networks.hpp"

#include <pam/core/nearest.hpp>
#include <pam/data/split.hpp>

#include <algorithm>
#include <array>
#include <filesystem>

namespace pam::apps {
namespace {

/// The networks of the paper's table 5.
const std::vector<std::string> kPaperNets{"unet",    "d6unet",   "d9unet",  "wunet", "aunet",
                                          "cscunet", "cbamunet", "gcnunet", "fpa",   "rfna"};

std::vector<std::string> keys_of(const nlohmann::json& json) {
  std::vector<std::string> keys;
  for (const auto& item : json.items()) keys.push_back(item.key());
  return keys;
}

nlohmann::json load_config(const std::string& path) {
  auto json = load_options_file(path);
  check(json.is_object(), "{}: is not a JSON object of options; --print-config shows what one looks like", path);
  return json;
}

/// Objects are merged, everything else is replaced.
void merge(nlohmann::json& into, const nlohmann::json& from) {
  for (const auto& [key, value] : from.items()) {
    auto& place = into[key];
    if (place.is_object() && value.is_object()) {
      merge(place, value);
    } else {
      place = value;
    }
  }
}

/// Sets what `from` names; throws on options that are not in `config`.
void merge_known(nlohmann::json& config, const Given& given) {
  for (const auto& item : given.options.items()) {
    check(config.contains(item.key()), "{}: there is no option \"{}\"; did you mean {}?", given.where, item.key(),
          joined(nearest_names(item.key(), keys_of(config), 3), ", "));
  }
  merge(config, given.words ? typed_words(given.options, config) : given.options);
}

std::string text_of(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The networks of the ablation that `config` asks for. Throws `Error` where there is no such, and where `given` names
/// other networks.
void set_ablation(nlohmann::json& config, const std::vector<Given>& given) {
  const auto ablation = text_of(config, "ablation");
  if (ablation.empty()) return;
  const nlohmann::json nets = ablation_nets(ablation);
  check(!nets.empty(), "--ablation {}: must be fpa or rfna", ablation);
  for (const auto& each : given) {
    const auto named = each.options.find("nets");
    check(named == each.options.end() || *named == nets,
          "{}: names networks, but --ablation {} runs exactly the {} of figure 7; leave out one of the two", each.where,
          ablation, nets.size());
  }
  config["nets"] = nets;
}

/// The folds that the recipe's options make, of --folds or of a split file with folds.
std::int64_t fold_count(const nlohmann::json& recipe_options) {
  const std::filesystem::path split = text_of(recipe_options, "split");
  if (split.extension() == ".json" && std::filesystem::exists(split)) return folds_in_split(split);
  const auto folds = recipe_options.find("folds");
  return folds != recipe_options.end() && folds->is_number_integer() ? folds->get<std::int64_t>() : 0;
}

void check_setup(const CompareSetup& setup) {
  check_experiment(setup.experiment);
  check(setup.experiment.precision != "auto",
        "--precision auto: the networks of a comparison, and its continuation on another machine, compute in one type; "
        "name it: float32 or bfloat16");
  const auto& nets = setup.experiment.nets;
  const auto& baseline = setup.options.baseline;
  check(baseline == "best" || std::find(nets.begin(), nets.end(), baseline) != nets.end(),
        "--baseline {}: is not among the networks compared ({}); name one of them, or best", baseline,
        joined(nets, ", "));
  check(setup.options.repeats >= 1 && setup.options.repeats <= 1000, "--repeats: must be 1 to 1000, got {}",
        setup.options.repeats);
  const auto fold = setup.recipe_options.value("fold", nlohmann::json());
  check(fold == setup.recipe.defaults.value("fold", nlohmann::json()),
        "fold is {}: compare runs several; say which with --folds {}", fold.dump(), fold.dump());
  setup.recipe.check(setup.recipe_options);
  if (!setup.options.paper_figures.empty()) {
    static_cast<void>(read_paper_figures(setup.options.paper_figures, setup.options.task));
  }
}

}  // namespace

nlohmann::json CompareSetup::config() const {
  auto all = recipe_options;
  merge(all, options_to_json(options));
  return all;
}

nlohmann::json CompareSetup::fold_options(std::int64_t fold) const {
  auto all = recipe_options;
  all["task"] = options.task;
  if (all.contains("fold")) all["fold"] = fold;
  return all;
}

std::vector<std::int64_t> parse_folds(const std::string& test_folds, std::int64_t count) {
  std::vector<std::int64_t> folds;
  const auto last = std::max<std::int64_t>(count, 1) - 1;
  if (test_folds == "all") {
    for (std::int64_t fold = 0; fold <= last; ++fold) folds.push_back(fold);
    return folds;
  }
  for (std::size_t at = 0; at <= test_folds.size();) {
    const auto end = std::min(test_folds.find(',', at), test_folds.size());
    const auto word = test_folds.substr(at, end - at);
    const bool number = !word.empty() && word.size() < 10 && word.find_first_not_of("0123456789") == std::string::npos;
    check(number, "--folds {}: must be all, or numbers such as 0,2", test_folds);
    folds.push_back(std::stoll(word));
    check(folds.back() <= last, "--folds {}: there is no fold {}; they are 0 to {}", test_folds, word, last);
    check(std::count(folds.begin(), folds.end(), folds.back()) == 1, "--folds {}: {} is named twice", test_folds, word);
    at = end + 1;
  }
  std::sort(folds.begin(), folds.end());
  return folds;
}

CompareReader::CompareReader(CLI::App& app) : app_(&app) {
  app.footer("Defaults that are not given here are those of the task: train --task NAME --help.");
  add("--task", "task", "cityscapes, brats, isles or folder");
  add("--data", "data", "the task's folder, as downloaded");
  app.add_option_function<std::vector<std::string>>(
      "--nets,--net",
      [this](const auto& nets) {
        given_.push_back({"--nets", {{"nets", nets}}, false});
      },
      "networks by name (the ten of the paper's table 5); see --list-nets");
  add("--ablation", "ablation", "fpa or rfna: exactly the fifteen networks of it in the paper's figure 7");
  add("--folds", "test_folds", "all, or numbers from 0 such as 0,2");
  add("--repeats", "repeats", "trainings of each network on each fold, with seeds seed, seed + 1, ...", "INT");
  add("--baseline", "baseline", "network that the tests are against, or best: the best of all but fpa and rfna");
  add("--out", "out", "folder of the comparison");
  add("--epochs", "epochs", "passes over the training slices", "INT");
  add("--batch", "batch", "slices or pictures per step", "INT");
  add("--lr", "optimizer.learning_rate", "learning rate of AdamW", "FLOAT");
  add("--width", "width", "channels of level 0 (0: the network's own, mostly 32)", "INT");
  add("--seed", "seed", "seed of the split, and of repeat 0", "INT");
  add("--precision", "precision", kPrecisionHelp);
  add("--layout", "layout", kLayoutHelp);
  add("--threads", "threads", "threads that compute (0: one per core)", "INT");
  add("--device", "device", "auto, cpu, cuda or cuda:N");
  add("--paper-figures", "paper_figures",
      "JSON file with scores of other publications, in the form of --paper's columns");
  add("--hypotheses", "hypotheses",
      "JSON file of what is tested against what, fixed before the runs (docs/reproducing.md)");
  for (const auto& [flag, key, help] :
       {std::array{"--paper", "paper", "the paper's own figures as columns"},
        {"--resume", "resume", "continue the comparison in --out; finished trainings are not repeated"},
        {"--overwrite", "overwrite", "start again although --out holds a run"},
        {"--allow-changes", "allow_changes", "with --resume: the data may lie elsewhere"}}) {
    const std::string name = flag, option = key;
    app.add_flag_function(
        flag,
        [this, name, option](std::int64_t) {
          given_.push_back({name, {{option, true}}, false});
        },
        help);
  }
  app.add_option("--config", config_, "JSON file with any of the options (--print-config shows all)");
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [this](const std::vector<std::string>& assignments) {
           for (const auto& text : assignments) {
             const auto [key, value] = split_assignment(text);
             take(key, value, "--set");
           }
         },
         "KEY=VALUE: any option of the task or of compare")
      ->take_all();
  app.add_flag("--print-config", print_, "print all options as JSON and exit");
}

void CompareReader::add(const std::string& flag, const std::string& key, const std::string& help, const char* type) {
  app_->add_option_function<std::string>(
          flag, [this, flag, key](const std::string& value) { take(key, value, flag); },
          help_with_default(help, options_to_json(CompareOptions()), key))
      ->take_last()
      ->type_name(type);
}

void CompareReader::take(const std::string& key, const std::string& word, const std::string& where) {
  given_.push_back({where, nested_option(key, word), /*words=*/true});
}

std::vector<Given> CompareReader::given() const {
  std::vector<Given> all;
  if (!config_.empty()) all.push_back({config_, load_config(config_), false});
  all.insert(all.end(), given_.begin(), given_.end());
  return all;
}

CompareSetup CompareReader::read() const {
  auto all = given();
  std::string out, task;
  bool resume = false;
  for (const auto& each : all) {
    if (const auto word = text_of(each.options, "out"); !word.empty()) out = word;
    resume = resume || each.options.value("resume", nlohmann::json()) == true;
  }
  if (auto before = resume ? options_of_run(out) : nlohmann::json(); !before.is_null()) {
    for (const char* key : {"resume", "overwrite", "allow_changes"}) before.erase(key);
    all.insert(all.begin(), {config_path(out).string(), std::move(before), false});
  }
  for (const auto& each : all) {
    if (const auto word = text_of(each.options, "task"); !word.empty()) task = word;
  }
  check(!task.empty(), "--task: name one of {}", joined(recipe_names()));

  CompareSetup setup;
  setup.recipe = find_recipe(task);
  auto config = setup.recipe.defaults;
  config["nets"] = kPaperNets;
  merge(config, options_to_json(CompareOptions()));
  for (const auto& each : all) merge_known(config, each);
  set_ablation(config, all);
  auto own = nlohmann::json::object();
  for (const auto& key : keys_of(options_to_json(CompareOptions()))) {
    own[key] = config[key];
    config.erase(key);
  }
  options_from_json(own, setup.options, "compare");
  setup.experiment = setup.recipe.experiment(config);
  setup.recipe_options = std::move(config);
  setup.folds = parse_folds(setup.options.test_folds, fold_count(setup.recipe_options));
  if (print_) return setup;
  check_setup(setup);
  if (!setup.options.hypotheses.empty()) {
    setup.hypotheses = read_hypotheses(setup.options.hypotheses,
                                       resume ? kept_hypotheses(out) : std::filesystem::path(), setup.experiment.nets);
  }
  return setup;
}

}  // namespace pam::apps

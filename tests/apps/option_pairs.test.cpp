// SPDX-License-Identifier: MIT
/// Every pair of options of every program: it means something, or it is refused. No option is ignored in silence.
///
/// Every pair is tried in this process (`walk`): what the tables below do not name must be accepted, what they name
/// must be refused, with both names. An option that is in no table fails the test, so that nobody adds one without
/// going through its pairs. What depends on the data (options of pictures for volumes, options for one folder per case
/// in another layout) is tested with data: here for `train`, in predict.test.cpp and evaluate.test.cpp for those.
#include <pam/core/options_json.hpp>
#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/nifti.hpp>

#include "apps/program_runs.hpp"

#include "comparison/comparison_options.hpp"
#include "engine/evaluate_options.hpp"
#include "engine/experiment_options.hpp"
#include "engine/predict_options.hpp"
#include "engine/training_run.hpp"
#include "explain/explain_options.hpp"
#include "tasks/brats_task.hpp"
#include "tasks/cityscapes_task.hpp"
#include "tasks/folder_task.hpp"
#include "tasks/isles_task.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace apps_option_pairs_test {
using namespace pam;
using namespace pam::apps;
using Catch::Contains;
using nlohmann::json;
using test::TempDir;

/// The message of the `Error` that `action` throws, empty where it throws none.
template <typename Action>
std::string complaint_of(const Action& action) {
  try {
    action();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

/// An option with a value other than its default.
struct Choice {
  std::string name;  ///< as it is typed
  json set;          ///< what it sets; of options that are words of the command line alone, the words after it
};

/// The options that all tasks share.
std::vector<Choice> shared_choices() {
  return {{"--nets", {{"nets", {"fpa"}}}},
          {"--width", {{"width", 8}}},
          {"net_options", {{"net_options", {{"depth", 3}}}}},
          {"--loss", {{"loss", "tversky"}}},
          {"loss_options.jaccard", {{"loss_options", {{"jaccard", true}}}}},
          {"loss_options.smooth", {{"loss_options", {{"smooth", 0.5}}}}},
          {"--epochs", {{"epochs", 3}}},
          {"--batch", {{"batch", 3}}},
          {"--lr", {{"optimizer", {{"learning_rate", 0.01}}}}},
          {"--weight-decay", {{"optimizer", {{"weight_decay", 0.01}}}}},
          {"--schedule", {{"schedule", {{"kind", "cosine"}}}}},
          {"schedule.gamma", {{"schedule", {{"gamma", 0.5}}}}},
          {"schedule.warm_up", {{"schedule", {{"warm_up", 2}}}}},
          {"--clip", {{"clip_norm", 1}}},
          {"accumulate", {{"accumulate", 2}}},
          {"patience", {{"patience", 2}}},              // refused with the data where nothing validates
          {"validate_every", {{"validate_every", 2}}},  // the same
          {"--flip", {{"flip", false}}},
          {"noise", {{"noise", 0.1}}},
          {"--seed", {{"seed", 4}}},
          {"--workers", {{"workers", 1}}},
          {"--device", {{"device", "cpu"}}},
          {"--precision", {{"precision", "bfloat16"}}},
          {"--layout", {{"layout", "nhwc"}}},
          {"--threads", {{"threads", 1}}},
          {"--out", {{"out", "elsewhere"}}},
          {"--resume", {{"resume", true}}},
          {"--overwrite", {{"overwrite", true}}},
          {"--allow-changes", {{"allow_changes", true}}},
          {"--timeout", {{"timeout", 60}}},
          {"--fgsm", {{"fgsm", {0.1}}}},
          {"worst", {{"worst", 2}}},
          {"--tensorboard", {{"tensorboard", true}}}};
}

struct Rules {
  std::vector<std::pair<std::string, std::string>> refused;  ///< pairs that are refused
  std::map<std::string, std::string> needs;                  ///< options that mean something only beside another one
};

Rules with_shared(Rules own) {
  for (const auto& pair : {std::pair{"--resume", "--overwrite"},
                           {"--loss", "loss_options.jaccard"},   // tversky does not read it
                           {"--schedule", "schedule.gamma"}}) {  // nor cosine this
    own.refused.emplace_back(pair.first, pair.second);
  }
  own.needs["--allow-changes"] = "--resume";
  return own;
}

bool is_refused(const Rules& rules, const std::string& one, const std::string& other) {
  const auto lacks = [&](const std::string& option, const std::string& beside) {
    const auto need = rules.needs.find(option);
    return need != rules.needs.end() && need->second != beside;
  };
  const auto has = [&](const std::string& a, const std::string& b) {
    return std::find(rules.refused.begin(), rules.refused.end(), std::pair(a, b)) != rules.refused.end();
  };
  return has(one, other) || has(other, one) || lacks(one, other) || lacks(other, one);
}

/// Tries every pair; `complaint` gives the error of two choices together, or nothing. Returns how many there are.
template <typename Complaint>
int walk(const std::string& program, const std::vector<Choice>& choices, const Rules& rules,
         const Complaint& complaint) {
  int pairs = 0;
  for (auto one = choices.begin(); one != choices.end(); ++one) {
    for (auto other = std::next(one); other != choices.end(); ++other) {
      if (one->name.substr(0, one->name.find(' ')) == other->name.substr(0, other->name.find(' ')))
        continue;  // two values of one option
      const std::string why = complaint(*one, *other);
      INFO(program << ": " << one->name << " with " << other->name << ": " << why);
      REQUIRE(why.empty() == !is_refused(rules, one->name, other->name));
      ++pairs;
    }
  }
  SUCCEED(program << ": " << pairs << " pairs");
  return pairs;
}

/// Fails for an option of `known` that no choice sets.
void check_covered(const json& known, const std::vector<Choice>& choices, std::set<std::string> covered) {
  for (const auto& choice : choices) {
    for (const auto& item : choice.set.items()) covered.insert(item.key());
  }
  for (const auto& item : known.items()) {
    INFO("the option " << item.key() << " is in no table of this file: go through its pairs");
    REQUIRE(covered.count(item.key()) > 0);
  }
}

/// Two choices together, with data where they name none.
json together(const Choice& one, const Choice& other) {
  json all{{"out", "run"}};
  all.merge_patch(one.set);
  all.merge_patch(other.set);
  if (!all.contains("data") && !all.contains("images")) all["data"] = "there";
  return all;
}

/// The pairs of `train`.
template <typename Data>
int pairs_of(const TrainingProgram<Data>& program, std::vector<Choice> choices, Rules rules) {
  const auto shared = shared_choices();
  choices.insert(choices.end(), shared.begin(), shared.end());
  check_covered(options_to_json(program.defaults), choices, {"task"});
  return walk("train --task " + program.name, choices, with_shared(std::move(rules)),
              [&](const Choice& one, const Choice& other) {
                TrainingOptions<Data> options = program.defaults;
                options_from_json(together(one, other), options, "the test");
                return complaint_of([&] {
                  program.check(options);
                  check_experiment(options);
                });
              });
}

std::vector<Choice> folder_choices() {
  return {{"title", {{"title", "mine"}}},
          {"--data", {{"data", "there"}}},
          {"--images", {{"images", "i"}, {"labels", "l"}}},
          {"--labels", {{"labels", "l"}}},
          {"--modalities", {{"modalities", {"t1"}}}},
          {"--label-name", {{"label_name", "mask"}}},
          {"--label-values", {{"label_values", "1"}}},
          {"--label-threshold", {{"label_threshold", 128}}},
          {"--mask-channel", {{"mask_channel", "alpha"}}},
          {"--max-cases", {{"max_cases", 3}}},
          {"--split hemispheres", {{"split", "hemispheres"}}},
          {"--split folders", {{"split", "folders"}}},
          {"--split cases", {{"split", "cases"}}},
          {"--test-share", {{"test_share", 0.3}}},
          {"--validation-share", {{"validation_share", 0.2}}},
          {"--folds", {{"folds", 3}}},
          {"--fold", {{"fold", 1}}},
          {"--slices", {{"slices", "all"}}},
          {"--score", {{"score", "trained"}}},
          {"--normalise", {{"normalise", "zscore"}}},
          {"--channels", {{"channels", 1}}},
          {"--crop", {{"crop", "32x32"}}},
          {"--resize", {{"resize", "32x32"}}},
          {"--resample", {{"resample", true}}},
          {"--ignore-affine", {{"ignore_affine", true}}},
          {"--strict-labels", {{"strict_labels", true}}},
          {"--orient", {{"orient", "RAS"}}},
          {"--skip-bad", {{"skip_bad", true}}},
          {"--zero-non-finite", {{"zero_non_finite", true}}},
          {"show_channel", {{"show_channel", 1}}}};
}

Rules folder_rules() {
  return {{{"--data", "--images"},
           {"--images", "--modalities"},
           {"--images", "--label-name"},
           {"--folds", "--test-share"},
           {"--resample", "--ignore-affine"},
           {"--label-values", "--label-threshold"},
           {"--split hemispheres", "--test-share"},
           {"--split hemispheres", "--validation-share"},
           {"--split hemispheres", "--folds"},
           {"--split folders", "--test-share"},
           {"--split folders", "--validation-share"},
           {"--split folders", "--folds"}},
          {{"--labels", "--images"},
           {"--fold", "--folds"},
           {"--score", "--split hemispheres"},
           {"--strict-labels", "--label-values"}}};
}

std::vector<Choice> volume_choices() {
  return {{"--data", {{"data", "there"}}},
          {"--label-values", {{"label_values", "2"}}},
          {"--normalise", {{"normalise", "zscore"}}},
          {"--orient", {{"orient", "RAS"}}},
          {"--crop", {{"crop", "32x32"}}},
          {"--validation-share", {{"validation_share", 0.2}}},
          {"--folds", {{"folds", 3}}},
          {"--fold", {{"fold", 1}}},
          {"--slices", {{"slices", "all"}}},
          {"--skip-bad", {{"skip_bad", true}}},
          {"--zero-non-finite", {{"zero_non_finite", true}}},
          {"show_channel", {{"show_channel", 1}}}};
}

std::vector<Choice> brats_choices() {
  auto choices = volume_choices();
  choices.push_back({"--modalities", {{"modalities", {"t1", "flair"}}}});
  choices.push_back({"--grades", {{"grades", "table.csv"}}});
  return choices;
}

std::vector<Choice> isles_choices() {
  auto choices = volume_choices();
  choices.push_back({"--test-share", {{"test_share", 0.3}}});
  return choices;
}

Rules isles_rules() { return {{{"--folds", "--test-share"}}, {{"--fold", "--folds"}}}; }

std::vector<Choice> cityscapes_choices() {
  return {{"--data", {{"data", "there"}}},
          {"--val-city", {{"val_city", "none"}}},
          {"--label-values", {{"label_values", "7"}}},
          {"--resize", {{"resize", "32x64"}}},
          {"--full-size", {{"full_size", true}}},
          {"--skip-bad", {{"skip_bad", true}}}};
}

TEST_CASE("every pair of options of train means something or is refused", "[apps]") {
  CHECK(pairs_of(folder_program(), folder_choices(), folder_rules()) > 1500);
  CHECK(pairs_of(brats_program(), brats_choices(), {}) > 900);
  CHECK(pairs_of(isles_program(), isles_choices(), isles_rules()) > 900);
  CHECK(pairs_of(cityscapes_program(), cityscapes_choices(), {}) > 600);
}

/// The pairs of `compare`: the options of a task and its own, which its command line or its configuration sets.
int pairs_of_compare(const std::string& task, std::vector<Choice> choices, Rules rules, const std::string& figures,
                     const std::string& hypotheses) {
  const auto shared = shared_choices();
  choices.insert(choices.end(), shared.begin(), shared.end());
  // --fold is refused by itself: compare runs several.
  choices.erase(
      std::remove_if(choices.begin(), choices.end(), [](const Choice& choice) { return choice.name == "--fold"; }),
      choices.end());
  const std::vector<Choice> own{{"ablation", {{"ablation", "rfna"}}},
                                {"test_folds", {{"test_folds", "0"}}},
                                {"repeats", {{"repeats", 2}}},
                                {"baseline", {{"baseline", "fpa"}}},
                                {"paper", {{"paper", true}}},
                                {"paper_figures", {{"paper_figures", figures}}},
                                {"hypotheses", {{"hypotheses", hypotheses}}}};
  choices.insert(choices.end(), own.begin(), own.end());
  rules = with_shared(std::move(rules));
  rules.needs.erase("--fold");
  rules.refused.insert(rules.refused.end(),
                       {{"ablation", "--nets"}, {"ablation", "baseline"}});  // it names the networks
  rules.refused.insert(rules.refused.end(),
                       {{"hypotheses", "--nets"}, {"hypotheses", "ablation"}});  // not the networks that are tested
  auto known = find_recipe(task).defaults;
  known.update(options_to_json(CompareOptions()));
  check_covered(known, choices, {"task", "fold"});
  return walk("compare --task " + task, choices, rules, [&](const Choice& one, const Choice& other) {
    CLI::App app;
    const CompareReader reader(app);
    std::vector<std::string> words{"--task", task};
    const auto all = together(one, other);
    for (const auto& item : all.items()) {
      words.insert(words.end(), {"--set", item.key() + "=" + item.value().dump()});
    }
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(words);
    return complaint_of([&] { static_cast<void>(reader.read()); });
  });
}

TEST_CASE("every pair of options of compare means something or is refused", "[apps]") {
  const TempDir folder;
  const auto figures = (folder / "figures.json").string();
  std::ofstream(figures) << "{}";
  const auto hypotheses = (folder / "hypotheses.json").string();
  std::ofstream(hypotheses) << R"({"hypotheses": [{"id": "H1", "claim": "c", "metric": "FN", "net": "fpa",
                                                   "against": "unet", "direction": "less"}]})";
  CHECK(pairs_of_compare("folder", folder_choices(), folder_rules(), figures, hypotheses) > 1800);
  CHECK(pairs_of_compare("brats", brats_choices(), {}, figures, hypotheses) > 1000);
  CHECK(pairs_of_compare("isles", isles_choices(), isles_rules(), figures, hypotheses) > 1000);
  CHECK(pairs_of_compare("cityscapes", cityscapes_choices(), {}, figures, hypotheses) > 700);
}

/// The pairs of a program whose options are words of the command line alone. `declare` adds them to an app, and gives
/// the command that has them with its rules; `needed` are words without which none of it works.
template <typename Declare>
int pairs_of_words(const std::string& program, const std::vector<Choice>& needed, const std::vector<Choice>& others,
                   const Rules& rules, const Declare& declare) {
  auto choices = needed;
  choices.insert(choices.end(), others.begin(), others.end());
  std::set<std::string> named{"--help", "--version"};
  for (const auto& choice : choices) named.insert(choice.name);
  declare([&](CLI::App&, CLI::App& command, const std::vector<OptionRule>&, const std::vector<std::string>&) {
    for (const auto* option : command.get_options()) {
      INFO(program << ": the option " << option->get_name() << " is in no table of this file: go through its pairs");
      REQUIRE(named.count(option->get_name()) > 0);
    }
  });
  return walk(program, choices, rules, [&](const Choice& one, const Choice& other) {
    std::string why;
    declare([&](CLI::App& app, CLI::App& command, const std::vector<OptionRule>& own, std::vector<std::string> words) {
      const auto add = [&](const Choice& choice) {
        words.push_back(choice.name);
        for (const auto& word : choice.set) words.push_back(word.get<std::string>());
      };
      for (const auto& each : needed) {
        if (each.name != one.name && each.name != other.name) add(each);
      }
      add(one);
      add(other);
      std::reverse(words.begin(), words.end());  // as CLI11 takes them
      app.parse(words);
      why = complaint_of([&] { check_option_rules(command, own); });
    });
    if (!why.empty()) CHECK_THAT(why, Contains(one.name) || Contains(other.name));
    return why;
  });
}

TEST_CASE("every pair of options of predict means something or is refused", "[apps]") {
  const auto declare = [](const auto& use) {
    CLI::App app;
    PredictArguments arguments;
    const auto rules = add_predict_options(app, arguments);
    use(app, app, rules, {});
  };
  const auto pairs = pairs_of_words("predict", {{"--weights", {"w.pt"}}, {"--input", {"i"}}, {"--out", {"o"}}},
                                    {{"--net", {"fpa"}},
                                     {"--section", {"ema"}},  // refused of safetensors, when the file is read
                                     {"--key-prefix", {"model."}},
                                     {"--reversed", {"yes"}},
                                     {"--modalities", {"t1", "flair"}},  // for one folder per case
                                     {"--normalise", {"zscore"}},
                                     {"--crop", {"32x32"}},
                                     {"--resize", {"32x32"}},               // for pictures
                                     {"--resample", json::array()},         // for volumes of several files
                                     {"--ignore-affine", json::array()},    // the same
                                     {"--zero-non-finite", json::array()},  // for volumes
                                     {"--threshold", {"0.4"}},              // for binary networks
                                     {"--largest-component", json::array()},
                                     {"--overwrite", json::array()},
                                     {"--no-probability", json::array()},
                                     {"--flip", json::array()},
                                     {"--window", {"64"}},
                                     {"--overlap", {"0.3"}},  // a warning where no plane needs windows
                                     {"--batch", {"2"}},
                                     {"--device", {"cpu"}},
                                     {"--precision", {"bfloat16"}},
                                     {"--layout", {"nhwc"}},
                                     {"--threads", {"1"}}},
                                    {{{"--resample", "--ignore-affine"}}, {}}, declare);
  CHECK(pairs == 26 * 25 / 2);
}

TEST_CASE("every pair of options of evaluate means something or is refused", "[apps]") {
  const auto declare = [](const auto& use) {
    CLI::App app;
    EvaluateArguments arguments;
    const auto rules = add_evaluate_options(app, arguments);
    use(app, app, rules, {});
  };
  const auto pairs = pairs_of_words("evaluate", {{"--pred", {"p"}}, {"--truth", {"t"}}},
                                    {{"--json", {"s.json"}},  // refused where --csv is the same file
                                     {"--csv", {"s.csv"}},
                                     {"--label-values", {"1"}},
                                     {"--pred-label-values", {"1"}},
                                     {"--label-threshold", {"128"}},
                                     {"--mask-channel", {"alpha"}},
                                     {"--predicted-only", json::array()},   // for folders
                                     {"--ignore-affine", json::array()},    // for volumes
                                     {"--zero-non-finite", json::array()},  // the same
                                     {"--class", {"1"}},
                                     {"--nsd-tolerance", {"2"}},
                                     {"--nsd-convention", {"surface-elements"}}},
                                    {{{"--label-threshold", "--label-values"}}, {}}, declare);
  CHECK(pairs == 14 * 13 / 2);
}

TEST_CASE("every pair of options of explain means something or is refused", "[apps]") {
  const auto declare = [](const char* name) {
    return [name](const auto& use) {
      CLI::App app;
      ExplainArguments arguments;
      const auto commands = add_explain_options(app, arguments);
      const bool maps = std::string(name) == "maps";
      use(app, maps ? *commands.maps : *commands.field, maps ? commands.maps_rules : commands.field_rules, {name});
    };
  };
  const std::vector<Choice> of_weights{{"--net", {"fpa"}},
                                       {"--section", {"ema"}},
                                       {"--key-prefix", {"model."}},
                                       {"--reversed", {"yes"}},
                                       {"--threads", {"1"}}};
  auto maps = of_weights, field = of_weights;
  for (const auto& each : std::vector<Choice>{{"--labels", {"l"}},
                                              {"--label-values", {"1"}},
                                              {"--label-threshold", {"128"}},
                                              {"--mask-channel", {"alpha"}},
                                              {"--slice", {"1"}},
                                              {"--slices", {"2"}},
                                              {"--show-channel", {"1"}},
                                              {"--batch", {"2"}}}) {
    maps.push_back(each);
  }
  for (const auto& each : std::vector<Choice>{{"--nets", {"unet"}},
                                              {"--weights", {"w.pt"}},
                                              {"--in-channels", {"2"}},
                                              {"--width", {"4"}},
                                              {"--size", {"64"}},
                                              {"--samples", {"2"}},
                                              {"--seed", {"1"}}}) {
    field.push_back(each);
  }
  const auto pairs_of_maps = pairs_of_words(
      "explain maps", {{"--weights", {"w.pt"}}, {"--input", {"i"}}, {"--out", {"o"}}}, maps,
      {{{"--slice", "--slices"}, {"--label-threshold", "--label-values"}},
       {{"--label-values", "--labels"}, {"--label-threshold", "--labels"}, {"--mask-channel", "--labels"}}},
      declare("maps"));
  CHECK(pairs_of_maps == 16 * 15 / 2);
  const auto pairs_of_field = pairs_of_words("explain receptive-field", {{"--out", {"o"}}}, field,
                                             {{},
                                              {{"--in-channels", "--nets"},
                                               {"--width", "--nets"},
                                               {"--net", "--weights"},
                                               {"--section", "--weights"},
                                               {"--key-prefix", "--weights"},
                                               {"--reversed", "--weights"}}},
                                             declare("receptive-field"));
  CHECK(pairs_of_field == 13 * 12 / 2);
}

/// Every number among `options`, as an object that sets it to -1.
std::vector<json> with_negatives(const json& options) {
  std::vector<json> all;
  for (const auto& [key, value] : options.items()) {
    if (value.is_number()) all.push_back({{key, -1}});
    if (!value.is_object()) continue;
    for (const auto& inner : with_negatives(value)) all.push_back({{key, inner}});
  }
  return all;
}

template <typename Data>
void refuses_negatives(const TrainingProgram<Data>& program, const std::set<std::string>& meaningful) {
  const auto defaults = options_to_json(program.defaults);
  for (const auto& set : with_negatives(defaults)) {
    const auto key = set.items().begin().key();
    if (meaningful.count(key) > 0 || key == "threads") continue;  // threads: refused where they are set, in main
    TrainingOptions<Data> options = program.defaults;
    json all{{"data", "there"}, {"out", "run"}, {"nets", {"unet"}}};
    all.merge_patch(set);  // a number that the loss or the schedule does not read is refused for that
    INFO(program.name << ": " << set);
    const auto why = complaint_of([&] {
      options_from_json(all, options, "the test");
      program.check(options);
      check_experiment(options);
    });
    CHECK_FALSE(why.empty());
  }
}

TEST_CASE("numbers below zero are refused in every option of train", "[apps]") {
  refuses_negatives(folder_program(), {});
  refuses_negatives(brats_program(), {});
  refuses_negatives(isles_program(), {"show_channel"});  // -1: the channel that shows lesions best
  refuses_negatives(cityscapes_program(), {});
}

TEST_CASE("numbers below zero are refused in every option of predict, evaluate and explain", "[apps]") {
  const auto refused = [](CLI::App& app, std::vector<std::string> words) {
    INFO(joined(words, " "));
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    CHECK_THROWS_AS(app.parse(words), CLI::ParseError);
  };
  for (const char* option : {"--threshold", "--window", "--overlap", "--batch", "--threads"}) {
    CLI::App app;
    PredictArguments arguments;
    add_predict_options(app, arguments);
    refused(app, {"--weights", "w", "--input", "i", "--out", "o", option, "-1"});
  }
  for (const char* option : {"--class", "--nsd-tolerance"}) {
    CLI::App app;
    EvaluateArguments arguments;
    add_evaluate_options(app, arguments);
    refused(app, {"--pred", "p", "--truth", "t", option, "-1"});
  }
  for (const char* option : {"--slice", "--slices", "--show-channel", "--batch", "--threads"}) {
    CLI::App app;
    ExplainArguments arguments;
    add_explain_options(app, arguments);
    refused(app, {"maps", "--weights", "w", "--input", "i", "--out", "o", option, "-1"});
  }
  for (const char* option : {"--in-channels", "--width", "--size", "--samples", "--seed", "--threads"}) {
    CLI::App app;
    ExplainArguments arguments;
    add_explain_options(app, arguments);
    refused(app, {"receptive-field", "--out", "o", option, "-1"});
  }
}

TEST_CASE("loss options that the loss does not read are refused, each by name", "[apps]") {
  const json other{{"smooth", 0.5},        {"per_class", true},  {"include_background", true}, {"per_image", true},
                   {"squared_pred", true}, {"jaccard", true},    {"dice_weight", 0.5},         {"bce_weight", 0.5},
                   {"focal_gamma", 1},     {"focal_alpha", 0.5}, {"tversky_alpha", 0.5},       {"tversky_beta", 0.5}};
  const std::map<std::string, std::size_t> read{{"dice", 6}, {"bce", 0}, {"dice_bce", 8}, {"focal", 2}, {"tversky", 6}};
  const auto defaults = options_to_json(SegmentationLossOptions());
  for (const auto& [loss, count] : read) {
    std::size_t accepted = 0;
    for (const auto& item : defaults.items()) {
      INFO(loss << " " << item.key());
      REQUIRE(other.contains(item.key()));
      auto value = other.at(item.key());
      if (value == item.value()) value = !value.get<bool>();
      ExperimentOptions options;
      options.out = "run", options.loss = loss;
      options_from_json({{item.key(), value}}, options.loss_options, "the test");
      const auto why = complaint_of([&] { check_experiment(options); });
      if (why.empty()) ++accepted;
      if (!why.empty()) CHECK_THAT(why, Contains("loss_options." + item.key()) && Contains(loss) && Contains("--loss"));
    }
    CHECK(accepted == count);
  }
}

struct Refused {
  std::vector<std::string> words;  ///< of the command line
  std::string one, other;          ///< what the message must name
};

void refuses(const std::string& program, const std::vector<Refused>& pairs) {
  for (const auto& [words, one, other] : pairs) {
    const auto end = test::run_program_with(test::program_named(program), words);
    INFO(program << ": " << one << " and " << other << ": " << end.err);
    CHECK(end.code == 2);
    CHECK_THAT(end.err, Contains(one) && Contains(other));
  }
}

TEST_CASE("explain and predict refuse options that others make meaningless", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  const std::vector<std::string> maps{"maps", "--weights", "w.pt", "--input", "x.nii", "--out", "o"};
  const auto with = [](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const std::vector<std::string> field{"receptive-field", "--out", "o"};
  refuses("explain", {{with(maps, {"--slice", "1", "--slices", "2"}), "--slice", "--slices"},
                      {with(maps, {"--label-values", "1"}), "--label-values", "--labels"},
                      {with(maps, {"--slice", "-2"}), "--slice", "-2"},
                      {with(field, {"--width", "4"}), "--width", "--nets"},
                      {with(field, {"--in-channels", "2"}), "--in-channels", "--nets"},
                      {with(field, {"--reversed", "yes"}), "--reversed", "--weights"},
                      {with(field, {"--section", "ema"}), "--section", "--weights"}});
  refuses("predict",
          {{{"--weights", "w.pt", "--input", "x.nii", "y.nii", "--out", "o", "--resample", "--ignore-affine"},
            "--resample",
            "--ignore-affine"}});
}

TEST_CASE("compare and evaluate refuse options that others make meaningless", "[apps]") {
  PAM_SKIP_WITHOUT("compare");
  const std::vector<std::string> base{"--task", "folder", "--data", "there", "--nets", "unet", "--out", "nowhere"};
  const auto with = [&](const std::vector<std::string>& more) {
    auto words = base;
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  refuses("compare", {{with({"--resume", "--overwrite"}), "--resume", "--overwrite"},
                      {with({"--allow-changes"}), "--allow-changes", "--resume"},
                      {with({"--folds", "1"}), "--folds 1", "0 to 0"},
                      {with({"--set", "fold=1"}), "fold is 1", "--folds"},
                      {with({"--set", "loss=bce", "--set", "loss_options.jaccard=true"}), "jaccard", "bce"}});
  refuses("evaluate", {{{"--pred", "p", "--truth", "t", "--json", "s", "--csv", "./s"}, "--json", "--csv"},
                       {{"--pred", "p", "--truth", "t", "--json", "s.nii.gz"}, "--json", "mask"}});
}

/// A folder of two volumes or pictures with masks.
void write_cases(const TempDir& folder, bool volumes, const std::vector<std::string>& names) {
  for (const char* place : {"images", "labels"}) std::filesystem::create_directories(folder / place);
  const auto image = (torch::arange(2 * 24 * 24) % 251).view({2, 24, 24}).to(torch::kByte);
  auto labels = torch::zeros({2, 24, 24}, torch::kByte);
  labels.narrow(1, 4, 6).narrow(2, 5, 6).fill_(1);
  for (const auto& name : names) {
    if (volumes) {
      write_nifti(folder / "images" / (name + ".nii.gz"), image, NiftiGeometry());
      write_nifti(folder / "labels" / (name + ".nii.gz"), labels, NiftiGeometry());
    } else {
      write_image(folder / "images" / (name + ".png"), image[0].unsqueeze(0));
      write_label_image(folder / "labels" / (name + ".png"), labels[0]);
    }
  }
}

TEST_CASE("train refuses options of pictures for volumes, and those of volumes for pictures", "[apps]") {
  for (const bool volumes : {true, false}) {
    const TempDir folder;
    write_cases(folder, volumes, {"a", "b", "c", "d"});
    const std::vector<Choice> of_volumes{{"--slices", {{"slices", "all"}}},
                                         {"--resample", {{"resample", true}}},
                                         {"--ignore-affine", {{"ignore_affine", true}}},
                                         {"--zero-non-finite", {{"zero_non_finite", true}}}},
        of_pictures{{"--channels", {{"channels", 1}}}, {"--resize", {{"resize", "16x16"}}}};
    const auto why = [&](const json& set) {
      auto options = folder_program().defaults;
      options.data = folder.path().string();
      options_from_json(set, options, "the test");
      return complaint_of([&] {
        check_folder_options(options);
        static_cast<void>(folder_task(options, 0));
      });
    };
    for (const auto& each : volumes ? of_pictures : of_volumes)
      CHECK_THAT(why(each.set), Contains(each.name + ": is for"));
    for (const auto& each : volumes ? of_volumes : of_pictures) CHECK(why(each.set).empty());
    for (const char* option : {"per_class", "include_background"}) {  // only several classes have them
      TrainingOptions<FolderData> binary = folder_program().defaults;
      binary.data = folder.path().string();
      binary.out = (folder / "run").string();
      binary.nets = {"unet"};
      auto value = options_to_json(binary.loss_options).at(option);
      options_from_json({{option, !value.get<bool>()}}, binary.loss_options, "the test");
      CHECK_THAT(complaint_of([&] { check_trainable(folder_task(binary, 0), binary); }),
                 Contains("loss_options." + std::string(option)) && Contains("binary"));
    }
    CHECK_THAT(why({{"modalities", {"t1"}}}), Contains("FolderOptions::modalities"));
    CHECK_THAT(why({{"show_channel", 1}}), Contains("show_channel 1"));
  }
}

TEST_CASE("train takes a fold of nnU-Net's splits_final.json, and refuses one that is not there", "[apps]") {
  const TempDir folder;
  write_cases(folder, /*volumes=*/true, {"a", "b", "c", "d"});
  std::ofstream(folder / "splits_final.json")
      << R"([{"train": ["a", "b", "c"], "val": ["d"]}, {"train": ["b", "c", "d"], "val": ["a"]}])";
  std::ofstream(folder / "one.json") << R"({"train": ["a", "b"], "test": ["c"]})";
  const auto task_of = [&](const std::string& file, std::int64_t fold) {
    auto options = folder_program().defaults;
    options.data = folder.path().string();
    options.split = (folder / file).string();
    options.fold = fold;
    check_folder_options(options);
    return folder_task(options, 0);
  };
  CHECK(task_of("splits_final.json", 0).test->names() == std::vector<std::string>{"d"});
  CHECK(task_of("splits_final.json", 1).test->names() == std::vector<std::string>{"a"});
  REQUIRE_THROWS_WITH(task_of("splits_final.json", 2), Contains("--fold 2") && Contains("0 to 1"));
  REQUIRE_THROWS_WITH(task_of("splits_final.json", -1), Contains("--fold -1"));
  REQUIRE_THROWS_WITH(task_of("one.json", 1), Contains("--fold 1") && Contains("no folds"));
}

TEST_CASE("every program prints its version", "[apps]") {
  PAM_SKIP_WITHOUT("train");
  for (const char* program : {"train", "compare", "evaluate", "predict", "explain"}) {
    const auto end = test::run_program_with(test::program_named(program), {"--version"});
    INFO(program << end.err);
    CHECK(end.code == 0);
    CHECK_THAT(end.out, Contains(program) && Contains("pam 0."));
  }
}

}  // namespace apps_option_pairs_test

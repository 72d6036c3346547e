// SPDX-License-Identifier: MIT
/// Every pair of options of every program: it means something, or it is refused. No option is ignored in silence.
///
/// For `train`, every pair is tried in this process (`pairs_of`): what the table below does not name must be accepted,
/// what it names must be refused with both names. An option that is in no table fails the test, so that nobody adds one
/// without going through its pairs. What depends on the data (options of pictures for volumes, options for one folder
/// per case in another layout) is tested with data: here for `train`, in predict.test.cpp and evaluate.test.cpp for
/// those.
#include <pam/core/options_json.hpp>
#include <pam/images/image.hpp>
#include <pam/images/image_labels.hpp>
#include <pam/images/nifti.hpp>

#include "apps/program_runs.hpp"
#include "support/bytes.hpp"

#include "engine/experiment_options.hpp"
#include "tasks/brats_task.hpp"
#include "tasks/cityscapes_task.hpp"
#include "tasks/folder_task.hpp"
#include "tasks/isles_task.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace apps_option_pairs_test {
using namespace pam;
using namespace pam::apps;
using Catch::Contains;
using nlohmann::json;
using test::message_of;
using test::TempDir;

/// An option with a value other than its default.
struct Choice {
  std::string name;  ///< as it is typed
  json set;          ///< what it sets
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

/// Tries every pair; returns how many there are.
template <typename Data>
int pairs_of(const TrainingProgram<Data>& program, std::vector<Choice> choices, Rules rules) {
  const auto shared = shared_choices();
  choices.insert(choices.end(), shared.begin(), shared.end());
  rules = with_shared(std::move(rules));
  const auto known = options_to_json(program.defaults);
  std::set<std::string> covered{"task"};
  for (const auto& choice : choices) {
    for (const auto& item : choice.set.items()) covered.insert(item.key());
  }
  for (const auto& item : known.items()) {
    INFO("the option " << item.key() << " is in no table of this file: go through its pairs");
    REQUIRE(covered.count(item.key()) > 0);
  }
  int pairs = 0;
  for (auto one = choices.begin(); one != choices.end(); ++one) {
    for (auto other = std::next(one); other != choices.end(); ++other) {
      if (one->set == other->set ||
          one->name.substr(0, one->name.find(' ')) == other->name.substr(0, other->name.find(' ')))
        continue;  // two values of one option
      TrainingOptions<Data> options = program.defaults;
      json all{{"out", "run"}};
      all.merge_patch(one->set);
      all.merge_patch(other->set);
      if (!all.contains("data") && !all.contains("images")) all["data"] = "there";
      options_from_json(all, options, "the test");
      const auto why = message_of<Error>([&] {
        program.check(options);
        check_experiment(options);
      });
      INFO(program.name << ": " << one->name << " with " << other->name << ": " << why);
      REQUIRE(why.empty() == !is_refused(rules, one->name, other->name));
      ++pairs;
    }
  }
  return pairs;
}

TEST_CASE("every pair of options of train --task folder means something or is refused", "[apps]") {
  const auto pairs = pairs_of(folder_program(),
                              {{"title", {{"title", "mine"}}},
                               {"--data", {{"data", "there"}}},
                               {"--images", {{"images", "i"}, {"labels", "l"}}},
                               {"--labels", {{"labels", "l"}}},
                               {"--modalities", {{"modalities", {"t1"}}}},
                               {"--label-name", {{"label_name", "mask"}}},
                               {"--label-values", {{"label_values", "1"}}},
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
                               {"show_channel", {{"show_channel", 1}}}},
                              {{{"--data", "--images"},
                                {"--images", "--modalities"},
                                {"--images", "--label-name"},
                                {"--folds", "--test-share"},
                                {"--split hemispheres", "--test-share"},
                                {"--split hemispheres", "--validation-share"},
                                {"--split hemispheres", "--folds"},
                                {"--split folders", "--test-share"},
                                {"--split folders", "--validation-share"},
                                {"--split folders", "--folds"}},
                               {{"--labels", "--images"},
                                {"--fold", "--folds"},
                                {"--score", "--split hemispheres"},
                                {"--strict-labels", "--label-values"}}});
  CHECK(pairs > 1500);
}

TEST_CASE("every pair of options of train --task brats, isles and cityscapes means something or is refused", "[apps]") {
  const std::vector<Choice> volumes{{"--data", {{"data", "there"}}},
                                    {"--label-values", {{"label_values", "2"}}},
                                    {"--crop", {{"crop", "32x32"}}},
                                    {"--validation-share", {{"validation_share", 0.2}}},
                                    {"--folds", {{"folds", 3}}},
                                    {"--fold", {{"fold", 1}}},
                                    {"--slices", {{"slices", "all"}}},
                                    {"--skip-bad", {{"skip_bad", true}}},
                                    {"--zero-non-finite", {{"zero_non_finite", true}}},
                                    {"show_channel", {{"show_channel", 1}}}};
  auto brats = volumes, isles = volumes;
  brats.push_back({"--modalities", {{"modalities", {"t1", "flair"}}}});
  brats.push_back({"--grades", {{"grades", "table.csv"}}});
  isles.push_back({"--test-share", {{"test_share", 0.3}}});
  CHECK(pairs_of(brats_program(), brats, {}) > 900);
  CHECK(pairs_of(isles_program(), isles, {{{"--folds", "--test-share"}}, {{"--fold", "--folds"}}}) > 900);
  CHECK(pairs_of(cityscapes_program(),
                 {{"--data", {{"data", "there"}}},
                  {"--val-city", {{"val_city", "none"}}},
                  {"--label-values", {{"label_values", "7"}}},
                  {"--resize", {{"resize", "32x64"}}},
                  {"--full-size", {{"full_size", true}}},
                  {"--skip-bad", {{"skip_bad", true}}}},
                 {}) > 600);
}

TEST_CASE("loss options that the loss does not read are refused, each by name", "[apps]") {
  const json other{{"smooth", 0.5},        {"per_class", true},  {"include_background", true}, {"per_image", true},
                   {"squared_pred", true}, {"jaccard", true},    {"dice_weight", 0.5},         {"bce_weight", 0.5},
                   {"focal_gamma", 1},     {"focal_alpha", 0.5}, {"tversky_alpha", 0.5},       {"tversky_beta", 0.5}};
  const std::map<std::string, std::size_t> read{{"dice", 6}, {"bce", 0}, {"dice_bce", 8}, {"focal", 2}, {"tversky", 6}};
  for (const auto& [loss, count] : read) {
    std::size_t accepted = 0;
    for (const auto& item : options_to_json(SegmentationLossOptions()).items()) {
      INFO(loss << " " << item.key());
      REQUIRE(other.contains(item.key()));
      auto value = other.at(item.key());
      if (value == item.value()) value = !value.get<bool>();
      ExperimentOptions options;
      options.out = "run", options.loss = loss;
      options_from_json({{item.key(), value}}, options.loss_options, "the test");
      const auto why = message_of<Error>([&] { check_experiment(options); });
      if (why.empty()) ++accepted;
      if (!why.empty()) CHECK_THAT(why, Contains("loss_options." + item.key()) && Contains(loss) && Contains("--loss"));
    }
    CHECK(accepted == count);
  }
}

/// The options that `--help` of a program lists.
std::set<std::string> options_of(const std::string& program, const std::vector<std::string>& command = {}) {
  auto words = command;
  words.emplace_back("--help");
  const auto help = test::run_program_with(test::program_named(program), words).out;
  const std::regex line("(?:^|\n) +(?:-[a-z],)?(--[a-z-]+)");
  std::set<std::string> names;
  for (std::sregex_iterator at(help.begin(), help.end(), line); at != std::sregex_iterator(); ++at) {
    names.insert((*at)[1].str());
  }
  return names;
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

TEST_CASE("explain refuses options that others make meaningless; its other pairs mean something", "[apps]") {
  PAM_SKIP_WITHOUT("explain");
  for (const char* option : {"--slice", "--slices", "--label-values", "--show-channel", "--batch", "--version"}) {
    CHECK(options_of("explain", {"maps"}).count(option) + options_of("explain").count(option) > 0);
  }
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
                      {with(field, {"--reversed", "yes"}), "--reversed", "--weights"}});
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
      return message_of<Error>([&] {
        check_folder_options(options);
        static_cast<void>(folder_task(options, 0));
      });
    };
    for (const auto& each : volumes ? of_pictures : of_volumes)
      CHECK_THAT(why(each.set), Contains(each.name + ": is for"));
    for (const auto& each : volumes ? of_volumes : of_pictures) CHECK(why(each.set).empty());
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

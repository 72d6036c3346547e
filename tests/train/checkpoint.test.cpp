// SPDX-License-Identifier: MIT
/// A run that is stopped and resumed ends where an uninterrupted one ends, bit for bit; what does not fit is refused.
#include <pam/train/checkpoint.hpp>

#include <pam/train/detail/optimizer_state.hpp>
#include <pam/weights/safetensors.hpp>

#include "support/catch.hpp"
#include "support/file_size_limit.hpp"
#include "support/files.hpp"
#include "train/fake_training.hpp"

#include <atomic>
#include <fstream>
#include <iterator>

#include <sys/wait.h>
#include <unistd.h>

namespace train_checkpoint_test {

using namespace pam;
using namespace pam::test;
using Catch::Matchers::Contains;

/// Everything at once: accumulation with a short last group, warm-up, cosine, clipping, validation, momentum of AdamW.
FitOptions full_options(const std::filesystem::path& directory) {
  FitOptions options;
  options.epochs = 3;
  options.accumulate = 2;
  options.clip_norm = 0.5;
  options.schedule.kind = ScheduleKind::Cosine;
  options.schedule.warm_up = 4;
  options.seed = 11;
  options.directory = directory;
  options.resume = true;
  return options;
}

struct Outcome {
  FitResult result;
  StateDict weights;
  std::vector<double> epoch_losses, epoch_rates;
};

/// Trains a new net; `at_step(step)` is called after each step and may raise `stop`.
Outcome train(FitOptions options, const std::function<void(std::int64_t)>& at_step = {}, std::uint64_t net_seed = 1,
              bool drops = true) {
  auto net = fake_net(net_seed);
  if (!drops) net->drop->options.p(0);
  FakeLoader loader(5);
  auto optimizer = make_adamw(net);
  options.validate = [&](std::int64_t) {
    return -fake_loss(net(torch::ones({1, 2, 6, 6})), torch::ones({1, 6, 6})).item<double>();
  };
  Outcome outcome;
  outcome.result = fit(net, loader, fake_loss, optimizer, options, [&](const Event& event) {
    if (const auto* step = std::get_if<StepEnd>(&event); step && at_step) at_step(step->step);
    if (const auto* end = std::get_if<EpochEnd>(&event)) {
      outcome.epoch_losses.push_back(end->loss);
      outcome.epoch_rates.push_back(end->learning_rate);
    }
  });
  outcome.weights = copy_of_weights(net);
  return outcome;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A function, so that a failure does not print the files.
bool same_bytes(const std::string& a, const std::string& b) { return a == b; }

TEST_CASE("a resumed run ends with the weights of the unbroken run, bit for bit", "[train]") {
  TempDir folder;
  const auto unbroken = train(full_options(folder / "unbroken"));
  REQUIRE(unbroken.result.steps == 9);
  const std::int64_t stop_at = GENERATE(1, 3, 4, 6, 8, 9);  // 3, 6, 9: at the end of an epoch, before it is closed
  CAPTURE(stop_at);
  std::atomic<bool> stop{false};
  auto options = full_options(folder / "broken");
  options.stop = &stop;
  const auto first = train(options, [&](std::int64_t step) { stop = step == stop_at; });
  REQUIRE(first.result.reason == StopReason::StopRequested);
  REQUIRE(first.result.steps == stop_at);
  stop = false;
  const auto second = train(options, {}, /*net_seed=*/99);  // its own weights must not matter
  CHECK(second.result.resumed);
  CHECK(second.result.reason == StopReason::Completed);
  CHECK(first_difference(second.weights, unbroken.weights) == "");
  CHECK(second.result.loss == unbroken.result.loss);
  CHECK(second.result.best_score == unbroken.result.best_score);
  CHECK(second.result.best_epoch == unbroken.result.best_epoch);
  auto losses = first.epoch_losses;
  losses.insert(losses.end(), second.epoch_losses.begin(), second.epoch_losses.end());
  CHECK(losses == unbroken.epoch_losses);
  auto rates = first.epoch_rates;
  rates.insert(rates.end(), second.epoch_rates.begin(), second.epoch_rates.end());
  CHECK(rates == unbroken.epoch_rates);
  for (const auto* file : {"last.safetensors", "best.safetensors"}) {
    CHECK(same_bytes(bytes_of(folder / "broken" / file), bytes_of(folder / "unbroken" / file)));
  }
  const auto third = train(options);  // it is over: the same answer, and nothing is trained
  CHECK(third.result.loss == unbroken.result.loss);
  CHECK(third.epoch_losses.empty());
  CHECK(first_difference(third.weights, unbroken.weights) == "");
}

TEST_CASE("SGD with momentum and Adam resume bit for bit too", "[train]") {
  const bool adam = GENERATE(false, true);
  const auto run = [&](const std::filesystem::path& directory, std::int64_t stop_at) {
    auto net = fake_net();
    FakeLoader loader(4);
    std::unique_ptr<torch::optim::Optimizer> optimizer;
    if (adam) {
      optimizer =
          std::make_unique<torch::optim::Adam>(net->parameters(), torch::optim::AdamOptions(1e-2).amsgrad(true));
    } else {
      optimizer = std::make_unique<torch::optim::SGD>(net->parameters(), torch::optim::SGDOptions(1e-2).momentum(0.9));
    }
    FitOptions options;
    options.epochs = 2;
    options.directory = directory;
    options.resume = true;
    std::atomic<bool> stop{false};
    options.stop = &stop;
    fit(net, loader, fake_loss, *optimizer, options, [&](const Event& event) {
      if (const auto* step = std::get_if<StepEnd>(&event)) stop = step->step == stop_at;
    });
    return copy_of_weights(net);
  };
  TempDir folder;
  const auto unbroken = run(folder / "a", -1);
  run(folder / "b", 3);
  CHECK(first_difference(run(folder / "b", -1), unbroken) == "");
}

TEST_CASE("a new run in a directory that holds one is refused unless asked for", "[train]") {
  TempDir folder;
  auto options = full_options(folder.path());
  const auto first = train(options);
  options.resume = false;
  CHECK_THAT(error_of([&] { train(options); }),
             Contains(folder.path().string()) && Contains("holds a training already"));
  options.overwrite = true;
  options.seed = 12;
  std::atomic<bool> stop{true};
  options.stop = &stop;
  options.loss_scale = 1000;  // found out before anything of the old run is touched
  CHECK_THAT(error_of([&] { train(options); }), Contains("powers of two"));
  CHECK(std::filesystem::exists(folder / "best.safetensors"));
  options.loss_scale = 0;
  train(options);
  CHECK_FALSE(std::filesystem::exists(folder / "best.safetensors"));  // the old run's would be mistaken for this one's
}

TEST_CASE("resuming with another optimizer's options is refused unless asked for, and with AMSGrad always", "[train]") {
  TempDir folder;
  FitOptions options;
  options.directory = folder.path();
  options.resume = true;
  const auto run = [&](const std::function<void(torch::optim::AdamWOptions&)>& change) {
    return error_of([&] {
      auto net = fake_net();
      FakeLoader loader(1);
      torch::optim::AdamWOptions how(1e-3);
      change(how);
      torch::optim::AdamW optimizer(net->parameters(), how);
      fit(net, loader, fake_loss, optimizer, options);
      ++options.epochs;
    });
  };
  REQUIRE(run([](auto&) {}) == "no error");
  options.allow_changes = true;
  REQUIRE(run([](auto& how) { how.weight_decay(0.5); }) == "no error");
  CHECK_THAT(run([](auto& how) { how.weight_decay(0.5).amsgrad(true); }), Contains("max_exp_avg_sq"));
  options.allow_changes = false;
  --options.epochs;
  CHECK_THAT(run([](auto& how) { how.weight_decay(0.25); }),
             Contains("optimizer_options") && Contains("0.5") && Contains("0.25"));
}

TEST_CASE("resuming with other settings is refused with all of them named", "[train]") {
  TempDir folder;
  std::atomic<bool> stop{true};
  auto options = full_options(folder.path());
  options.stop = &stop;
  train(options);
  stop = false;
  auto other = options;
  other.epochs = 4;
  other.schedule.warm_up = 0;
  CHECK_THAT(error_of([&] { train(other); }), Contains("last.state.safetensors") && Contains("epochs: 3") &&
                                                  Contains("now 4") && Contains("schedule") &&
                                                  Contains("allow_changes"));
  other.allow_changes = true;
  CHECK(train(other).result.epochs == 4);
  other.epochs = 5;  // a finished run continues
  CHECK(train(other).result.epochs == 5);
  other.seed = 12;  // would give other batches than those that were skipped
  CHECK_THAT(error_of([&] { train(other); }), Contains("seed: 11") && Contains("another directory"));
}

TEST_CASE("a checkpoint of another net or optimizer is refused with parameter and shapes", "[train]") {
  TempDir folder;
  std::atomic<bool> stop{true};
  auto options = full_options(folder.path());
  options.stop = &stop;
  train(options);
  const auto before = bytes_of(folder / "last.state.safetensors");
  const auto resume_with = [&](FakeNet net) {
    const auto untouched = copy_of_weights(net);
    FakeLoader loader(5);
    auto optimizer = make_adamw(net);
    const auto message = error_of([&] { fit(net, loader, fake_loss, optimizer, options); });
    CHECK(first_difference(copy_of_weights(net), untouched) == "");
    return message;
  };
  CHECK_THAT(resume_with(fake_net(1, 8)), Contains("'first.weight' has shape [4, 2, 3, 3] in the checkpoint") &&
                                              Contains("[8, 2, 3, 3]") && Contains("last.state.safetensors"));
  CHECK_THAT(resume_with(fake_net(1, 4, 1, true)), Contains("it has no 'middle.weight'") && Contains("[4, 4, 1, 1]"));
  auto net = fake_net();
  FakeLoader loader(5);
  torch::optim::SGD sgd(net->parameters(), torch::optim::SGDOptions(1e-3));
  CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, sgd, options); }),
             Contains("optimizer: \"AdamW\" in the checkpoint, now \"SGD\""));
  CHECK(same_bytes(bytes_of(folder / "last.state.safetensors"), before));

  TempDir deeper;
  options.directory = deeper.path();
  auto deep = fake_net(1, 4, 1, true);
  auto optimizer = make_adamw(deep);
  fit(deep, loader, fake_loss, optimizer, options);
  CHECK_THAT(resume_with(fake_net()),
             Contains("it has 'middle.weight' (shape [4, 4, 1, 1])") && Contains("another depth"));
}

TEST_CASE("optimizer state of another shape is refused before anything changes", "[train]") {
  auto net = fake_net();
  const StateDict parameters{{"first.weight", net->first->weight}, {"first.bias", net->first->bias}};
  torch::optim::AdamW optimizer({net->first->weight, net->first->bias}, torch::optim::AdamWOptions());
  const StateDict state{{"first.weight.step", torch::scalar_tensor(3, torch::kInt64)},
                        {"first.weight.exp_avg", torch::zeros({4, 2, 3, 3})},
                        {"first.weight.exp_avg_sq", torch::zeros({8, 2, 3, 3})}};
  CHECK_THAT(
      error_of([&] { restore_optimizer_state(optimizer, parameters, state, "f"); }),
      Contains("exp_avg_sq") && Contains("'first.weight'") && Contains("[8, 2, 3, 3]") && Contains("[4, 2, 3, 3]"));
  CHECK(optimizer.state().empty());
  CHECK_THAT(error_of([&] {
               restore_optimizer_state(optimizer, parameters, {{"x.exp_avg", torch::ones(1)}}, "f");
             }),
             Contains("'x.exp_avg'") && Contains("belongs to no parameter"));
  CHECK_THAT(error_of([&] {
               restore_optimizer_state(optimizer, parameters, {state[0], state[1]}, "f");
             }),
             Contains("'first.weight' lacks exp_avg_sq"));
}

TEST_CASE("optimizer state by name has AdamW's first moments after one step", "[train]") {
  auto net = fake_net();
  auto optimizer = make_adamw(net);
  for (auto& parameter : net->parameters()) parameter.mutable_grad() = torch::full_like(parameter, 2.0);
  net->head->bias.mutable_grad() = torch::Tensor();
  optimizer.step();
  StateDict parameters;
  for (const auto& item : net->named_parameters()) parameters.emplace_back(item.key(), item.value());
  const auto state = optimizer_state(optimizer, parameters);
  CHECK(find_tensor(state, "first.weight.step").item<std::int64_t>() == 1);
  CHECK(find_tensor(state, "first.weight.exp_avg")[0][0][0][0].item<double>() == Approx(0.1 * 2));  // (1 - beta1) g
  CHECK(find_tensor(state, "first.weight.exp_avg_sq")[0][0][0][0].item<double>() ==
        Approx(0.001 * 4));  // (1 - beta2) g²
  CHECK_FALSE(find_tensor(state, "head.bias.exp_avg").defined());
  CHECK_FALSE(find_tensor(state, "first.weight.max_exp_avg_sq").defined());
}

TEST_CASE("a damaged training state is an error that names the file", "[train]") {
  TempDir folder;
  std::atomic<bool> stop{true};
  auto options = full_options(folder.path());
  options.stop = &stop;
  train(options);
  const auto path = folder / "last.state.safetensors";
  const auto good = read_safetensors(path);
  const auto resumed_with = [&](const std::function<void(SafetensorsFile&)>& change) {
    auto file = good;
    change(file);
    write_safetensors(path, file.tensors, file.metadata);
    return error_of([&] { train(options); });
  };
  const auto with_progress = [&](const char* field, const nlohmann::json& value) {
    return resumed_with([&](SafetensorsFile& file) {
      auto training = nlohmann::json::parse(file.metadata["pam.training"]);
      if (value.is_discarded()) training["progress"].erase(field);
      if (!value.is_discarded()) training["progress"][field] = value;
      file.metadata["pam.training"] = training.dump();
    });
  };
  CHECK_THAT(resumed_with([](auto& file) { file.metadata.erase("pam.training"); }),
             Contains(path.string()) && Contains("no training state"));
  CHECK_THAT(resumed_with([](auto& file) { file.metadata["pam.training"] = "{"; }), Contains("damaged"));
  CHECK_THAT(
      resumed_with([](auto& file) { file.metadata["pam.training"] = R"({"version":9,"progress":{},"settings":{}})"; }),
      Contains("version 9"));
  CHECK_THAT(resumed_with([](auto& file) { file.tensors.pop_back(); }), Contains("generator"));
  CHECK_THAT(resumed_with([](auto& file) { file.tensors.emplace_back("strange", torch::ones(1)); }),
             Contains("'strange'"));
  CHECK_THAT(with_progress("epoch", -1), Contains("negative"));
  CHECK_THAT(with_progress("epoch", 7), Contains("epoch 8") && Contains("3 epochs"));
  CHECK_THAT(with_progress("batch", 6), Contains("batch 6"));
  CHECK_THAT(with_progress("step", "one"), Contains("progress.step"));
  CHECK_THAT(with_progress("step", nlohmann::json(nlohmann::json::value_t::discarded)), Contains("step is missing"));
  std::ofstream(path, std::ios::trunc) << bytes_of(path).substr(0, 100);
  CHECK_THAT(error_of([&] { train(options); }), Contains(path.string()));
  std::ofstream(path, std::ios::trunc) << "";
  CHECK_THAT(error_of([&] { train(options); }), Contains(path.string()) && Contains("start again (overwrite)"));
}

TEST_CASE("what a killed process left half-written is removed, and nobody else's file", "[train]") {
  const auto dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  TempDir folder;
  const auto put = [&](const std::string& name) {
    std::ofstream(folder / name) << "half";
    return folder / name;
  };
  std::vector<std::filesystem::path> removed, kept;
  for (const char* file : {"last.state.safetensors", "last.safetensors", "best.safetensors"}) {
    removed.push_back(put(fmt::format("{}.{}-7.tmp", file, dead)));
    kept.push_back(put(fmt::format("{}.{}-7.tmp", file, getpid())));
    kept.push_back(put(fmt::format("{}.{}-7.tmp.mine", file, dead)));
  }
  kept.push_back(put(fmt::format("notes.{}-7.tmp", dead)));
  train(full_options(folder.path()));
  for (const auto& path : removed) CHECK_FALSE(std::filesystem::exists(path));
  for (const auto& path : kept) CHECK(std::filesystem::exists(path));
}

TEST_CASE("a run continues in another layout, which changes only rounding", "[train]") {
  TempDir folder;
  // Without dropout, which LibTorch 2.15 draws in the order of the memory.
  const auto train_without_dropout = [](const FitOptions& how, const std::function<void(std::int64_t)>& at_step = {}) {
    return train(how, at_step, 1, /*drops=*/false);
  };
  const auto unbroken = train_without_dropout(full_options(folder / "unbroken"));
  std::atomic<bool> stop{false};
  auto options = full_options(folder / "broken");
  options.stop = &stop;
  options.channels_last = true;
  train_without_dropout(options, [&](std::int64_t step) { stop = step == 4; });
  stop = false;
  options.channels_last = false;
  const auto resumed = train_without_dropout(options);
  REQUIRE(resumed.result.resumed);
  // Some hundred float32 operations in another order, nine steps of 1e-3. A bias before a norm has no gradient but
  // rounding, of which AdamW makes whole steps.
  for (const auto& [name, tensor] : unbroken.weights) {
    if (name == "first.bias" || name == "norm.running_mean") continue;
    CAPTURE(name);
    CHECK(torch::allclose(find_tensor(resumed.weights, name), tensor, 1e-3, 1e-4));
  }
}

TEST_CASE("last.safetensors is written again where a killed process left an older one", "[train]") {
  TempDir folder;
  std::atomic<bool> stop{false};
  auto options = full_options(folder.path());
  options.stop = &stop;
  const auto first = train(options, [&](std::int64_t step) { stop = step == 4; });
  const auto whole = bytes_of(folder / "last.safetensors");
  const bool missing = GENERATE(true, false);
  if (missing) std::filesystem::remove(folder / "last.safetensors");
  if (!missing) write_safetensors(folder / "last.safetensors", {{"older", torch::ones(3)}}, {});
  stop = true;  // at the first step after resuming
  train(options, [&](std::int64_t) {
    CHECK(first_difference(read_safetensors(folder / "last.safetensors").tensors, first.weights) == "");
    CHECK(same_bytes(bytes_of(folder / "last.safetensors"), whole));
  });
}

TEST_CASE("a full disk leaves the old checkpoint, from which the run continues", "[train]") {
  TempDir folder;
  const auto unbroken = train(full_options(folder / "unbroken"));
  auto options = full_options(folder / "full");
  options.save_every_steps = 1;
  std::string state, last;
  std::optional<FileSizeLimit> limit;
  const auto message = error_of([&] {
    train(options, [&](std::int64_t step) {
      if (step != 5) return;
      state = bytes_of(folder / "full" / "last.state.safetensors");
      last = bytes_of(folder / "full" / "last.safetensors");
      limit.emplace(4096);
    });
  });
  limit.reset();
  CHECK_THAT(message, Contains("last.state.safetensors") && Contains("cannot write"));
  CHECK(same_bytes(bytes_of(folder / "full" / "last.state.safetensors"), state));
  CHECK(same_bytes(bytes_of(folder / "full" / "last.safetensors"), last));
  for (const auto& entry : std::filesystem::directory_iterator(folder / "full")) {
    CHECK(entry.path().extension() == ".safetensors");  // no temporary file is left
  }
  CHECK(first_difference(train(options).weights, unbroken.weights) == "");

  const FileSizeLimit from_the_start(4096);
  options.directory = folder / "never";
  std::int64_t steps = 0;
  const auto early = error_of([&] { train(options, [&](std::int64_t) { ++steps; }); });
  CHECK_THAT(early, Contains("never") && Contains("cannot write"));
  CHECK(steps == 0);  // it shows before the first step
}

TEST_CASE("saves by seconds and by steps are made, and epochs can be left out", "[train]") {
  TempDir folder;
  const auto saves = [&](const std::function<void(FitOptions&)>& change) {
    auto net = fake_net();
    FakeLoader loader(4);
    auto optimizer = make_adamw(net);
    FitOptions options;
    options.epochs = 3;
    options.directory = folder.path();
    options.overwrite = true;
    change(options);
    std::int64_t count = 0;
    fit(net, loader, fake_loss, optimizer, options,
        [&](const Event& event) { count += std::holds_alternative<CheckpointSaved>(event); });
    return count;
  };
  CHECK(saves([](auto&) {}) == 3);
  CHECK(saves([](auto& o) { o.save_every_epochs = 2; }) == 2);  // the second and the last
  CHECK(saves([](auto& o) { o.save_every_epochs = 0; }) == 1);
  CHECK(saves([](auto& o) { o.save_every_steps = 3; }) == 4 + 3);
  CHECK(saves([](auto& o) { o.save_every_seconds = 1e-9; }) == 12 + 3);
}

}  // namespace train_checkpoint_test

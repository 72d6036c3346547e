// SPDX-License-Identifier: MIT
#include <pam/train/fit.hpp>

#include <pam/core/options_json.hpp>
#include <pam/weights/safetensors.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/tensor_matchers.hpp"
#include "train/fake_training.hpp"

#include <cmath>

namespace train_fit_test {

using namespace pam;
using namespace pam::test;
using Catch::Matchers::Contains;

FitOptions two_epochs() {
  FitOptions options;
  options.epochs = 2;
  return options;
}

TEST_CASE("fit takes the steps of a loop written out by hand", "[train]") {
  auto options = two_epochs();
  options.schedule.kind = ScheduleKind::Cosine;
  options.seed = 7;
  auto fitted = fake_net(), by_hand = fake_net();
  FakeLoader loader(3);
  auto optimizer = make_adamw(fitted);
  std::vector<double> losses;
  const auto result = fit(fitted, loader, fake_loss, optimizer, options, [&](const Event& event) {
    if (const auto* end = std::get_if<EpochEnd>(&event)) losses.push_back(end->loss);
  });

  SeedScope scope(7);
  FusedAdamW reference(by_hand->parameters(), torch::optim::AdamWOptions(1e-3).weight_decay(1e-5));
  std::vector<double> expected_losses;
  for (std::int64_t step = 0; step < 6; ++step) {
    if (step % 3 == 0) {
      loader.start_epoch(step / 3);
      expected_losses.push_back(0);
    }
    const auto batch = *loader.next();
    reference.zero_grad();
    const auto loss = fake_loss(by_hand(batch.images), batch.labels);
    loss.backward();
    const double rate = 1e-3 * (1 + std::cos(M_PI * static_cast<double>(step) / 6)) / 2;
    static_cast<torch::optim::AdamWOptions&>(reference.param_groups()[0].options()).lr(rate);
    reference.step();
    expected_losses.back() += loss.item<double>() / 3;
  }
  // The same operations in the same order: only a cosine's last bit may differ, which moves a weight by 1e-10.
  for (const auto& [name, tensor] : state_dict(*fitted)) {
    CAPTURE(name);
    CHECK_THAT(tensor, IsClose(find_tensor(state_dict(*by_hand), name)).rtol(1e-5).atol(1e-8));
  }
  REQUIRE(losses.size() == 2);
  CHECK(losses[0] == Approx(expected_losses[0]).epsilon(1e-6));
  CHECK(losses[1] == Approx(expected_losses[1]).epsilon(1e-6));
  CHECK(result.reason == StopReason::Completed);
  CHECK(result.epochs == 2);
  CHECK(result.steps == 6);
  CHECK(result.loss == losses[1]);
  CHECK(optimizer.param_groups()[0].options().get_lr() == 1e-3);  // the schedule's base is the caller's again
}

TEST_CASE("with FitOptions::graph fit takes the same steps, bit for bit on a CPU", "[train]") {
  const auto trained = [](bool graph, const std::function<void(FitOptions&)>& set) {
    auto options = two_epochs();
    options.graph = graph;
    set(options);
    FakeLoader loader(5);
    loader.change = [](Batch& batch, std::int64_t, std::int64_t index) {  // the third and the last are of other shapes
      if (index == 2) batch.images = batch.images.slice(3, 0, 5), batch.labels = batch.labels.slice(2, 0, 5);
      if (index == 4) batch.images = batch.images.slice(0, 0, 1), batch.labels = batch.labels.slice(0, 0, 1);
    };
    auto net = fake_net();
    auto optimizer = make_adamw(net);
    int losses = 0;
    const auto loss = [&](const torch::Tensor& logits, const torch::Tensor& labels) {
      ++losses;
      return fake_loss(logits, labels);
    };
    const auto result = fit(net, loader, loss, optimizer, options);
    CHECK(result.steps == (options.accumulate == 2 ? 6 : 10));
    CHECK(losses == 10);
    auto weights = copy_of_weights(net);
    weights.emplace_back("the loss", torch::tensor(result.loss, torch::kDouble));
    return weights;
  };
  const std::vector<std::function<void(FitOptions&)>> settings{
      [](FitOptions&) {}, [](FitOptions& o) { o.reversed = true, o.clip_norm = 0.1; },
      [](FitOptions& o) { o.precision = Precision::Bfloat16, o.channels_last = true, o.read_loss_every = 4; },
      [](FitOptions& o) { o.accumulate = 2; }, [](FitOptions& o) { o.loss_scale = 8; }};
  for (const auto& set : settings) CHECK(first_difference(trained(true, set), trained(false, set)) == "");
}

TEST_CASE("fit leaves the default generator as it found it", "[train]") {
  torch::manual_seed(3);
  const auto before = rng_state();
  auto net = fake_net();
  FakeLoader loader(2);
  auto optimizer = make_adamw(net);
  fit(net, loader, fake_loss, optimizer, two_epochs());
  CHECK(torch::equal(rng_state(), before));
}

TEST_CASE("two accumulated micro-batches take the step of one batch of both", "[train]") {
  // A linear net in float64 and a mean loss: mean of the micro-batches' means = mean of the batch. 3 batches make the
  // last step of the epoch a single micro-batch, whose gradient must not be halved.
  const auto train = [](std::int64_t accumulate) {
    torch::nn::Conv2d net(nullptr);
    {
      SeedScope scope(5);
      net = torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 1, 3).padding(1));
    }
    net->to(torch::kDouble);
    FakeLoader whole(2, 4), parts(3, 2);
    // Batches of 4: [a b], [c c]. In parts: a, b | c.
    parts.change = [&](Batch& batch, std::int64_t epoch, std::int64_t index) {
      FakeLoader source(2, 4);
      source.start_epoch(epoch);
      auto from = *source.next();
      if (index == 2) from = *source.next();
      const auto begin = index == 1 ? 2 : 0;
      batch.images = from.images.narrow(0, begin, 2);
      batch.labels = from.labels.narrow(0, begin, 2);
    };
    whole.change = [](Batch& batch, std::int64_t, std::int64_t index) {
      if (index == 1) batch.images = torch::cat({batch.images.narrow(0, 0, 2), batch.images.narrow(0, 0, 2)});
      if (index == 1) batch.labels = torch::cat({batch.labels.narrow(0, 0, 2), batch.labels.narrow(0, 0, 2)});
    };
    torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.5).momentum(0.9));
    auto options = two_epochs();
    options.accumulate = accumulate;
    std::vector<double> step_losses;
    fit(net, accumulate == 1 ? whole : parts, fake_loss, optimizer, options, [&](const Event& event) {
      if (const auto* end = std::get_if<StepEnd>(&event)) step_losses.push_back(end->loss);
    });
    return std::make_pair(net->weight.detach().clone(), step_losses);
  };
  const auto [whole, whole_losses] = train(1);
  const auto [parts, part_losses] = train(2);
  // Sums of some hundred float64 products in another order: 1e-14; a wrong factor of one micro-batch gives 1e-2.
  CHECK_THAT(parts, IsClose(whole).atol(1e-12));
  REQUIRE(part_losses.size() == whole_losses.size());
  for (std::size_t i = 0; i < whole_losses.size(); ++i) CHECK(part_losses[i] == Approx(whole_losses[i]).epsilon(1e-12));
}

TEST_CASE("clipping scales the gradients down to the norm, and no further", "[train]") {
  // One step of plain SGD with rate 1 moves the weights by the (clipped) gradient itself.
  const auto moved_by = [](double clip_norm) {
    auto net = fake_net();
    const auto before = torch::nn::utils::parameters_to_vector(net->parameters()).detach().clone();
    FakeLoader loader(1);
    torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(1.0));
    FitOptions options;
    options.clip_norm = clip_norm;
    options.schedule.kind = ScheduleKind::Constant;
    fit(net, loader, fake_loss, optimizer, options);
    return (torch::nn::utils::parameters_to_vector(net->parameters()).detach() - before).to(torch::kDouble);
  };
  const auto free = moved_by(0);
  const double norm = free.norm().item<double>();
  REQUIRE(norm > 1e-3);
  // float32 weights of size 0.3 hold a difference of 1e-2 to 1e-6.
  CHECK(moved_by(norm / 4).norm().item<double>() == Approx(norm / 4).epsilon(1e-4));
  CHECK_THAT(moved_by(norm / 4), IsClose(free / 4).rtol(1e-3).atol(1e-6));
  CHECK_THAT(moved_by(norm * 4), IsClose(free));
}

TEST_CASE("events come in order and count what is done", "[train]") {
  auto net = fake_net();
  FakeLoader loader(3);
  auto optimizer = make_adamw(net);
  auto options = two_epochs();
  options.accumulate = 2;
  TempDir folder;
  options.directory = folder / "run";
  options.validate = [](std::int64_t epoch) { return Validation(0.5 * static_cast<double>(epoch), {{"iou", 0.25}}); };
  std::string order;
  std::vector<EpochEnd> ends;
  fit(net, loader, fake_loss, optimizer, options, [&](const Event& event) {
    order += "B-SECX"[event.index()];  // -: a skipped step
    if (const auto* started = std::get_if<Started>(&event)) {
      CHECK(started->total_steps == 4);
      CHECK(started->batches_per_epoch == 3);
      CHECK_FALSE(started->resumed);
    }
    if (const auto* step = std::get_if<StepEnd>(&event)) CHECK(step->batch == (step->step % 2 == 1 ? 2 : 3));
    if (const auto* end = std::get_if<EpochEnd>(&event)) ends.push_back(*end);
    if (const auto* saved = std::get_if<CheckpointSaved>(&event)) CHECK(std::filesystem::exists(saved->path));
  });
  CHECK(order == "BSSCECSSCECX");  // C: best before the end of its epoch, last after it
  REQUIRE(ends.size() == 2);
  CHECK(ends[1].epoch == 2);
  CHECK(ends[1].step == 4);
  CHECK(ends[1].best);
  CHECK(ends[1].validation->scores[0].first == "iou");
  CHECK(ends[1].images_per_second > 0);
  CHECK(ends[1].data_wait_share == 0);
}

TEST_CASE("validation runs in eval mode without gradients, and the best epoch is kept", "[train]") {
  auto net = fake_net();
  FakeLoader loader(2);
  auto optimizer = make_adamw(net);
  FitOptions options;
  options.epochs = 5;
  TempDir folder;
  options.directory = folder.path();
  options.metadata["pam.net"] = "{}";
  const std::vector<double> scores{0.1, 0.4, std::nan(""), 0.4, 0.3};  // an equal score is no improvement
  StateDict best;
  options.validate = [&](std::int64_t epoch) -> Validation {
    CHECK_FALSE(net->is_training());
    CHECK_FALSE(torch::GradMode::is_enabled());
    if (epoch == 2) best = copy_of_weights(net);
    return scores.at(static_cast<std::size_t>(epoch - 1));
  };
  const auto result = fit(net, loader, fake_loss, optimizer, options);
  CHECK(result.best_epoch == 2);
  CHECK(*result.best_score == 0.4);
  CHECK(result.epochs == 5);
  const auto file = read_safetensors(folder / "best.safetensors");
  CHECK(first_difference(file.tensors, best) == "");
  CHECK(file.metadata.at("pam.epoch") == "2");
  CHECK(file.metadata.at("pam.score") == "0.4");
  CHECK(file.metadata.at("pam.net") == "{}");
  CHECK(file.metadata.at("pam.reversed") == "false");
  CHECK(first_difference(read_safetensors(folder / "last.safetensors").tensors, state_dict(*net)) == "");
}

TEST_CASE("early stop comes after `patience` epochs without a better score", "[train]") {
  auto net = fake_net();
  FakeLoader loader(2);
  auto optimizer = make_adamw(net);
  FitOptions options;
  options.epochs = 10;
  options.patience = 2;
  TempDir folder;
  options.directory = folder.path();
  options.validate = [](std::int64_t epoch) { return Validation(epoch <= 3 ? static_cast<double>(epoch) : 0.0); };
  const auto result = fit(net, loader, fake_loss, optimizer, options);
  CHECK(result.reason == StopReason::EarlyStopped);
  CHECK(result.epochs == 5);
  CHECK(result.best_epoch == 3);
  options.resume = true;  // it is over: nothing is trained again
  loader.given = 0;
  const auto again = fit(net, loader, fake_loss, optimizer, options);
  CHECK(again.reason == StopReason::EarlyStopped);
  CHECK(again.resumed);
  CHECK(loader.given == 0);
  CHECK(again.loss == result.loss);
  options.allow_changes = true;  // for another reason, such as data that have moved: it is still over
  CHECK(fit(net, loader, fake_loss, optimizer, options).reason == StopReason::EarlyStopped);
  CHECK(loader.given == 0);
  options.patience = 4;  // what ended it has changed
  const auto longer = fit(net, loader, fake_loss, optimizer, options);
  CHECK((longer.reason == StopReason::EarlyStopped && longer.epochs == 7));
}

TEST_CASE("early stop waits for validations: epochs without one have no score that could be better", "[train]") {
  auto net = fake_net();
  FakeLoader loader(1);
  auto optimizer = make_adamw(net);
  FitOptions options;
  options.epochs = 20;
  options.patience = 3;
  options.validate_every = 5;
  std::vector<double> scores{1, 2, 2};
  std::int64_t validations = 0;
  options.validate = [&](std::int64_t) { return scores.at(static_cast<std::size_t>(validations++)); };
  const auto result = fit(net, loader, fake_loss, optimizer, options);
  CHECK(result.reason == StopReason::EarlyStopped);
  CHECK(result.epochs == 15);  // the third validation: five epochs after the best
  CHECK(result.best_epoch == 10);
}

TEST_CASE("a score that no other could beat is refused", "[train]") {
  auto net = fake_net();
  FakeLoader loader(1);
  auto optimizer = make_adamw(net);
  FitOptions options;
  options.validate = [](std::int64_t) { return std::numeric_limits<double>::infinity(); };
  CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, optimizer, options); }),
             Contains("score of epoch 1 is infinite"));
}

/// Nets that say which labels they learn: as pam's holders do, as `Network` does, as a bare module does.
template <bool kReversed>
struct SayingOptions {
  bool reversed() const { return kReversed; }
};
template <bool kReversed>
struct SayingNetImpl : FakeNetImpl {
  SayingOptions<kReversed> options;
};
template <bool kReversed>
struct SayingNet : torch::nn::ModuleHolder<SayingNetImpl<kReversed>> {};
struct NetworkLike : FakeNet {
  bool reversed() const { return true; }
};

TEST_CASE("whether labels are reversed is the net's word, which options cannot contradict", "[train]") {
  FakeLoader loader(2);
  std::int64_t seen = 0;
  const auto loss = [&](const torch::Tensor& logits, const torch::Tensor& labels) {
    seen = labels.sum().item<std::int64_t>();
    return fake_loss(logits, labels);
  };
  loader.start_epoch(0);
  const auto labels = loader.next()->labels;
  const auto foreground = labels.sum().item<std::int64_t>(), background = labels.numel() - foreground;
  REQUIRE(foreground != background);
  loader.change = [&](Batch& batch, std::int64_t, std::int64_t) { batch.labels = labels; };
  const auto trains_on = [&](auto& net, torch::nn::Module& module, std::optional<bool> reversed) {
    std::vector<std::string> answers;
    for (const bool graph : {false, true}) {  // the second batch of a shape goes through GraphedTrainingStep then
      torch::optim::AdamW optimizer(module.parameters());
      FitOptions options;
      options.reversed = reversed;
      options.graph = graph;
      const auto message = error_of([&] { fit(net, loader, loss, optimizer, options); });
      answers.push_back(message == "no error" ? std::to_string(seen) : message);
    }
    CHECK(answers[0] == answers[1]);
    return answers[0];
  };
  const auto plain = std::to_string(foreground), inverted = std::to_string(background);
  const auto check_reversed = [&](auto& net, torch::nn::Module& module) {
    CHECK(trains_on(net, module, std::nullopt) == inverted);
    CHECK(trains_on(net, module, true) == inverted);
    CHECK_THAT(trains_on(net, module, false),
               Contains("option reversed is true, but FitOptions::reversed is false") && Contains("leave"));
  };
  SayingNet<true> holder;
  check_reversed(holder, *holder);
  check_reversed(*holder, *holder);
  NetworkLike network;
  check_reversed(network, *network);

  SayingNet<false> unreversed;
  CHECK(trains_on(unreversed, *unreversed, std::nullopt) == plain);
  CHECK_THAT(trains_on(unreversed, *unreversed, true), Contains("option reversed is false"));
  FakeNet silent;
  CHECK(trains_on(silent, *silent, std::nullopt) == plain);
  CHECK(trains_on(silent, *silent, true) == inverted);
}

/// One convolution under two names.
struct TiedNetImpl : torch::nn::Module {
  TiedNetImpl() {
    first = register_module("first", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 2, 3).padding(1)));
    register_module("again", first);
    head = register_module("head", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 1, 1)));
  }
  torch::Tensor forward(const torch::Tensor& x) { return head(torch::relu(first(torch::relu(first(x))))); }
  torch::nn::Conv2d first{nullptr}, head{nullptr};
};
TORCH_MODULE(TiedNet);

TEST_CASE("shared parameters are scaled, clipped and stepped once", "[train]") {
  const auto trained = [](std::int64_t accumulate, double loss_scale, bool by_hand) {
    SeedScope seed(3);
    TiedNet net;
    FakeLoader loader(4);
    auto optimizer = make_adamw(net);
    REQUIRE(optimizer.param_groups()[0].params().size() == 4);
    FitOptions options;
    options.accumulate = accumulate;
    options.loss_scale = loss_scale;
    options.schedule.kind = ScheduleKind::Constant;
    options.clip_norm = 0.05;
    if (!by_hand) {
      fit(net, loader, fake_loss, optimizer, options);
    } else {
      const std::vector<torch::Tensor> once{net->first->weight, net->first->bias, net->head->weight, net->head->bias};
      torch::optim::AdamW plain(once, torch::optim::AdamWOptions(1e-3).weight_decay(1e-5));
      loader.start_epoch(0);
      for (int step = 0; step < 2; ++step) {
        plain.zero_grad();
        for (int micro = 0; micro < 2; ++micro) {
          const auto batch = *loader.next();
          (fake_loss(net(batch.images), batch.labels) / 2).backward();
        }
        torch::nn::utils::clip_grad_norm_(once, 0.05);
        plain.step();
      }
    }
    return state_dict(*net);
  };
  // Powers of two scale exactly, so that only the fused AdamW's order of operations may differ.
  for (const double loss_scale : {0.0, 1024.0}) {
    const auto expected = trained(2, 0, true), got = trained(2, loss_scale, false);
    for (const auto& [name, tensor] : expected) REQUIRE_THAT(find_tensor(got, name), IsClose(tensor).rtol(1e-5));
  }
  TiedNet net;
  FakeLoader loader(1);
  torch::optim::AdamW twice(net->parameters());
  CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, twice, FitOptions()); }),
             Contains("'first.weight' twice") && Contains("unique_parameters"));
}

TEST_CASE("reversed training shows the loss 1 - label, keeps ignored pixels and marks the checkpoint", "[train]") {
  auto net = fake_net();
  FakeLoader loader(1);
  loader.change = [](Batch& batch, std::int64_t, std::int64_t) {
    batch.labels.zero_();
    batch.labels[0][0][0] = 1;
    batch.labels[0][0][1] = kIgnoreLabel;
  };
  TempDir folder;
  FitOptions options;
  options.reversed = true;
  options.directory = folder.path();
  auto optimizer = make_adamw(net);
  torch::Tensor seen;
  const auto loss = [&](const torch::Tensor& logits, const torch::Tensor& labels) {
    seen = labels;
    return fake_loss(logits, labels);
  };
  fit(net, loader, loss, optimizer, options);
  CHECK(seen[0][0][0].item<int>() == 0);
  CHECK(seen[0][0][1].item<int>() == kIgnoreLabel);
  CHECK(seen[1].eq(1).all().item<bool>());
  CHECK(read_safetensors(folder / "last.safetensors").metadata.at("pam.reversed") == "true");
}

TEST_CASE("reversed training refuses more than one class, in net and labels", "[train]") {
  FakeLoader loader(1);
  FitOptions options;
  options.reversed = true;
  auto three = fake_net(1, 4, 3);
  auto optimizer = make_adamw(three);
  CHECK_THAT(error_of([&] { fit(three, loader, fake_loss, optimizer, options); }),
             Contains("one logit channel") && Contains("got 3") && Contains("binary"));
  auto one = fake_net();
  auto other = make_adamw(one);
  loader.change = [](Batch& batch, std::int64_t, std::int64_t) { batch.labels[0][0][0] = 2; };
  CHECK_THAT(error_of([&] { fit(one, loader, fake_loss, other, options); }),
             Contains("labels must be 0, 1 or -1") && Contains("to 2"));
  struct ReversingLoss {
    struct Options {
      bool reversed = true;
    };
    Options options() const { return {}; }
    torch::Tensor operator()(const torch::Tensor& logits, const torch::Tensor& labels) {
      return fake_loss(logits, labels);
    }
  };
  CHECK_THAT(error_of([&] { fit(one, loader, ReversingLoss{}, other, options); }),
             Contains("the loss reverses") && Contains("FitOptions::reversed"));
}

TEST_CASE("a NaN loss stops with the batch's cases, and the last good checkpoint stays", "[train]") {
  const auto spoil = [](Batch& batch, std::int64_t epoch, std::int64_t index) {
    if (epoch == 1 && index == 2) batch.images[0][0][0][0] = std::nanf("");
  };
  for (const std::int64_t read_loss_every : {1, 100}) {
    CAPTURE(read_loss_every);
    auto net = fake_net();
    FakeLoader loader(4);
    loader.change = spoil;
    TempDir folder;
    FitOptions options;
    options.epochs = 3;
    options.directory = folder.path();
    options.read_loss_every = read_loss_every;
    auto optimizer = make_adamw(net);
    CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, optimizer, options); }),
               Contains("nan") && Contains("epoch 2, batch 3, step 7") && Contains("case4 slice 0, case5 slice 1") &&
                   Contains("last.safetensors") && Contains("epoch 1, step 4") && Contains("learning_rate"));
    // The checkpoint is the end of epoch 1, and a healthy loader continues from it.
    auto healthy = fake_net(2);
    FakeLoader sound(4);
    auto fresh = make_adamw(healthy);
    options.resume = true;
    CHECK(fit(healthy, sound, fake_loss, fresh, options).steps == 12);
    CHECK(sound.given == 8);
  }
}

TEST_CASE("a gradient that is not finite never reaches a checkpoint", "[train]") {
  // sqrt(0) is finite, its derivative is not: 0 * inf = NaN in every weight.
  const auto loss = [](const torch::Tensor& logits, const torch::Tensor&) { return (logits * 0).sum().sqrt(); };
  const double clip_norm = GENERATE(0.0, 1.0);
  auto net = fake_net();
  const auto before = copy_of_weights(net);
  FakeLoader loader(2);
  TempDir folder;
  FitOptions options;
  options.clip_norm = clip_norm;
  options.directory = folder.path();
  options.save_every_steps = 1;
  auto optimizer = make_adamw(net);
  const auto message = error_of([&] { fit(net, loader, loss, optimizer, options); });
  CHECK_THAT(message, Contains("case0 slice 0") && Contains("step 0") && Contains("last good checkpoint"));
  if (clip_norm > 0) CHECK_THAT(message, Contains("norm of the gradients"));
  if (clip_norm == 0) CHECK_THAT(message, Contains("'first.weight' is not finite"));
  CHECK(first_difference(read_safetensors(folder / "last.safetensors").tensors, before) == "");
}

TEST_CASE("bad options, loaders, losses and optimizers are errors that say what to do", "[train]") {
  auto net = fake_net();
  auto optimizer = make_adamw(net);
  const auto with = [&](const std::function<void(FitOptions&)>& change, std::int64_t batches = 2) {
    return error_of([&] {
      FitOptions options;
      change(options);
      FakeLoader loader(batches);
      fit(net, loader, fake_loss, optimizer, options);
    });
  };
  CHECK(with([](auto&) {}) == "no error");
  CHECK_THAT(with([](auto& o) { o.epochs = 0; }), Contains("epochs") && Contains("got 0"));
  CHECK_THAT(with([](auto& o) { o.accumulate = 0; }), Contains("accumulate"));
  CHECK_THAT(with([](auto& o) { o.clip_norm = -1; }), Contains("clip_norm"));
  CHECK_THAT(with([](auto& o) { o.clip_norm = std::nan(""); }), Contains("clip_norm"));
  CHECK_THAT(with([](auto& o) { o.patience = 3; }), Contains("patience 3") && Contains("validate"));
  CHECK_THAT(with([](auto& o) { o.resume = true; }), Contains("directory"));
  CHECK_THAT(with([](auto& o) { o.metadata["pam.reversed"] = "true"; }), Contains("pam.reversed"));
  CHECK_THAT(with([](auto& o) { o.schedule.warm_up = 99; }), Contains("warm_up"));
  CHECK_THAT(with([](auto&) {}, 0), Contains("no batches") && Contains("FitOptions::batches_per_epoch"));
  CHECK_THAT(with([](auto& o) { o.batches_per_epoch = -1; }), Contains("batches_per_epoch"));
  CHECK_THAT(with([](auto& o) { o.batches_per_epoch = 3; }), Contains("is 3, but the loader has 2 batches"));
  CHECK(with([](auto& o) { o.batches_per_epoch = 2; }) == "no error");
  CHECK_THAT(with([](auto& o) { o.directory = "/proc/none/here"; }), Contains("/proc/none/here"));

  FakeLoader loader(1);
  const auto vector_loss = [](const torch::Tensor& logits, const torch::Tensor&) { return logits; };
  CHECK_THAT(error_of([&] { fit(net, loader, vector_loss, optimizer, FitOptions()); }), Contains("must be one number"));
  loader.change = [](Batch& batch, std::int64_t, std::int64_t) { batch.labels = torch::Tensor(); };
  CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, optimizer, FitOptions()); }),
             Contains("case0 slice 0") && Contains("no labels"));
  auto other = fake_net();
  auto others = make_adamw(other);
  CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, others, FitOptions()); }),
             Contains("the model does not have") && Contains("model->parameters()"));
  torch::optim::RMSprop unknown(net->parameters());
  CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, unknown, FitOptions()); }), Contains("AdamW, Adam or SGD"));
  for (auto& parameter : other->parameters()) parameter.set_requires_grad(false);
  CHECK_THAT(error_of([&] { make_adamw(other); }), Contains("frozen"));
  OptimizerOptions wrong;
  wrong.learning_rate = 0;
  CHECK_THAT(error_of([&] { make_adamw(net, wrong); }), Contains("learning_rate"));
}

TEST_CASE("frozen parameters stay as they are and are saved too", "[train]") {
  auto net = fake_net();
  for (auto& parameter : net->first->parameters()) parameter.set_requires_grad(false);
  const auto before = net->first->weight.clone();
  TempDir folder;
  auto options = two_epochs();
  options.directory = folder.path();
  FakeLoader loader(2);
  auto optimizer = make_adamw(net);
  fit(net, loader, fake_loss, optimizer, options);
  CHECK(torch::equal(net->first->weight, before));
  CHECK(find_tensor(read_safetensors(folder / "last.safetensors").tensors, "first.weight").defined());
}

TEST_CASE("fit options go through JSON", "[train]") {
  CHECK(FitOptions().schedule.kind == ScheduleKind::Constant);
  FitOptions options;
  options.epochs = 100;
  options.schedule.kind = ScheduleKind::Poly;
  options.clip_norm = 12;
  FitOptions read;
  options_from_json(options_to_json(options), read, "test");
  CHECK(options_to_json(read) == options_to_json(options));
  CHECK(read.schedule.kind == ScheduleKind::Poly);
  CHECK_THROWS_WITH(options_from_json({{"epoch", 3}}, read, "c.json"), Contains("c.json") && Contains("epochs"));
}

}  // namespace train_fit_test

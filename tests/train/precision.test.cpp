// SPDX-License-Identifier: MIT
// `fit` in other precisions and layouts.
#include "support/catch.hpp"
#include "support/files.hpp"
#include "train/fake_training.hpp"

#include <pam/train/progress.hpp>

#include <pam/train/checkpoint.hpp>
#include <pam/weights/safetensors.hpp>

#include <atomic>
#include <limits>
#include <sstream>

namespace train_precision_test {

using namespace pam;
using namespace pam::test;
using Catch::Contains;

struct Outcome {
  FitResult result;
  StateDict weights;
  FakeNet net{nullptr};
  std::vector<StepSkipped> skipped;
};

FitOptions three_epochs() {
  FitOptions options;
  options.epochs = 3;
  options.accumulate = 2;
  options.clip_norm = 1;
  options.schedule.kind = ScheduleKind::Cosine;
  options.resume = false;
  return options;
}

using Change = std::function<void(Batch&, std::int64_t epoch, std::int64_t index)>;

Outcome train(FitOptions options, const Change& change = {}, std::int64_t stop_at = -1) {
  Outcome outcome;
  outcome.net = fake_net();
  FakeLoader loader(5);
  loader.change = change;
  auto optimizer = make_adamw(outcome.net);
  std::atomic<bool> stop{false};
  options.stop = &stop;
  outcome.result = fit(outcome.net, loader, fake_loss, optimizer, options, [&](const Event& event) {
    if (const auto* step = std::get_if<StepEnd>(&event)) stop = step->step == stop_at;
    if (const auto* skip = std::get_if<StepSkipped>(&event)) outcome.skipped.push_back(*skip);
  });
  outcome.weights = copy_of_weights(outcome.net);
  return outcome;
}

TEST_CASE("training with a scaled loss gives the weights of training without, bit for bit", "[train]") {
  const auto plain = train(three_epochs());
  auto options = three_epochs();
  options.loss_scale = 65536;
  options.loss_scale_interval = 2;  // the scale changes on the way
  const auto scaled = train(options);
  CHECK(scaled.skipped.empty());
  CHECK(scaled.result.loss == plain.result.loss);
  CHECK(first_difference(scaled.weights, plain.weights) == "");
}

TEST_CASE("autocast around fit changes nothing: the option decides, and every step casts the weights anew", "[train]") {
  for (const auto precision : {Precision::Float32, Precision::Bfloat16}) {
    auto options = three_epochs();
    options.precision = precision;
    const auto expected = train(options);
    for (const bool enabled : {true, false}) {
      const AutocastScope outer(torch::kCPU, torch::kBFloat16, enabled);
      const auto within = train(options);
      CHECK(within.result.loss == expected.result.loss);
      CHECK(first_difference(within.weights, expected.weights) == "");
    }
  }
}

/// A gradient that overflows although the loss does not: the loss's own type is float32 here, so this stands in for a
/// float16 overflow within the network.
struct OverflowOnce : torch::autograd::Function<OverflowOnce> {
  static torch::Tensor forward(torch::autograd::AutogradContext*, const torch::Tensor& x) { return x.clone(); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list& grads) {
    return {grads[0] * std::numeric_limits<double>::infinity()};
  }
};

TEST_CASE("a step whose gradients overflow is skipped and reported, and the scale halved; clipping does not stop it",
          "[train]") {
  auto options = three_epochs();
  options.accumulate = 1;
  options.loss_scale = 1024;
  auto net = fake_net();
  FakeLoader loader(5);
  auto optimizer = make_adamw(net);
  std::int64_t calls = 0;
  const auto loss = [&](const torch::Tensor& logits, const torch::Tensor& labels) {
    return fake_loss(++calls == 4 ? OverflowOnce::apply(logits) : logits, labels);
  };
  std::vector<StepSkipped> skipped;
  StateDict before, after;
  std::ostringstream shown;
  ProgressBar bar(shown, /*terminal=*/false);
  fit(net, loader, loss, optimizer, options, [&](const Event& event) {
    bar(event);
    if (const auto* skip = std::get_if<StepSkipped>(&event)) skipped.push_back(*skip);
    const auto* step = std::get_if<StepEnd>(&event);
    if (step == nullptr || (step->step != 3 && step->step != 4)) return;
    auto& at = step->step == 3 ? before : after;
    for (const auto& item : net->named_parameters()) at.emplace_back(item.key(), item.value().detach().clone());
  });
  REQUIRE(skipped.size() == 1);
  CHECK(skipped[0].step == 4);
  CHECK(skipped[0].batch == 4);
  CHECK(skipped[0].loss_scale == 512);
  CHECK(first_difference(before, after) == "");
  CHECK_THAT(shown.str(), Contains("step 4 skipped") && Contains("scaled by 512"));
  for (const auto& item : net->named_parameters()) CHECK(torch::isfinite(item.value()).all().item<bool>());
}

TEST_CASE("gradients that never are finite stop the training with their cases; so does a NaN loss", "[train]") {
  auto options = three_epochs();
  options.accumulate = 1;
  options.loss_scale = std::ldexp(1.0, -13);
  auto net = fake_net();
  FakeLoader loader(5);
  auto optimizer = make_adamw(net);
  const auto loss = [](const torch::Tensor& logits, const torch::Tensor& labels) {
    return fake_loss(OverflowOnce::apply(logits), labels);
  };
  CHECK_THAT(error_of([&] { fit(net, loader, loss, optimizer, options); }),
             Contains("gradients are not finite") && Contains("case2") && Contains("scaled by"));
  options.loss_scale = 1024;
  CHECK_THAT(error_of([&] {
               train(options, [](Batch& batch, std::int64_t epoch, std::int64_t index) {
                 if (epoch == 1 && index == 2) batch.images.fill_(std::nan(""));
               });
             }),
             Contains("loss became") && Contains("nan in epoch 2, batch 3"));
}

TEST_CASE("the scaler's state is part of the checkpoint: a resumed run ends bit for bit as the unbroken one",
          "[train]") {
  TempDir folder;
  auto options = three_epochs();
  options.loss_scale = 256;
  options.loss_scale_interval = 4;
  options.resume = true;
  options.directory = folder / "unbroken";
  const auto unbroken = train(options);
  options.directory = folder / "broken";
  train(options, {}, 3);
  CHECK(read_training_state(options.directory).progress.loss_scale == 256);
  CHECK(read_training_state(options.directory).progress.loss_scale_steps == 3);
  const auto resumed = train(options);
  CHECK(resumed.result.resumed);
  CHECK(first_difference(resumed.weights, unbroken.weights) == "");
  const auto a = read_training_state(folder / "unbroken").progress, b = read_training_state(folder / "broken").progress;
  CHECK(a.loss_scale == 1024);  // 9 steps: doubled after the fourth and the eighth
  CHECK(b.loss_scale == a.loss_scale);
  CHECK(b.loss_scale_steps == a.loss_scale_steps);
  options.loss_scale = 0;
  CHECK_THAT(error_of([&] { train(options); }), Contains("loss_scale: 256.0 in the checkpoint"));
  options.loss_scale = 8;
  options.loss_scale_interval = 100;
  options.epochs = 4;
  options.allow_changes = true;
  train(options);
  CHECK(read_training_state(options.directory).progress.loss_scale == 8);
}

TEST_CASE("bfloat16 trains float32 weights, writes float32 checkpoints and resumes bit for bit", "[train]") {
  TempDir folder;
  auto options = three_epochs();
  options.precision = Precision::Bfloat16;
  options.channels_last = GENERATE(false, true);
  options.resume = true;
  options.directory = folder / "unbroken";
  const auto unbroken = train(options);
  const auto whole = train(three_epochs());
  CHECK(first_difference(unbroken.weights, whole.weights) != "");  // it did compute in another type
  CHECK(unbroken.result.loss == Approx(whole.result.loss).epsilon(0.05));
  for (const auto& [name, tensor] : read_safetensors(folder / "unbroken" / "last.safetensors").tensors) {
    CAPTURE(name);
    CHECK((tensor.scalar_type() == torch::kFloat || tensor.scalar_type() == torch::kLong));
  }
  options.directory = folder / "broken";
  train(options, {}, 4);
  const auto resumed = train(options);
  CHECK(resumed.result.resumed);
  CHECK(first_difference(resumed.weights, unbroken.weights) == "");
  CHECK(resumed.net->first->weight.is_contiguous(at::MemoryFormat::ChannelsLast) == options.channels_last);
  options.precision = Precision::Float32;
  CHECK_THAT(error_of([&] { train(options); }), Contains("precision: \"bfloat16\" in the checkpoint, now \"float32\""));
}

TEST_CASE("channels-last training sees channels-last images and agrees with planes", "[train]") {
  auto options = three_epochs();
  const auto planes = train(options);
  options.channels_last = true;
  const auto pixels = train(options);
  CHECK(pixels.net->first->weight.is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK(planes.net->first->weight.is_contiguous());
  for (const auto& [name, tensor] : pixels.weights) {
    CAPTURE(name);
    // Float32 sums in another order. Where a gradient is rounding errors alone (a bias before a batch norm, single
    // entries elsewhere), AdamW makes whole steps of them: nine of 1e-3 either way. So the mean is what must agree.
    if (name == "first.bias" || name.find("running") != std::string::npos) continue;
    const auto apart = (tensor - find_tensor(planes.weights, name)).abs().to(torch::kDouble);
    CHECK(apart.max().item<double>() < 2e-2);
    CHECK(apart.mean().item<double>() < 1e-3);
  }
}

TEST_CASE("float16 on a CPU, and autocast of a float64 net, are refused before the first step", "[train]") {
  auto options = three_epochs();
  options.precision = Precision::Float16;
  CHECK_THAT(error_of([&] { train(options); }), Contains("float16") && Contains("bfloat16 or float32"));
  options.precision = Precision::Bfloat16;
  auto net = fake_net();
  net->to(torch::kDouble);
  FakeLoader loader(2);
  auto optimizer = make_adamw(net);
  CHECK_THAT(error_of([&] { fit(net, loader, fake_loss, optimizer, options); }), Contains("float32 weights"));
  options = three_epochs();
  options.loss_scale = 3;
  CHECK_THAT(error_of([&] { train(options); }), Contains("powers of two"));
}

}  // namespace train_precision_test

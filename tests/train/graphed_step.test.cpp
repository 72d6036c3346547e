// SPDX-License-Identifier: MIT
#include <pam/core/memory_format.hpp>
#include <pam/core/seed.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/nets/unet.hpp>
#include <pam/nets/zoo.hpp>
#include <pam/train/fit.hpp>
#include <pam/train/fused_adamw.hpp>
#include <pam/train/graphed_step.hpp>
#include <pam/train/optimizer.hpp>

#include "support/bytes.hpp"
#include "support/device.hpp"
#include "support/tensor_matchers.hpp"

namespace train_graphed_step_test {

using namespace pam;
using test::message_of;
using Plain = UNet<ConvBlock>;

Plain small_net(torch::Device device = torch::kCPU, std::int64_t classes = 1) {
  const SeedScope scope(5);
  Plain net(Plain::Impl::Options(2, classes).width(4).depth(2));
  net->to(device);
  return net;
}

struct Pair {
  torch::Tensor images, labels;
};

Pair batch(std::uint64_t seed, torch::Device device = torch::kCPU,
           at::MemoryFormat layout = at::MemoryFormat::Contiguous) {
  const SeedScope scope(seed);
  const auto images = torch::randn({2, 2, 20, 17}).contiguous(layout);
  return {images.to(device), (images.sum(1) > 0).to(torch::kLong).to(device)};
}

/// The loop that GraphedTrainingStep stands for, written out. Returns the losses.
std::vector<double> by_hand(Plain net, const SegmentationLoss& loss, int steps, double clip, torch::Device device,
                            at::MemoryFormat layout, Precision precision = Precision::Float32) {
  auto optimizer = make_adamw(net);
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) {
    const auto data = batch(static_cast<std::uint64_t>(100 + i), device, layout);
    for (auto& parameter : net->parameters()) parameter.mutable_grad() = torch::Tensor();
    torch::Tensor value;
    {
      const auto scope = autocast(device, precision);
      value = loss(net(data.images), data.labels);
    }
    value.backward();
    if (clip > 0) torch::nn::utils::clip_grad_norm_(net->parameters(), clip);
    optimizer.step();
    losses.push_back(value.item<double>());
  }
  return losses;
}

std::vector<double> by_step(Plain net, const SegmentationLoss& loss, int steps, double clip, torch::Device device,
                            at::MemoryFormat layout, Precision precision = Precision::Float32,
                            bool* graphed = nullptr) {
  auto optimizer = make_adamw(net);
  const auto example = batch(1, device, layout);
  GraphedTrainingStep step(net, loss, optimizer, example.images, example.labels, precision);
  if (graphed != nullptr) *graphed = step.graphed();
  std::vector<torch::Tensor> losses;
  for (int i = 0; i < steps; ++i) {
    const auto data = batch(static_cast<std::uint64_t>(100 + i), device, layout);
    if (clip > 0) {
      losses.push_back(step.backward(data.images, data.labels));
      torch::nn::utils::clip_grad_norm_(net->parameters(), clip);
      step.step();
    } else {
      losses.push_back(step(data.images, data.labels));
    }
    if (i == 1) optimizer.zero_grad();  // a habit that must do no harm
  }
  std::vector<double> values;  // read at the end: no loss is overwritten by a later step
  for (const auto& loss_of_step : losses) values.push_back(loss_of_step.item<double>());
  return values;
}

TEST_CASE("on the CPU GraphedTrainingStep trains bit for bit as the loop written by hand", "[train]") {
  for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const double clip : {0.0, 0.05}) {
      for (const auto* name : {"dice", "dice_bce"}) {
        CAPTURE(clip, name);
        auto one = small_net(), other = small_net();
        bool graphed = true;
        const auto expected = by_hand(one, SegmentationLoss(name), 5, clip, torch::kCPU, layout);
        const auto found =
            by_step(other, SegmentationLoss(name), 5, clip, torch::kCPU, layout, Precision::Float32, &graphed);
        REQUIRE_FALSE(graphed);
        REQUIRE(found == expected);
        REQUIRE(expected.front() != expected.back());
        for (std::size_t i = 0; i < one->parameters().size(); ++i) {
          REQUIRE(torch::equal(one->parameters()[i], other->parameters()[i]));
        }
      }
    }
  }
}

TEST_CASE("GraphedTrainingStep leaves no gradients behind when it is made, takes frozen weights and a bf16 precision",
          "[train]") {
  auto net = small_net();
  net->parameters()[0].set_requires_grad(false);
  const auto frozen = net->parameters()[0].clone();
  auto optimizer = make_adamw(net);
  const auto data = batch(1);
  GraphedTrainingStep step(net, SegmentationLoss("bce"), optimizer, data.images, data.labels, Precision::Bfloat16);
  for (const auto& parameter : net->parameters()) REQUIRE_FALSE(parameter.grad().defined());
  const auto before = net->parameters()[3].clone();
  const auto loss = step.backward(data.images, data.labels);
  REQUIRE(torch::isfinite(loss).item<bool>());
  REQUIRE_FALSE(loss.requires_grad());
  REQUIRE(torch::equal(net->parameters()[3], before));  // `step` alone moves the weights
  REQUIRE_FALSE(net->parameters()[0].grad().defined());
  step.step();
  REQUIRE_FALSE(torch::equal(net->parameters()[3], before));
  REQUIRE(torch::equal(net->parameters()[0], frozen));
}

TEST_CASE("GraphedTrainingStep trains a net of reversed labels on 1 - label, whichever loss it has", "[train]") {
  const auto data = batch(3);
  const auto one_step = [&](bool reversed, const auto& loss, const torch::Tensor& labels) {
    const SeedScope scope(5);
    Plain net(Plain::Impl::Options(2, 1).width(4).depth(2).reversed(reversed));
    auto optimizer = make_adamw(net);
    GraphedTrainingStep step(net, loss, optimizer, data.images, labels);
    return step(data.images, labels).template item<double>();
  };
  const auto expected = one_step(false, SegmentationLoss("dice"), 1 - data.labels);
  auto reversing = SegmentationLoss("dice");
  reversing.options().reversed = true;
  const auto own = [](const torch::Tensor& logits, const torch::Tensor& labels) { return dice_loss(logits, labels); };
  CHECK(one_step(true, SegmentationLoss("dice"), data.labels) == expected);
  CHECK(one_step(true, reversing, data.labels) == Approx(expected).epsilon(1e-6));  // reversed in float32
  CHECK(one_step(true, own, data.labels) == expected);
  // Swapped, a label of 2 would be -1: ignored.
  CHECK_THAT(message_of<Error>([&] { one_step(true, own, data.labels * 2); }), Catch::Contains("labels must be 0, 1"));
}

TEST_CASE("GraphedTrainingStep refuses batches unlike the examples, and losses that are no number", "[train]") {
  auto net = small_net();
  auto optimizer = make_adamw(net);
  const auto data = batch(1);
  GraphedTrainingStep step(net, SegmentationLoss("dice"), optimizer, data.images, data.labels);
  const auto message = [&](const torch::Tensor& images, const torch::Tensor& labels) {
    return message_of<Error>([&] { step(images, labels); });
  };
  REQUIRE_THAT(message(data.images.narrow(0, 0, 1), data.labels),
               Catch::Contains("made for images [2, 2, 20, 17] Float on cpu, got [1, 2, 20, 17]") &&
                   Catch::Contains("the last batch of an epoch may be smaller"));
  REQUIRE_THAT(message(data.images, data.labels.to(torch::kInt)),
               Catch::Contains("made for labels [2, 20, 17] Long on cpu, got [2, 20, 17] Int"));
  REQUIRE_THAT(message({}, data.labels), Catch::Contains("got an undefined tensor"));
  REQUIRE_THAT(message(data.images, torch::full_like(data.labels, 3)), Catch::Contains("labels must be 0 to 1"));
  REQUIRE_THAT(
      message_of<Error>([&] { GraphedTrainingStep none(net, SegmentationLoss("dice"), optimizer, data.images, {}); }),
      Catch::Contains("an undefined tensor"));
  const auto map = [](const torch::Tensor& logits, const torch::Tensor&) { return logits; };
  GraphedTrainingStep no_number(net, map, optimizer, data.images, data.labels);
  REQUIRE_THAT(message_of<Error>([&] { no_number(data.images, data.labels); }), Catch::Contains("must be one number"));
}

TEST_CASE("within a graph an unknown label makes the loss NaN and the gradients 0; known ones change nothing",
          "[train]") {
  const auto loss_of = [](const torch::Tensor& labels, std::int64_t channels, std::int64_t ignored = -1) {
    const auto weight = torch::ones({}, torch::requires_grad());
    const auto loss = pam::detail::nan_for_unknown_labels(weight * 3, labels, channels, ignored);
    loss.backward();
    return std::make_pair(loss.item<double>(), weight.grad().item<double>());
  };
  REQUIRE(loss_of(torch::tensor({0, 1, -1}), 1) == std::make_pair(3.0, 3.0));
  REQUIRE(loss_of(torch::tensor({0, 3, -1}), 4) == std::make_pair(3.0, 3.0));
  REQUIRE(loss_of(torch::tensor({0.f, 0.5f, 1.f}), 1) == std::make_pair(3.0, 3.0));
  REQUIRE(loss_of(torch::tensor({0, 1, 255}), 1, 255) == std::make_pair(3.0, 3.0));
  REQUIRE(std::isnan(loss_of(torch::tensor({0, 1, -1}), 1, 255).first));
  REQUIRE(loss_of(torch::tensor({0, 1}, torch::kByte), 1) == std::make_pair(3.0, 3.0));
  for (const auto& bad : {torch::tensor({0, 2}), torch::tensor({-2, 1}), torch::tensor({0.f, 1.5f}),
                          torch::tensor({0.f, std::numeric_limits<float>::quiet_NaN()})}) {
    const auto [value, gradient] = loss_of(bad, 1);
    REQUIRE(std::isnan(value));
    REQUIRE(gradient == 0);
  }
}

TEST_CASE("weights that are cast together give autocast's own loss and gradients, bit for bit", "[train]") {
  for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    auto one = small_net(), other = small_net();
    one->head->weight.set_requires_grad(false), other->head->weight.set_requires_grad(false);
    to_memory_format(*one, layout), to_memory_format(*other, layout);
    const auto data = batch(3, torch::kCPU, layout);
    const auto loss_of = [&](Plain net, bool together) {
      const auto scope = autocast(torch::kCPU, Precision::Bfloat16);
      std::optional<pam::detail::CastWeights> cast;
      if (together) cast.emplace(*net, torch::kBFloat16);
      return dice_bce_loss(net(data.images), data.labels);
    };
    const auto expected = loss_of(one, false), found = loss_of(other, true);
    expected.backward(), found.backward();
    REQUIRE(torch::equal(found, expected));
    const auto a = one->named_parameters(), b = other->named_parameters();
    REQUIRE(other->stem->conv1->conv->weight.is_same(b["stem.conv1.conv.weight"]));
    for (const auto& item : a) {
      CAPTURE(item.key());
      const auto &want = item.value().grad(), &got = b[item.key()].grad();
      REQUIRE(got.defined() == want.defined());
      if (!want.defined()) continue;
      REQUIRE(torch::equal(got, want));
      REQUIRE(pam::detail::same_places(got, b[item.key()]));  // as FusedAdamW wants them
    }
  }
}

TEST_CASE("unet, fpa and rfna train as GraphedTrainingStep as they do by hand, with the fused AdamW", "[train][gpu]") {
  const auto at = test::best_device();
  for (const auto* name : {"unet", "fpa", "rfna"}) {
    const auto start = [&] {
      const SeedScope seed(7);
      auto net = build_network({name, 2, 1, 8});
      net->to(at);
      to_memory_format(*net, at::MemoryFormat::ChannelsLast);
      return net;
    };
    const auto batch_of = [&](std::uint64_t seed) {
      const SeedScope scope(seed);
      const auto images = torch::randn({2, 2, 72, 80}).contiguous(at::MemoryFormat::ChannelsLast);
      return Pair{images.to(at), (images.sum(1) > 0).to(torch::kLong).to(at)};
    };
    const SegmentationLoss loss("dice_bce");
    const auto by_hand = start(), stepped = start();
    auto hand = make_adamw(by_hand), optimizer = make_adamw(stepped);
    const auto example = batch_of(1);
    GraphedTrainingStep step(stepped, loss, optimizer, example.images, example.labels, Precision::Bfloat16);
    CAPTURE(name, step.reason());
#ifdef PAM_HAS_CUDA_GRAPHS
    REQUIRE(step.graphed() == at.is_cuda());
#endif
    for (std::uint64_t i = 0; i < 4; ++i) {
      const auto data = batch_of(10 + i);
      for (auto& parameter : by_hand->parameters()) parameter.mutable_grad() = torch::Tensor();
      torch::Tensor expected;
      {
        const auto scope = autocast(at, Precision::Bfloat16);
        expected = loss(by_hand(data.images), data.labels);
      }
      expected.backward();
      hand.step();
      // cuDNN's weight gradients add in no fixed order, and AdamW's first steps are the signs of the gradients.
      REQUIRE(std::abs(step(data.images, data.labels).item<double>() - expected.item<double>()) < 2e-2);
    }
#if PAM_TORCH_AT_LEAST(2, 4)
    REQUIRE(optimizer.fused_steps() == 4);
    REQUIRE(hand.fused_steps() == 4);
#endif
  }
}

TEST_CASE("on a GPU the recorded step trains as the loop written by hand does", "[train][gpu]") {
  if (!torch::cuda::is_available()) PAM_SKIP("no GPU");
#ifndef PAM_HAS_CUDA_GRAPHS
  PAM_SKIP("built without component cuda");
#else
  for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const auto precision : {Precision::Float32, Precision::Bfloat16}) {
      for (const double clip : {0.0, 0.05}) {
        auto one = small_net(torch::kCUDA), other = small_net(torch::kCUDA);
        bool graphed = false;
        const SegmentationLoss loss("dice_bce");
        const auto expected = by_hand(one, loss, 5, clip, torch::kCUDA, layout, precision);
        const auto found = by_step(other, loss, 5, clip, torch::kCUDA, layout, precision, &graphed);
        REQUIRE(graphed);
        // cuDNN's weight gradients add in no fixed order, and AdamW's first steps are the signs of the gradients.
        for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(std::abs(found[i] - expected[i]) < 2e-2);
      }
    }
  }
  // The gradients of one batch are the plain ones, batches may come from the host, and unknown labels show.
  auto net = small_net(torch::kCUDA);
  auto optimizer = make_adamw(net);
  const auto data = batch(1, torch::kCUDA), more = batch(7);
  GraphedTrainingStep step(net, SegmentationLoss("dice"), optimizer, data.images, data.labels);
  REQUIRE(step.graphed());
  step.backward(data.images, data.labels);
  step.backward(more.images, more.labels);
  std::vector<torch::Tensor> found;
  for (const auto& parameter : net->parameters()) found.push_back(parameter.grad().clone());
  net->zero_grad();
  for (auto& parameter : net->parameters()) parameter.mutable_grad() = torch::Tensor();
  SegmentationLoss("dice")(net(more.images.to(torch::kCUDA)), more.labels.to(torch::kCUDA)).backward();
  for (std::size_t i = 0; i < found.size(); ++i) {
    // TF32 and another algorithm of cuDNN: three digits.
    REQUIRE_THAT(found[i], test::IsClose(net->parameters()[i].grad()).of_largest().rtol(5e-3).atol(1e-6));
  }
  REQUIRE(std::isnan(step.backward(data.images, torch::full_like(data.labels, 3)).item<double>()));
  // Of several classes too, where the label is an index: the context must survive it.
  auto classes = small_net(torch::kCUDA, 3);
  auto another = make_adamw(classes);
  GraphedTrainingStep of_classes(classes, SegmentationLoss("dice_bce"), another, data.images, data.labels);
  REQUIRE(of_classes.graphed());
  REQUIRE(std::isnan(of_classes.backward(data.images, torch::full_like(data.labels, 7)).item<double>()));
  REQUIRE(std::isfinite(of_classes.backward(data.images, data.labels).item<double>()));
  net->to(torch::kCPU);
  REQUIRE_THAT(message_of<Error>([&] { step(data.images, data.labels); }), Catch::Contains("moved or converted"));
#endif
}

TEST_CASE("on a GPU fit trains with a graph and page-locked batches as without", "[train][gpu]") {
  if (!torch::cuda::is_available()) PAM_SKIP("no GPU");
  const auto loss_of = [](bool fast) {
    auto net = small_net(torch::kCUDA);
    std::vector<Batch> batches;
    for (std::uint64_t i = 0; i < 5; ++i) {
      auto data = batch(200 + i);
      if (fast) data.images = data.images.pin_memory(), data.labels = data.labels.pin_memory();
      batches.push_back({data.images, data.labels});
    }
    FitOptions options;
    options.epochs = 4;
    options.precision = Precision::Bfloat16;
    options.channels_last = true;
    options.read_loss_every = 5;
    options.graph = fast;
    auto optimizer = make_adamw(net);
    return fit(net, batches, SegmentationLoss("dice"), optimizer, options).loss;
  };
  // 20 steps in bfloat16; a batch that is read before it has been copied, or trained twice, is off by more.
  REQUIRE(loss_of(true) == Approx(loss_of(false)).epsilon(0.01));
}

}  // namespace train_graphed_step_test

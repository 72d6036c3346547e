// SPDX-License-Identifier: MIT
#include <pam/train/fgsm.hpp>

#include <pam/losses/segmentation_loss.hpp>
#include <pam/train/reversed_labels.hpp>

#include "support/catch.hpp"

#include <cmath>

namespace train_fgsm_test {
using namespace pam;
using Catch::Matchers::Contains;

/// logits = sum over channels of weight · x: the gradient with respect to x is known in closed form.
struct Linear {
  torch::Tensor weight = torch::tensor({2.0F, -3.0F, 0.0F}).view({1, 3, 1, 1});
  torch::Tensor operator()(const torch::Tensor& x) const { return (x * weight).sum(1, /*keepdim=*/true); }
};

torch::Tensor images() { return torch::linspace(-1, 1, 2 * 3 * 4 * 5).view({2, 3, 4, 5}); }
torch::Tensor labels() { return (torch::arange(2 * 4 * 5) % 3 == 0).to(torch::kLong).view({2, 4, 5}); }

/// What BCE's gradient (sigmoid(z) - t) · weight has for signs: weight's own at t = 0, the opposite at t = 1.
torch::Tensor expected_direction(const torch::Tensor& targets) {
  const auto up = 1 - 2 * targets.to(torch::kFloat).unsqueeze(1);
  return up * Linear().weight.sign();
}

TEST_CASE("on a linear model FGSM's step is epsilon times the sign of the weights, away from the label", "[train]") {
  Linear model;
  const SegmentationLoss loss("bce");
  const auto moved = fgsm(model, loss, images(), labels(), 0.25);
  CHECK(torch::equal(moved, images() + 0.25 * expected_direction(labels())));
  CHECK(torch::equal(fgsm(model, loss, images(), labels(), 0), images()));
}

TEST_CASE("a reversed net is attacked with the loss it was trained with, on reversed labels", "[train]") {
  Linear model;
  const SegmentationLoss loss("bce");
  const auto direction = fgsm_direction(model, loss, images(), labels(), /*reversed=*/true);
  CHECK(torch::equal(direction, expected_direction(1 - labels())));
  const auto trained_with = [&](const torch::Tensor& x) {
    return loss(model(x), reversed_labels(labels())).item<double>();
  };
  CHECK(trained_with(images() + 0.1 * direction) > trained_with(images()));
  // The released code's direction, of labels that are not reversed, lowers that loss: the perturbation would help.
  CHECK(trained_with(images() + 0.1 * fgsm_direction(model, loss, images(), labels())) < trained_with(images()));
}

TEST_CASE("the loss does not fall along FGSM's direction, whatever the loss", "[train]") {
  torch::manual_seed(1);
  torch::nn::Sequential net(torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 6, 3).padding(1)), torch::nn::ReLU(),
                            torch::nn::Conv2d(torch::nn::Conv2dOptions(6, 1, 3).padding(1)));
  const auto model = [&](const torch::Tensor& x) { return net->forward(x); };
  for (const auto& name : segmentation_loss_names()) {
    CAPTURE(name);
    const SegmentationLoss loss(name);
    const auto at = [&](double epsilon) {
      return loss(model(fgsm(model, loss, images(), labels(), epsilon)), labels()).item<double>();
    };
    CHECK(at(1e-3) > at(0));  // far above float32's 1e-7: the slopes are of size 0.1
    CHECK(at(1e-2) > at(1e-3));
  }
  for (const auto& parameter : net->parameters()) CHECK_FALSE(parameter.grad().defined());
}

TEST_CASE("FGSM works where gradients are switched off, and ignored pixels of a pointwise model do not move",
          "[train]") {
  Linear model;
  auto some = labels();
  some.select(0, 1).fill_(-1);
  torch::NoGradGuard no_grad;
  const auto direction = fgsm_direction(model, SegmentationLoss("bce"), images(), some);
  CHECK(direction.abs().sum().item<double>() == 2 * 4 * 5);  // one image, two channels with weight
  CHECK(torch::equal(direction[1], torch::zeros({3, 4, 5})));
  const auto sum = [](const torch::Tensor& logits, const torch::Tensor&) { return (logits * torch::ones(1)).sum(); };
  CHECK_THROWS_WITH(fgsm(model, sum, images(), labels(), -1), Contains("epsilon") && Contains("-1"));
  CHECK_THROWS_WITH(fgsm(model, sum, images(), labels(), std::nan("")), Contains("epsilon"));
  const auto map = [](const torch::Tensor& logits, const torch::Tensor&) { return logits; };
  CHECK_THROWS_WITH(fgsm_direction(model, map, images(), labels()), Contains("must be one number"));
  const auto infinite = [](const torch::Tensor& logits, const torch::Tensor&) { return (logits / 0).sum(); };
  CHECK_THROWS_WITH(fgsm_direction(model, infinite, images(), labels()), Contains("not finite"));
}

}  // namespace train_fgsm_test

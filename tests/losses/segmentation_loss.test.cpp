// SPDX-License-Identifier: MIT
#include <pam/core/options_json.hpp>
#include <pam/losses/segmentation_loss.hpp>
#include <pam/train/graphed_step.hpp>

#include "metrics/python_oracle.hpp"
#include "support/catch.hpp"
#include "support/tensor_matchers.hpp"

#include <cmath>

namespace losses_segmentation_loss_test {
using namespace pam;
using Catch::Contains;
using pam::test::IsClose;

TEST_CASE("SegmentationLoss calls the loss of its name with its options", "[losses]") {
  torch::manual_seed(1);
  const auto logits = torch::randn({2, 1, 4, 4}, torch::kDouble);
  const auto labels = torch::randint(-1, 2, {2, 4, 4}, torch::kLong);
  SegmentationLossOptions options;
  options.reversed = true, options.smooth = 2, options.dice_weight = 0.5, options.bce_weight = 3;
  options.focal_gamma = 1, options.focal_alpha = 0.75, options.tversky_alpha = 0.1, options.tversky_beta = 0.9;
  options.per_image = options.squared_pred = options.jaccard = true;
  const auto value = [&](const char* name) { return SegmentationLoss(name, options)(logits, labels); };

  DiceBceOptions dice;
  dice.reversed = true, dice.smooth = 2, dice.dice_weight = 0.5, dice.bce_weight = 3;
  dice.per_image = dice.squared_pred = dice.jaccard = true;
  BceOptions bce;
  bce.reversed = true;
  FocalOptions focal;
  focal.reversed = true, focal.gamma = 1, focal.alpha = 0.75;
  TverskyOptions tversky;
  tversky.reversed = true, tversky.smooth = 2, tversky.alpha = 0.1, tversky.beta = 0.9, tversky.per_image = true;
  REQUIRE_THAT(value("dice"), IsClose(dice_loss(logits, labels, dice)));
  REQUIRE_THAT(value("bce"), IsClose(bce_loss(logits, labels, bce)));
  REQUIRE_THAT(value("dice_bce"), IsClose(dice_bce_loss(logits, labels, dice)));
  REQUIRE_THAT(value("focal"), IsClose(focal_loss(logits, labels, focal)));
  REQUIRE_THAT(value("tversky"), IsClose(tversky_loss(logits, labels, tversky)));

  // What matters for several classes alone.
  const auto many = torch::randn({2, 3, 4, 4}, torch::kDouble);
  SegmentationLossOptions foreground;
  foreground.include_background = false, foreground.per_class = true;
  dice = DiceBceOptions(), tversky = TverskyOptions();
  dice.include_background = tversky.include_background = false, dice.per_class = tversky.per_class = true;
  REQUIRE_THAT(SegmentationLoss("dice", foreground)(many, labels), IsClose(dice_loss(many, labels, dice)));
  REQUIRE_THAT(SegmentationLoss("dice_bce", foreground)(many, labels), IsClose(dice_bce_loss(many, labels, dice)));
  REQUIRE_THAT(SegmentationLoss("tversky", foreground)(many, labels), IsClose(tversky_loss(many, labels, tversky)));
}

TEST_CASE("the defaults of SegmentationLossOptions are those of the single losses", "[losses]") {
  torch::manual_seed(2);
  const auto logits = torch::randn({2, 3, 4, 4}, torch::kDouble);
  const auto labels = torch::randint(-1, 3, {2, 4, 4}, torch::kLong);
  REQUIRE_THAT(SegmentationLoss("dice")(logits, labels), IsClose(dice_loss(logits, labels)));
  REQUIRE_THAT(SegmentationLoss("bce")(logits, labels), IsClose(bce_loss(logits, labels)));
  REQUIRE_THAT(SegmentationLoss("dice_bce")(logits, labels), IsClose(dice_bce_loss(logits, labels)));
  REQUIRE_THAT(SegmentationLoss("focal")(logits, labels), IsClose(focal_loss(logits, labels)));
  REQUIRE_THAT(SegmentationLoss("tversky")(logits, labels), IsClose(tversky_loss(logits, labels)));
  REQUIRE(segmentation_loss_names().size() == 5);
}

TEST_CASE("an unknown loss names the nearest, and options read from JSON refuse typos", "[losses]") {
  REQUIRE_THROWS_WITH(SegmentationLoss("dicebce"),
                      Contains("no loss \"dicebce\"") && Contains("did you mean dice_bce?") && Contains("tversky"));
  SegmentationLossOptions options;
  options_from_json({{"smooth", 0.5}, {"focal_gamma", 3}, {"jaccard", true}}, options, "config.json");
  REQUIRE(options.jaccard);
  const auto json = options_to_json(SegmentationLossOptions());
  for (const char* key : {"include_background", "per_image", "squared_pred", "jaccard"}) CHECK(json.contains(key));
  REQUIRE(options.smooth == 0.5);
  REQUIRE(options.focal_gamma == 3);
  REQUIRE_THROWS_WITH(options_from_json({{"smoth", 1}}, options, "config.json"), Contains("did you mean smooth"));
}

TEST_CASE("without the check, known labels have the same loss and unknown ones become NaN by the graph's rule",
          "[losses]") {
  torch::manual_seed(4);
  for (const auto& name : segmentation_loss_names()) {
    for (const std::int64_t channels : {1, 3}) {
      CAPTURE(name, channels);
      const SegmentationLoss checked(name);
      SegmentationLoss unchecked(name);
      unchecked.options().check_labels = false;
      auto logits = torch::randn({2, channels, 4, 5}, torch::kDouble).requires_grad_();
      auto labels = torch::randint(-1, std::max<std::int64_t>(2, channels), {2, 4, 5}, torch::kLong);
      // 1e-15: where no pixel is ignored the two sum with and without a mask.
      REQUIRE_THAT(unchecked(logits, labels), IsClose(checked(logits, labels)).rtol(1e-15));
      for (const std::int64_t unknown : {7, -5}) {
        labels[0][1][2] = unknown;
        REQUIRE_THROWS_WITH(checked(logits, labels), Contains("got " + std::to_string(unknown)));
        const auto loss = unchecked(logits, labels);
        REQUIRE(std::isfinite(loss.item<double>()));
        const auto marked = pam::detail::nan_for_unknown_labels(loss, labels, channels, -1);
        REQUIRE(std::isnan(marked.item<double>()));
        marked.backward();
        REQUIRE(logits.grad().abs().max().item<double>() == 0);
      }
    }
  }
}

TEST_CASE("the losses and their gradients equal Python's PyTorch", "[losses]") {
  torch::manual_seed(3);
  const auto flat = [](const torch::Tensor& x) {
    const auto wide = x.detach().to(torch::kDouble).contiguous();
    return std::vector<double>(wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel());
  };
  const std::vector<const char*> names{"dice", "bce", "dice_bce", "focal", "tversky"};
  nlohmann::json data;
  std::vector<torch::Tensor> all_logits, all_labels;
  for (const std::int64_t channels : {1, 3}) {
    all_logits.push_back(2 * torch::randn({2, channels, 6, 5}, torch::kDouble));
    all_labels.push_back(torch::randint(0, std::max<std::int64_t>(2, channels), {2, 6, 5}, torch::kLong));
    data.push_back({{"channels", channels}, {"logits", flat(all_logits.back())}, {"labels", flat(all_labels.back())}});
  }
  // Written from the formulas, with the authors' dice_loss on flattened probabilities, one-hot for classes.
  const auto answer = pam::test::ask_python("torch", R"(
import torch.nn.functional as F
answer = []
for case in data:
    c = case['channels']
    z = torch.tensor(case['logits'], dtype=torch.float64).view(2, c, 6, 5).requires_grad_()
    y = torch.tensor(case['labels']).long().view(2, 6, 5)
    t = y.unsqueeze(1).double() if c == 1 else F.one_hot(y, c).permute(0, 3, 1, 2).double()
    p = torch.sigmoid(z) if c == 1 else torch.softmax(z, 1)
    i, j = p.reshape(-1), t.reshape(-1)
    dice = 1 - (2. * (i * j).sum() + 1) / (i.sum() + j.sum() + 1)
    ce = F.binary_cross_entropy(p, t, reduction='none') if c == 1 else F.nll_loss(p.log(), y, reduction='none').unsqueeze(1)
    p_t = torch.exp(-ce)
    front = (y > 0).double().unsqueeze(1)
    focal = ((0.25 * front + 0.75 * (1 - front)) * (1 - p_t) ** 2 * ce).mean()
    tp, fp, fn = (i * j).sum(), (i * (1 - j)).sum(), ((1 - i) * j).sum()
    tversky = 1 - (tp + 1) / (tp + 0.3 * fp + 0.7 * fn + 1)
    bce = ce.mean()
    answer.append([[loss.item(), torch.autograd.grad(loss, z, retain_graph=True)[0].reshape(-1).tolist()]
                   for loss in (dice, bce, dice + bce, focal, tversky)])
)",
                                            data);
  if (!answer) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
  for (std::size_t i = 0; i < all_logits.size(); ++i) {
    for (std::size_t k = 0; k < names.size(); ++k) {
      CAPTURE(names[k], all_logits[i].size(1));
      auto logits = all_logits[i].clone().requires_grad_();
      const auto loss = SegmentationLoss(names[k])(logits, all_labels[i]);
      loss.backward();
      const auto& [value, gradient] = (*answer)[i][k].get<std::pair<double, std::vector<double>>>();
      // 1e-9: float64 on both sides; Python's log(p) loses digits where p is near 1.
      REQUIRE(loss.item<double>() == Approx(value).epsilon(1e-9));
      REQUIRE_THAT(logits.grad().reshape(-1), IsClose(torch::tensor(gradient, torch::kDouble)).rtol(1e-9).of_largest());
    }
  }
}

TEST_CASE("infinite and NaN logits of ignored pixels change neither a loss nor a gradient", "[losses]") {
  torch::manual_seed(11);
  for (const auto& name : segmentation_loss_names()) {
    const SegmentationLoss loss(name);
    for (const auto type : {torch::kFloat, torch::kDouble}) {  // dice's fused kernel, and the reference
      for (const std::int64_t channels : {1, 3}) {
        const auto kept = torch::randn({2, channels, 3, 4}, type);
        const auto labels = torch::randint(0, std::max<std::int64_t>(2, channels), {2, 3, 4}, torch::kLong);
        auto wanted = kept.clone().requires_grad_();
        const auto expected = loss(wanted, labels);
        expected.backward();
        // The same pixels beside as many ignored ones.
        const auto more_labels = torch::cat({labels, torch::full_like(labels, -1)}, 2);
        for (const double bad : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
          CAPTURE(name, channels, bad);
          auto logits = torch::cat({kept, torch::full_like(kept, bad)}, 3).requires_grad_();
          const auto found = loss(logits, more_labels);
          found.backward();
          REQUIRE_THAT(found, IsClose(expected).rtol(1e-5));  // the same float32 terms in another order
          REQUIRE_THAT(logits.grad().slice(3, 0, 4), IsClose(wanted.grad()).rtol(1e-5).of_largest());
          REQUIRE(logits.grad().slice(3, 4).count_nonzero().item<std::int64_t>() == 0);
        }
      }
    }
  }
}

TEST_CASE("one NaN logit at a pixel that counts makes every loss NaN, so that a trainer can stop", "[losses]") {
  for (const auto& name : segmentation_loss_names()) {
    for (const auto type : {torch::kFloat, torch::kDouble}) {
      for (const std::int64_t channels : {1, 3}) {
        for (const std::int64_t ignored : {0, 1}) {
          CAPTURE(name, channels, ignored);
          auto logits = torch::randn({2, channels, 3, 4}, type);
          logits[1][channels - 1][2][1] = std::nan("");
          auto labels = torch::zeros({2, 3, 4}, torch::kLong);
          labels[0].slice(0, 0, ignored).fill_(-1);
          REQUIRE(std::isnan(SegmentationLoss(name)(logits, labels).item<double>()));
        }
      }
    }
  }
}

}  // namespace losses_segmentation_loss_test

// SPDX-License-Identifier: MIT
/// FGSM, the fast gradient sign method (Goodfellow, Shlens and Szegedy 2015, https://arxiv.org/abs/1412.6572, section
/// 4): the change of given size in every input value that raises the loss most, to first order:
///     x' = x + ε sign(∂ loss(model(x), labels) / ∂x)
/// For a table of how scores fall under small perturbations, separate from the clean scores.
///
/// This paper's authors score only FGSM inputs (ε = 0.2, clamped to [0, 1]) and, for reversed nets, take the gradient
/// at labels that are not reversed, which lowers the loss that the net was trained with: the perturbation then helps.
/// Here the loss is always the one that the net was trained with, and nothing is clamped, since normalised inputs have
/// no bounds.
#pragma once

#include <pam/core/error.hpp>
#include <pam/train/reversed_labels.hpp>

#include <cmath>
#include <utility>

namespace pam {

/// sign(∂ loss / ∂ images): -1, 0 or 1 in the shape and type of `images`, (N, C, H, W). `reversed`: the net was trained
/// on 1 - label. The model's mode and its parameters' gradients do not change. Throws `Error` if the loss is not one
/// number or the gradient is not finite, and as `reversed_labels` does.
template <typename Model, typename Loss>
torch::Tensor fgsm_direction(Model& model, Loss&& loss, const torch::Tensor& images, const torch::Tensor& labels,
                             bool reversed = false) {
  const torch::AutoGradMode with_gradients(true);
  const auto input = images.detach().clone().requires_grad_(true);
  const torch::Tensor logits = model(input);
  if (reversed) check_reversible(logits);
  const torch::Tensor value = loss(logits, reversed ? reversed_labels(labels) : labels);
  check(value.defined() && value.numel() == 1, "fgsm: the loss must be one number, got shape {}", shape_string(value));
  const auto gradient = torch::autograd::grad({value}, {input}, {}, /*retain_graph=*/false, /*create_graph=*/false,
                                              /*allow_unused=*/true)[0];
  if (!gradient.defined()) return torch::zeros_like(images);
  check(torch::isfinite(gradient).all().template item<bool>(),
        "fgsm: the gradient of the loss with respect to the images is not finite; look at the images and the weights");
  return gradient.sign();
}

/// `images` perturbed by `epsilon` (in their own units, not negative) towards a larger loss; see `fgsm_direction`.
template <typename Model, typename Loss>
torch::Tensor fgsm(Model& model, Loss&& loss, const torch::Tensor& images, const torch::Tensor& labels, double epsilon,
                   bool reversed = false) {
  check(std::isfinite(epsilon) && epsilon >= 0, "fgsm: epsilon must be a number from 0 on, got {}", epsilon);
  return images + epsilon * fgsm_direction(model, std::forward<Loss>(loss), images, labels, reversed);
}

}  // namespace pam

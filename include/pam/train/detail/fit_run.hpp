// SPDX-License-Identifier: MIT
/// `fit` without templates: what it needs to know about model, batches and loss, and the function that runs it.
#pragma once

#include <pam/core/config.hpp>
#include <pam/data/batch_source.hpp>
#include <pam/train/distributed/communicator.hpp>
#include <pam/train/fit_options.hpp>

#include <functional>
#include <optional>

namespace pam::detail {

using Forward = std::function<torch::Tensor(const torch::Tensor& images)>;
/// Sets the parameters' gradients to those of a batch -> its loss, without a graph for autograd.
using BatchGradients = std::function<torch::Tensor(const torch::Tensor& images, const torch::Tensor& labels)>;

/// The parts of a training. Holds references.
struct Training {
  torch::nn::Module& module;
  Forward forward;
  std::optional<bool> reversed;  ///< whether the net learns 1 - label, where it says so
  BatchSource& batches;
  std::function<torch::Tensor(const torch::Tensor& logits, const torch::Tensor& labels)> loss;
  bool loss_reverses;  ///< the loss reverses the labels by its own option
  torch::optim::Optimizer& optimizer;
  /// Records the gradients of batches like this one (train/graphed_step.hpp), which pass through `forward`.
  std::function<BatchGradients(Forward forward, const torch::Tensor& images, const torch::Tensor& labels)> record;
};

FitResult run_fit(const Training& training, const FitOptions& options, const EventHandler& on_event,
                  Communicator& communicator);

}  // namespace pam::detail

#ifndef PAM_COMPILED
#include <pam/train/detail/fit_run-inl.hpp>
#endif

// SPDX-License-Identifier: MIT
/// `fit`: trains any module, and can be resumed after a killed process, a full disk, Ctrl-C or a NaN.
/// It is a short template around one loop that is compiled once (train/detail/fit_run.hpp).
#pragma once

#include <pam/core/reversible.hpp>
#include <pam/train/detail/batch_adapter.hpp>
#include <pam/train/detail/fit_run.hpp>
#include <pam/train/detail/model_view.hpp>
#include <pam/train/distributed/single_process.hpp>
#include <pam/train/fit_options.hpp>
#include <pam/train/graphed_step.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace pam {

/// Trains `model` for `options.epochs` epochs and returns how it ended; the model is then in training mode.
///
/// `model`    a module holder, a `Network`, or a module with `forward`: images (N, C, H, W) -> logits
/// `batches`  a `DataLoader` or another `BatchSource`, a torch::data loader (`*loader`), or a std::vector of batches. A
///            batch is a `Batch`, a pair {images, labels} or a torch::data::Example; names of its cases are optional.
///            Those that do not know their number of batches need `FitOptions::batches_per_epoch`. A torch::data loader
///            whose iteration was stopped within an epoch must be made anew.
/// `loss`     loss(logits, labels) -> scalar
///
/// Everything that the result depends on is a function of (weights, seed, step), so a run that was stopped at any
/// moment and resumed ends, on a CPU with the same number of threads, with the same weights bit for bit. The learning
/// rate of `optimizer` (AdamW, Adam or SGD) is the base of the schedule and is restored at the end, as is the default
/// CPU generator's state. Gradients that the parameters had before are dropped. Events go to `on_event`, only in
/// process 0. Whether the net learns reversed labels (RFNA) is taken from the net. Throws `Error`: options out of
/// range, an empty loader, an optimizer of another model, a directory that holds a run already or cannot be written, a
/// checkpoint of another net, optimizer or settings, reversed labels with several classes, and a loss or gradient that
/// is not finite (the batch's cases are named, the last good checkpoint stays).
/// Example: `auto result = fit(net, loader, loss, optimizer, options, ProgressBar());`
template <typename Model, typename Batches, typename Loss>
FitResult fit(Model& model, Batches& batches, Loss&& loss, torch::optim::Optimizer& optimizer,
              const FitOptions& options = {}, const EventHandler& on_event = {}) {
  SingleProcess alone;
  return fit(model, batches, loss, optimizer, options, on_event, alone);
}

/// The same in one of several processes that train together (train/distributed/process_group.hpp).
template <typename Model, typename Batches, typename Loss>
FitResult fit(Model& model, Batches& batches, Loss&& loss, torch::optim::Optimizer& optimizer,
              const FitOptions& options, const EventHandler& on_event, Communicator& communicator) {
  using LossType = std::remove_reference_t<Loss>;
  static_assert(
      detail::is_net<std::remove_const_t<Model>>,
      "pam::fit: the model must be a module holder such as pam::UNet, a pam::Network, or a torch::nn::Module");
  static_assert(std::is_invocable_r_v<torch::Tensor, LossType&, const torch::Tensor&, const torch::Tensor&>,
                "pam::fit: the loss must be callable as loss(logits, labels) with two tensors, and return a tensor");
  auto& module = detail::module_of(model);
  const auto record = [&](detail::Forward forward, const torch::Tensor& images,
                          const torch::Tensor& labels) -> detail::BatchGradients {
    if constexpr (std::is_constructible_v<std::decay_t<LossType>, LossType&>) {
      using Step = GraphedTrainingStep<detail::ModelView, std::decay_t<LossType>>;
      auto step =
          std::make_shared<Step>(detail::ModelView{&module, std::move(forward)}, loss, optimizer, images, labels);
      return [step](const torch::Tensor& x, const torch::Tensor& y) { return step->backward(x, y); };
    } else {
      return {};  // a loss that cannot be copied
    }
  };
  return detail::with_batch_source(batches, options.seed, [&](BatchSource& source) {
    const detail::Training training{
        module,
        detail::forward_of(model),
        reversed_of(model),
        source,
        [&loss](const torch::Tensor& logits, const torch::Tensor& labels) { return loss(logits, labels); },
        detail::reverses_labels<LossType>::ask(loss),
        optimizer,
        record};
    return detail::run_fit(training, options, on_event, communicator);
  });
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// `fit`: trains any module, and comes back from anything: a killed process, a full disk, Ctrl-C, a NaN.
/// The loop is a template over four duck types; it knows neither pam's data sets nor its nets and losses.
///
///   Model         model(images) -> logits; model->named_parameters(), named_buffers(), train(), eval()
///   Loader        start_epoch(epoch from 0); std::optional<Batch> next(); batches() per epoch; wait_seconds() that
///                 next() blocked since start_epoch; skip(n) where it can do better than n times next(). What it gives
///                 is a function of the epoch alone. Batch: images, labels, case_names, slices
///   Loss          loss(logits, labels) -> scalar
///   Communicator  see train/distributed/communicator.hpp
#pragma once

#include <pam/core/seed.hpp>
#include <pam/train/detail/fit_run.hpp>
#include <pam/train/distributed/communicator.hpp>
#include <pam/train/fit_options.hpp>

#include <memory>
#include <type_traits>

namespace pam {

/// Trains `model` for `options.epochs` epochs and returns how it ended; the model is then in training mode.
/// Everything that the result depends on is a function of (weights, seed, step), so a run that was stopped at any
/// moment and resumed ends, on a CPU with the same number of threads, with the same weights bit for bit. The learning
/// rate of `optimizer` (AdamW, Adam or SGD) is the base of the schedule and comes back at the end, as does the default
/// CPU generator's state. Gradients that the parameters had before are dropped. Events go to `on_event`, of process 0
/// alone. Throws `Error`: options out of range, an empty loader, an optimizer of another model, a directory that holds
/// a run already or cannot be written, a checkpoint of another net, optimizer or settings, reversed labels with several
/// classes, and a loss or gradient that is not finite (the batch's cases are named, the last good checkpoint stays).
/// Example: `auto result = fit(net, loader, loss, optimizer, options, ProgressBar());`
template <typename Model, typename Loader, typename Loss, typename Communicator = SingleProcess>
FitResult fit(Model& model, Loader& loader, Loss&& loss, torch::optim::Optimizer& optimizer, const FitOptions& options,
              const EventHandler& on_event = {}, Communicator&& communicator = Communicator{}) {
  const SeedScope generators(static_cast<std::uint64_t>(options.seed + communicator.rank()));
  const auto signals = options.catch_signals ? std::make_unique<InterruptScope>() : nullptr;
  using Run = detail::FitRun<Model, Loader, std::remove_reference_t<Loss>, std::remove_reference_t<Communicator>>;
  return Run(model, loader, loss, optimizer, options, on_event, communicator).run();
}

}  // namespace pam

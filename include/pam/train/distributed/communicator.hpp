// SPDX-License-Identifier: MIT
/// What `fit` asks of the processes that train together, and the answer of one process alone.
/// Several processes: train/distributed/process_group.hpp offers the same functions over c10d.
#pragma once

#include <pam/core/torch.hpp>

#include <cstdint>

namespace pam {

/// One process: nothing to send, nothing to wait for, no c10d. Every Communicator offers these functions.
class SingleProcess {
 public:
  /// This process, from 0; rank 0 writes files and emits events.
  [[nodiscard]] std::int64_t rank() const { return 0; }
  /// How many processes there are.
  [[nodiscard]] std::int64_t world() const { return 1; }
  /// Gives every process rank 0's parameters and buffers.
  template <typename Model>
  void broadcast(Model&) {}
  /// Called just before the last backward pass of an optimizer step: gradients may be sent as they become ready.
  template <typename Model>
  void begin_gradients(Model&) {}
  /// After the backward pass: every process then holds the mean over the processes of each gradient.
  template <typename Model>
  void average_gradients(Model&) {}
  /// The sum of `tensor` over the processes. Where `tensor` requires a gradient, so does the sum: its backward pass
  /// multiplies by world(), which `average_gradients` divides out again, so a loss of global sums has the gradient of
  /// one process with the whole batch.
  [[nodiscard]] torch::Tensor sum(const torch::Tensor& tensor) { return tensor; }
  /// Returns when every process has come here.
  void barrier() {}
};

}  // namespace pam

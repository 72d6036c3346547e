// SPDX-License-Identifier: MIT
/// `Communicator`: the operations that `fit` needs between processes that train together.
#pragma once

#include <pam/core/torch.hpp>

#include <cstdint>

namespace pam {

/// The processes of one training. Implemented by `SingleProcess` (train/distributed/single_process.hpp) and by
/// `ProcessGroup` over c10d (train/distributed/process_group.hpp). All processes must call the functions equally often
/// and in the same order.
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  /// This process, from 0; rank 0 writes files and emits events.
  [[nodiscard]] virtual std::int64_t rank() const = 0;
  /// The number of processes.
  [[nodiscard]] virtual std::int64_t world_size() const = 0;
  /// Gives every process rank 0's parameters and buffers.
  virtual void broadcast(torch::nn::Module& model) = 0;
  /// Called just before the last backward pass of an optimizer step: gradients may be sent as they become ready.
  virtual void begin_gradients(torch::nn::Module& model) = 0;
  /// After the backward pass: every process then holds the mean over the processes of each gradient.
  virtual void average_gradients(torch::nn::Module& model) = 0;
  /// The sum of `tensor` over the processes. Where `tensor` requires a gradient, so does the sum: its backward pass
  /// multiplies by world_size(), which `average_gradients` divides out again, so a loss of global sums has the gradient
  /// of one process with the whole batch.
  [[nodiscard]] virtual torch::Tensor sum(const torch::Tensor& tensor) = 0;
  /// Returns when every process has called it.
  virtual void barrier() = 0;
};

}  // namespace pam

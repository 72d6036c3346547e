// SPDX-License-Identifier: MIT
/// `SingleProcess`: a training in this process alone; nothing is sent and nothing is waited for. Needs no c10d.
#pragma once

#include <pam/train/distributed/communicator.hpp>

namespace pam {

/// One process.
class SingleProcess final : public Communicator {
 public:
  [[nodiscard]] std::int64_t rank() const override { return 0; }
  [[nodiscard]] std::int64_t world_size() const override { return 1; }
  void broadcast(torch::nn::Module& /*model*/) override {}
  void begin_gradients(torch::nn::Module& /*model*/) override {}
  void average_gradients(torch::nn::Module& /*model*/) override {}
  [[nodiscard]] torch::Tensor sum(const torch::Tensor& tensor) override { return tensor; }
  void barrier() override {}
};

}  // namespace pam

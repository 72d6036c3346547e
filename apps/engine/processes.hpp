// SPDX-License-Identifier: MIT
/// `Processes`: the processes that train together, for programs: one of them, or several that torchrun, srun or a shell
/// loop started. `ProcessScope` connects them, once per program; `processes()` are those of the innermost scope.
#pragma once

#include <pam/train/distributed/communicator.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace pam::apps {

/// A `Communicator`, over c10d or of one process, and this process's place among the others.
class Processes {
 public:
  /// Only this process, whatever the environment says.
  Processes();
  /// Meets the others that the environment names; throws `Error` where they do not come within `timeout`, and where
  /// this program was built without what several processes need.
  explicit Processes(std::chrono::milliseconds timeout);
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  /// For `fit`.
  [[nodiscard]] Communicator& communicator() { return *communicator_; }
  [[nodiscard]] std::int64_t rank() const { return communicator_->rank(); }
  [[nodiscard]] std::int64_t world_size() const { return communicator_->world_size(); }
  /// This process among those of its machine: which GPU to take.
  [[nodiscard]] std::int64_t local_rank() const { return local_rank_; }
  [[nodiscard]] torch::Tensor sum(const torch::Tensor& tensor) { return communicator_->sum(tensor); }
  void barrier() { communicator_->barrier(); }

  /// The process that writes files, scores and prints.
  [[nodiscard]] bool first() const { return rank() == 0; }
  /// Whether `flag` holds in any process; the same answer in all. All processes must call it equally often.
  [[nodiscard]] bool any(bool flag);
  /// The device that `name` means here: with several processes, "auto" and "cuda" are the GPU of this one's number.
  [[nodiscard]] torch::Device device(const std::string& name) const;

 private:
  std::unique_ptr<Communicator> communicator_;
  std::int64_t local_rank_ = 0;
};

/// During its lifetime `processes()` are those that the environment names, and all but the first print nothing. A scope
/// within a scope changes nothing.
class ProcessScope {
 public:
  /// Meets the others; each later wait for them is at most `timeout` seconds too.
  explicit ProcessScope(double timeout);
  ProcessScope(const ProcessScope&) = delete;
  ProcessScope& operator=(const ProcessScope&) = delete;
  ~ProcessScope();

 private:
  std::unique_ptr<Processes> own_;  ///< null in an inner scope
};

/// The processes of the open scope. Without one: this process alone, and `Error` where the environment names more.
Processes& processes();

}  // namespace pam::apps

// SPDX-License-Identifier: MIT
#include "engine/processes.hpp"

#include "engine/experiment_options.hpp"

#include <pam/train/distributed/process_group.hpp>

#include <fmt/format.h>

#include <iostream>

namespace pam::apps {
namespace {

Processes* open_processes = nullptr;

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
}

}  // namespace

class Processes::Interface {
 public:
  Interface() = default;
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;
  virtual ~Interface() = default;
  [[nodiscard]] virtual std::int64_t rank() const = 0;
  [[nodiscard]] virtual std::int64_t world() const = 0;
  virtual void broadcast(Network& net) = 0;
  virtual void begin_gradients(Network& net) = 0;
  virtual void average_gradients(Network& net) = 0;
  virtual torch::Tensor sum(const torch::Tensor& tensor) = 0;
  virtual void barrier() = 0;
};

template <typename Communicator>
class Processes::Wrapped final : public Interface {
 public:
  template <typename... Arguments>
  explicit Wrapped(const Arguments&... arguments) : group_(arguments...) {}
  std::int64_t rank() const override { return group_.rank(); }
  std::int64_t world() const override { return group_.world(); }
  void broadcast(Network& net) override { group_.broadcast(net); }
  void begin_gradients(Network& net) override { group_.begin_gradients(net); }
  void average_gradients(Network& net) override { group_.average_gradients(net); }
  torch::Tensor sum(const torch::Tensor& tensor) override { return group_.sum(tensor); }
  void barrier() override { group_.barrier(); }

 private:
  Communicator group_;
};

Processes::Processes() : self_(std::make_unique<Wrapped<SingleProcess>>()) {}

Processes::Processes(std::chrono::milliseconds timeout) {
  const auto environment = process_environment();
  local_rank_ = environment.local_rank;
  if (environment.world == 1) {
    self_ = std::make_unique<Wrapped<SingleProcess>>();
    return;
  }
#if PAM_HAS_PROCESS_GROUP
  ProcessGroupOptions options;
  options.timeout = timeout;
  self_ = std::make_unique<Wrapped<ProcessGroup>>(environment, options);
#else
  static_cast<void>(timeout);
  fail_without_process_group(environment);
#endif
}

Processes::~Processes() = default;

std::int64_t Processes::rank() const { return self_->rank(); }
std::int64_t Processes::world() const { return self_->world(); }
void Processes::broadcast(Network& net) { self_->broadcast(net); }
void Processes::begin_gradients(Network& net) { self_->begin_gradients(net); }
void Processes::average_gradients(Network& net) { self_->average_gradients(net); }
torch::Tensor Processes::sum(const torch::Tensor& tensor) { return self_->sum(tensor); }
void Processes::barrier() { self_->barrier(); }

bool Processes::any(bool flag) {
  if (world() == 1) return flag;
  return sum(torch::tensor({static_cast<std::int64_t>(flag)}, torch::kLong)).item<std::int64_t>() > 0;
}

torch::Device Processes::device(const std::string& name) const {
  if (world() == 1 || (name != "auto" && name != "cuda") || !torch::cuda::is_available()) return find_device(name);
  return find_device(fmt::format("cuda:{}", local_rank_));
}

ProcessScope::ProcessScope(double timeout) {
  if (open_processes != nullptr) return;
  own_ = std::make_unique<Processes>(milliseconds_of(timeout));
  open_processes = own_.get();
  if (own_->first()) return;
  std::cout.setstate(std::ios::failbit);
  std::cerr.setstate(std::ios::failbit);
}

ProcessScope::~ProcessScope() {
  if (!own_) return;
  open_processes = nullptr;
  if (own_->first()) return;
  std::cout.clear();
  std::cerr.clear();
}

Processes& processes() {
  if (open_processes != nullptr) return *open_processes;
  const auto environment = process_environment();
  check(environment.world == 1,
        "this is process {} of {} (WORLD_SIZE, or Slurm's tasks), but this program works in one process; start it "
        "once, or train with one of the train programs, which share the work",
        environment.rank, environment.world);
  static Processes alone;
  return alone;
}

}  // namespace pam::apps

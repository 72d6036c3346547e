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

Processes::Processes() : communicator_(std::make_unique<SingleProcess>()) {}

Processes::Processes(std::chrono::milliseconds timeout) {
  const auto environment = process_environment();
  local_rank_ = environment.local_rank;
  if (environment.world_size == 1) {
    communicator_ = std::make_unique<SingleProcess>();
    return;
  }
#if PAM_HAS_PROCESS_GROUP
  ProcessGroupOptions options;
  options.timeout = timeout;
  communicator_ = std::make_unique<ProcessGroup>(environment, options);
#else
  static_cast<void>(timeout);
  fail_without_process_group(environment);
#endif
}

bool Processes::any(bool flag) {
  if (world_size() == 1) return flag;
  return sum(torch::tensor({static_cast<std::int64_t>(flag)}, torch::kLong)).item<std::int64_t>() > 0;
}

torch::Device Processes::device(const std::string& name) const {
  if (world_size() == 1 || (name != "auto" && name != "cuda") || !torch::cuda::is_available()) return find_device(name);
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
  check(environment.world_size == 1,
        "this is process {} of {} (WORLD_SIZE, or Slurm's tasks), but this program works in one process; start it "
        "once, or use `train`, which shares the work",
        environment.rank, environment.world_size);
  static Processes alone;
  return alone;
}

}  // namespace pam::apps

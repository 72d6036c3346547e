// SPDX-License-Identifier: MIT
/// Several processes that train together, over LibTorch's c10d: gloo between CPUs, NCCL between GPUs where LibTorch has
/// it. Needs gloo's headers (Debian: libgloo-dev); without them PAM_HAS_PROCESS_GROUP is 0 and only single processes
/// work.
///
/// Every process computes another part of each batch; gradients are averaged in buckets during the backward pass
/// (train/distributed/detail/gradient_buckets.hpp). The processes are started by torchrun, srun, or a shell loop that
/// sets the same variables:
///   for r in 0 1; do RANK=$r WORLD_SIZE=2 ./train … & done; wait
#pragma once

#include <pam/core/unique_parameters.hpp>
#include <pam/train/distributed/communicator.hpp>
#include <pam/train/distributed/detail/gradient_buckets.hpp>
#include <pam/train/distributed/process_environment.hpp>
#include <pam/train/distributed/single_process.hpp>

#include <chrono>
#include <utility>

#if defined(USE_C10D_GLOO) && __has_include(<gloo/rendezvous/store.h>) && \
    __has_include(<torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>)
#define PAM_HAS_PROCESS_GROUP 1
#else
#define PAM_HAS_PROCESS_GROUP 0
#endif

namespace pam {

struct ProcessGroupOptions {
  std::chrono::milliseconds timeout = std::chrono::minutes(5);  ///< how long a process waits for the others
  BucketOptions buckets;
};

}  // namespace pam

#if PAM_HAS_PROCESS_GROUP
#include <pam/train/distributed/detail/socket_store.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#if defined(USE_C10D_NCCL) && __has_include(<nccl.h>) && __has_include(<cuda_runtime_api.h>)
#define PAM_HAS_NCCL 1
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#else
#define PAM_HAS_NCCL 0
#endif

namespace pam {

/// The `Communicator` over c10d. Its functions throw `Error` if another process ends or does not answer in time.
class ProcessGroup final : public Communicator {
 public:
  /// Connects to the other processes; throws `Error` if they do not answer within the timeout.
  explicit ProcessGroup(const ProcessEnvironment& environment = process_environment(),
                        const ProcessGroupOptions& options = {})
      : environment_(environment), options_(options) {
    guarded("meeting the other processes", [&] {
      store_ = c10::make_intrusive<c10d::PrefixStore>("/worker/attempt_" + environment.attempt, make_store());
      auto gloo = c10d::ProcessGroupGloo::Options::create(options.timeout);
      // On loopback this is loopback: gloo must not listen elsewhere either.
      const auto own = detail::own_address_towards(environment.address, environment.port);
      gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(own));
      gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(prefixed("gloo"), static_cast<int>(environment.rank),
                                                          static_cast<int>(environment.world_size), gloo);
    });
    barrier();
  }

  [[nodiscard]] std::int64_t rank() const override { return environment_.rank; }
  [[nodiscard]] std::int64_t world_size() const override { return environment_.world_size; }
  /// Which GPU of this machine this process should take.
  [[nodiscard]] std::int64_t local_rank() const { return environment_.local_rank; }

  void broadcast(torch::nn::Module& model) override {
    torch::NoGradGuard no_grad;
    for (auto& item : model.named_parameters()) broadcast_tensor(item.value());
    for (auto& item : model.named_buffers()) broadcast_tensor(item.value());
  }

  void begin_gradients(torch::nn::Module& model) override { buckets_of(unique_parameters(model.parameters())).arm(); }

  /// A parameter without gradient in this process counts as zero.
  void average_gradients(torch::nn::Module& model) override {
    guarded("averaging gradients", [&] { buckets_of(unique_parameters(model.parameters())).finish(world_size()); });
  }

  /// The sum over the processes, on `tensor`'s device; see `Communicator::sum` for its gradient. As a loss's
  /// `reduce_sums` it makes the loss that of the global batch:
  /// `options.reduce_sums = [&](torch::Tensor sums) { return group.sum(sums); };`
  [[nodiscard]] torch::Tensor sum(const torch::Tensor& tensor) override {
    auto total = tensor.detach().clone(torch::MemoryFormat::Contiguous);
    guarded("summing", [&] { start_all_reduce(total)(); });
    if (!tensor.requires_grad() || !torch::GradMode::is_enabled()) return total;
    // The difference is exactly 0: the value is the total to the last bit, the gradient world_size() times the incoming
    // one.
    return total + static_cast<double>(world_size()) * (tensor - tensor.detach());
  }

  void barrier() override { static_cast<void>(sum(torch::zeros({1}))); }

 private:
  /// c10d's errors as one sentence.
  template <typename Act>
  void guarded(const char* what, Act&& act) {
    try {
      act();
    } catch (const Error& error) {
      fail("process {} of {}: {} failed: {}", rank(), world_size(), what, error.what());
    } catch (const std::exception& error) {
      std::string reason = error.what();
      reason = reason.substr(0, reason.find('\n'));
      fail(
          "process {} of {}: {} failed: another process has ended, or did not answer within {} s; its own message says "
          "why (here: {})",
          rank(), world_size(), what, std::chrono::duration<double>(options_.timeout).count(), reason);
    }
  }

  c10::intrusive_ptr<c10d::Store> make_store() {
    if (!environment_.agent_store) {
      return c10::make_intrusive<SocketStore>(environment_.address, environment_.port, rank() == 0, options_.timeout);
    }
    c10d::TCPStoreOptions options;
    options.port = environment_.port;
    options.timeout = options_.timeout;
    return c10::make_intrusive<c10d::TCPStore>(environment_.address, options);
  }
  c10::intrusive_ptr<c10d::Store> prefixed(const std::string& name) {
    return c10::make_intrusive<c10d::PrefixStore>(name, store_);
  }

  void broadcast_tensor(torch::Tensor& tensor) {
    std::vector<torch::Tensor> sent{tensor.detach().clone(torch::MemoryFormat::Contiguous)};
    guarded("broadcasting", [&] { on_backend(sent[0], [&](auto& backend) { backend.broadcast(sent)->wait(); }); });
    tensor.detach().copy_(sent[0]);
  }

  /// Starts summing `tensor` in place; the returned function waits.
  std::function<void()> start_all_reduce(torch::Tensor& tensor) {
    auto sent = std::make_shared<std::vector<torch::Tensor>>(1, tensor);  // c10d wants the vector alive until the end
    std::function<void()> wait;
    on_backend(tensor, [&](auto& backend) {
      auto work = backend.allreduce(*sent);
      wait = [work, sent] { work->wait(); };
    });
    return wait;
  }

  /// Calls `act` with NCCL for tensors on a GPU, where there is NCCL, else with gloo.
  template <typename Act>
  void on_backend(const torch::Tensor& tensor, Act&& act) {
#if PAM_HAS_NCCL
    if (tensor.is_cuda()) {
      if (!nccl_) {
        auto options = c10d::ProcessGroupNCCL::Options::create();
        options->timeout = options_.timeout;
        nccl_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(prefixed("nccl"), static_cast<int>(rank()),
                                                            static_cast<int>(world_size()), options);
      }
      return act(*nccl_);
    }
#else
    static_cast<void>(tensor);
#endif
    act(*gloo_);
  }

  GradientBuckets& buckets_of(const std::vector<torch::Tensor>& parameters) {
    if (!buckets_ || !buckets_->holds(parameters)) {
      buckets_.emplace(
          parameters, [this](torch::Tensor& flat) { return start_all_reduce(flat); }, options_.buckets);
    }
    return *buckets_;
  }

  ProcessEnvironment environment_;
  ProcessGroupOptions options_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
#if PAM_HAS_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl_;
#endif
  std::optional<GradientBuckets> buckets_;
};

}  // namespace pam
#endif  // PAM_HAS_PROCESS_GROUP

namespace pam {

/// The error of a build without gloo's headers when it is started as several processes.
[[noreturn]] inline void fail_without_process_group(const ProcessEnvironment& environment) {
  fail(
      "this is process {} of {}, but this program was built without gloo's headers, which several processes need; "
      "install them (Debian: libgloo-dev) and build again, or run one process",
      environment.rank, environment.world_size);
}

/// Calls `act(communicator)` with a `ProcessGroup` where the environment says that this is one of several processes,
/// else with a `SingleProcess`. Throws `Error` for several processes in a build without gloo's headers.
template <typename Act>
auto with_processes(Act&& act, const ProcessGroupOptions& options = {}) {
  const auto environment = process_environment();
  if (environment.world_size > 1) {
#if PAM_HAS_PROCESS_GROUP
    ProcessGroup group(environment, options);
    return act(group);
#else
    static_cast<void>(options);
    fail_without_process_group(environment);
#endif
  }
  SingleProcess alone;
  return act(alone);
}

}  // namespace pam

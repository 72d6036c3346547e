// SPDX-License-Identifier: MIT
/// Gradients in buckets, summed over processes while the backward pass still runs.
/// Constants and order are PyTorch DDP's (Li et al. 2020, https://arxiv.org/abs/2006.15704, section 3.2): parameters in
/// reverse order of registration, because the last layers' gradients are ready first; a first bucket of 1 MiB, so that
/// sending starts early; then 25 MiB.
#pragma once

#include <pam/core/torch.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace pam {

struct BucketOptions {
  std::int64_t first_bytes = std::int64_t{1} << 20;
  std::int64_t bytes = std::int64_t{25} << 20;
};

/// Starts summing a tensor over the processes, in place, and returns a function that waits for the sum.
using StartAllReduce = std::function<std::function<void()>(torch::Tensor&)>;

/// The buckets of one set of parameters. Hooks in autograd start a bucket when its last gradient is ready; buckets are
/// always started in the same order, so that all processes agree on which sum is which.
class GradientBuckets {
 public:
  GradientBuckets(const std::vector<torch::Tensor>& parameters, StartAllReduce start, const BucketOptions& options = {})
      : state_(std::make_shared<State>()) {
    state_->start = std::move(start);
    for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
      if (parameter->requires_grad()) state_->add(*parameter, options);
    }
    for (std::size_t i = 0; i < state_->slots.size(); ++i) hook(i);
  }

  /// Before the backward pass whose gradients are complete: buckets start as they fill.
  void arm() { state_->reset(true); }

  /// After it: starts what has not started (gradients that are undefined count as zeros), waits, and leaves sum / count
  /// in every gradient.
  void finish(std::int64_t count) {
    if (!state_->armed) state_->reset(false);
    state_->armed = false;
    torch::NoGradGuard no_grad;
    while (state_->next < state_->buckets.size()) state_->start_next();
    for (auto& bucket : state_->buckets) {
      bucket.wait();
      bucket.flat.div_(count);
      std::int64_t begin = 0;
      for (const auto slot : bucket.slots) {
        auto& parameter = state_->slots[slot].parameter;
        const auto mean = bucket.flat.narrow(0, begin, parameter.numel()).view(parameter.sizes());
        begin += parameter.numel();
        if (parameter.grad().defined()) parameter.mutable_grad().copy_(mean);
        if (!parameter.grad().defined()) parameter.mutable_grad() = mean.clone();
      }
      bucket.flat = torch::Tensor();
    }
  }

  /// The number of buckets, and how many have started since `arm`.
  [[nodiscard]] std::size_t size() const { return state_->buckets.size(); }
  [[nodiscard]] std::size_t started() const { return state_->next; }
  /// Whether the buckets were made for exactly these parameters.
  [[nodiscard]] bool holds(const std::vector<torch::Tensor>& parameters) const {
    std::size_t slot = 0;
    for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
      if (!parameter->requires_grad()) continue;
      if (slot == state_->slots.size() || !state_->slots[slot].parameter.is_same(*parameter)) return false;
      ++slot;
    }
    return slot == state_->slots.size();
  }

 private:
  struct Slot {
    torch::Tensor parameter;
    std::size_t bucket = 0;
    bool ready = false;
    // Autograd keeps it weakly, and the hook lives on it. A std::shared_ptr in 1.13, an intrusive one in 2.15.
    decltype(torch::autograd::impl::grad_accumulator(std::declval<const torch::Tensor&>())) accumulator;
  };
  struct Bucket {
    std::vector<std::size_t> slots;
    std::int64_t bytes = 0;
    std::size_t missing = 0;
    torch::Tensor flat;
    std::function<void()> wait;
  };
  struct State {
    std::vector<Slot> slots;
    std::vector<Bucket> buckets;
    StartAllReduce start;
    std::size_t next = 0;  ///< the bucket to start next
    bool armed = false;

    void add(const torch::Tensor& parameter, const BucketOptions& options) {
      const auto bytes = parameter.numel() * parameter.element_size();
      const auto limit = buckets.size() <= 1 ? options.first_bytes : options.bytes;
      const bool fits = !buckets.empty() && buckets.back().bytes + bytes <= limit &&
                        slots.back().parameter.options().type_equal(parameter.options());
      if (!fits) buckets.emplace_back();
      buckets.back().slots.push_back(slots.size());
      buckets.back().bytes += bytes;
      slots.push_back({parameter, buckets.size() - 1, false, {}});
    }
    void reset(bool arm) {
      armed = arm;
      next = 0;
      for (auto& slot : slots) slot.ready = false;
      for (auto& bucket : buckets) bucket.missing = bucket.slots.size();
    }
    void gradient_ready(std::size_t slot) {
      if (!armed || std::exchange(slots[slot].ready, true)) return;
      --buckets[slots[slot].bucket].missing;
      torch::NoGradGuard no_grad;
      while (next < buckets.size() && buckets[next].missing == 0) start_next();
    }
    void start_next() {
      auto& bucket = buckets[next++];
      std::vector<torch::Tensor> gradients;
      for (const auto slot : bucket.slots) {
        const auto& parameter = slots[slot].parameter;
        gradients.push_back(parameter.grad().defined() ? parameter.grad().reshape(-1)
                                                       : torch::zeros({parameter.numel()}, parameter.options()));
      }
      bucket.flat = torch::cat(gradients);
      bucket.wait = start(bucket.flat);
    }
  };
  struct Hook final : torch::autograd::FunctionPostHook {
    Hook(std::weak_ptr<State> state_, std::size_t slot_) : state(std::move(state_)), slot(slot_) {}
    torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                              const torch::autograd::variable_list&) override {
      if (const auto alive = state.lock()) alive->gradient_ready(slot);
      return outputs;
    }
    std::weak_ptr<State> state;  // a parameter may outlive its buckets
    std::size_t slot;
  };

  void hook(std::size_t slot) {
    auto& entry = state_->slots[slot];
    entry.accumulator = torch::autograd::impl::grad_accumulator(entry.parameter);
    entry.accumulator->add_post_hook(std::make_unique<Hook>(state_, slot));
  }

  std::shared_ptr<State> state_;
};

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Counts what a piece of work would ask of a GPU, on a machine without one: tensors are on the CPU, pam takes the path
/// of its CUDA kernels, and LibTorch's operators are counted as they are called.
#pragma once

#include <pam/kernels/detail/cuda/device.hpp>

#include "support/recorded_inputs.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace pam::test {

/// In the place of a GPU while it lives; notes what is launched.
class RecordingLauncher final : public kernels::cuda::Launcher {
 public:
  /// An H200 by its figures. Nothing runs, so results are whatever the memory held.
  RecordingLauncher() : RecordingLauncher(nullptr, 227 * 1024) {}
  /// `device`, which runs the kernels; those are chosen as for `shared` bytes of shared memory.
  explicit RecordingLauncher(kernels::cuda::Launcher& device) : RecordingLauncher(&device, device.shared_limit()) {}
  RecordingLauncher(kernels::cuda::Launcher& device, std::int64_t shared) : RecordingLauncher(&device, shared) {}
  RecordingLauncher(const RecordingLauncher&) = delete;
  RecordingLauncher& operator=(const RecordingLauncher&) = delete;
  ~RecordingLauncher() override { kernels::cuda::stand_in() = nullptr; }

  void start(const kernels::cuda::Build& build, const char* kernel, const kernels::cuda::Launch& launch,
             void** arguments) override {
    started.emplace_back(kernel);
    if (device_ != nullptr) device_->start(build, kernel, launch, arguments);
  }
  [[nodiscard]] std::int64_t shared_limit() const override { return shared_; }
  [[nodiscard]] std::int64_t busy_blocks() const override {
    return device_ != nullptr ? device_->busy_blocks() : 4 * 132;
  }
  [[nodiscard]] int block() const override { return device_ != nullptr ? device_->block() : 256; }

  std::vector<std::string> started;

 private:
  RecordingLauncher(kernels::cuda::Launcher* device, std::int64_t shared) : device_(device), shared_(shared) {
    kernels::cuda::stand_in() = this;
  }

  kernels::cuda::Launcher* device_;
  std::int64_t shared_;
};

/// What LaunchCounter has seen.
struct LaunchCounts {
  std::map<std::string, int> pam;    ///< launches of pam's kernels
  std::map<std::string, int> torch;  ///< launches of LibTorch's operators
  int allocations = 0;               ///< of tensors' memory
  std::vector<std::string> waits;    ///< operators that make the host wait for the device
  std::set<std::string> unknown;     ///< operators that `operators()` does not list: the count is wrong without them

  static int sum(const std::map<std::string, int>& launches) {
    int all = 0;
    for (const auto& [name, count] : launches) all += count;
    return all;
  }
  [[nodiscard]] int launches() const { return sum(pam) + sum(torch); }
};

/// Counts during its lifetime, on this thread (whose autograd runs here, too, for tensors on the CPU).
///
/// An operator counts for what LibTorch launches for it on a GPU, by the table below, whatever it calls on the CPU:
/// an elementwise operation, a reduction, a copy and a fill one kernel each; a convolution one, and its gradient one
/// for each of its outputs; a matrix product one. Operators made of others (to, contiguous, masked_fill ...) count for
/// what they call. Views launch nothing.
///
/// It cannot see what cuDNN and cuBLAS launch within one call (transposed operands, split sums), the small fill that
/// LibTorch puts before a reduction over many blocks, and workspaces. A copy to the host is no operator of its own on
/// the CPU; what the host then reads of it is.
class LaunchCounter {
 public:
  LaunchCounter() {
    state() = {};
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(enter, leave).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  }
  LaunchCounter(const LaunchCounter&) = delete;
  LaunchCounter& operator=(const LaunchCounter&) = delete;
  ~LaunchCounter() { at::removeCallback(handle_); }

  [[nodiscard]] LaunchCounts counts() const {
    auto found = state().counts;
    for (const auto& kernel : gpu_.started) ++found.pam[kernel];
    return found;
  }

 private:
  enum Kind { Launches, Allocates, Calls, Waits };

  static const std::map<std::string, Kind>& operators() {
    static const std::map<std::string, Kind> all = [] {
      std::map<std::string, Kind> kinds;
      const auto add = [&](Kind kind, const std::vector<std::string>& names) {
        for (const auto& name : names) kinds["aten::" + name] = kind;
      };
      add(Launches, {"convolution",  "convolution_backward",
                     "bmm",          "mm",
                     "copy_",        "fill_",
                     "zero_",        "add",
                     "add_",         "sub",
                     "sub_",         "mul",
                     "mul_",         "div",
                     "div_",         "neg",
                     "reciprocal",   "sum",
                     "mean",         "all",
                     "any",          "min",
                     "max",          "aminmax",
                     "eq",           "ne",
                     "ge",           "gt",
                     "le",           "lt",
                     "logical_not",  "logical_and",
                     "logical_or",   "where",
                     "masked_fill_", "clamp_min",
                     "cat",          "stack",
                     "scatter_"});
      add(Allocates, {"empty", "empty_strided"});
      add(Calls,
          {"item", "to", "_to_copy", "contiguous", "clone", "conv2d", "masked_fill", "full", "full_like", "zeros",
           "zeros_like", "ones", "ones_like", "empty_like", "rsub", "select_backward", "scalar_tensor"});
      add(Calls, {"view",           "view_as",       "reshape",
                  "_reshape_alias", "_unsafe_view",  "as_strided",
                  "expand",         "expand_as",     "t",
                  "transpose",      "permute",       "select",
                  "slice",          "narrow",        "split_with_sizes",
                  "unbind",         "unsqueeze",     "squeeze",
                  "flatten",        "detach",        "detach_",
                  "alias",          "lift_fresh",    "result_type",
                  "set_data",       "requires_grad_"});
      add(Waits, {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select"});
      return kinds;
    }();
    return all;
  }

  struct State {
    LaunchCounts counts;
    int within = 0;  ///< depth of calls within an operator that has been counted
  };
  static State& state() {
    static State only;
    return only;
  }

  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& fn) {
    auto& s = state();
    if (s.within > 0) return ++s.within, nullptr;
    const std::string name = fn.name();
    if (name.rfind("aten::", 0) != 0) return nullptr;  // autograd's own records
    const auto found = operators().find(name);
    if (found == operators().end()) return s.counts.unknown.insert(name), nullptr;
    if (found->second == Allocates) ++s.counts.allocations;
    if (found->second == Waits) s.counts.waits.push_back(name);
    if (found->second != Launches) return nullptr;
    const int launches = name == "aten::convolution_backward" ? outputs_wanted(fn) : 1;
    s.counts.torch[name] += launches;
    if (name.back() != '_') s.counts.allocations += launches;  // the others write into their argument
    s.within = 1;
    return nullptr;
  }
  static void leave(const at::RecordFunction&, at::ObserverContext*) {
    if (state().within > 0) --state().within;
  }

  /// Of the gradients of input, weight and bias.
  static int outputs_wanted(const at::RecordFunction& fn) {
    const auto mask = recorded_inputs(fn).back().toBoolList();
    return static_cast<int>(std::count(mask.begin(), mask.end(), true));
  }

  RecordingLauncher gpu_;
  at::CallbackHandle handle_;
};

}  // namespace pam::test

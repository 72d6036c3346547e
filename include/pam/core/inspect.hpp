// SPDX-License-Identifier: MIT
/// Looking inside a network while it runs: blocks hand out their attention map without a second forward pass.
#pragma once

#include <pam/core/torch.hpp>

#include <string>
#include <utility>
#include <vector>

namespace pam {

/// What one forward pass of an attending module saw. Undefined where the module has no such part.
struct AttentionRecord {
  torch::Tensor attention;  ///< A, after the sigmoid; broadcastable to `features`
  torch::Tensor features;   ///< F, before the gate: (N, C, H, W)
  torch::Tensor gated;      ///< what the module returned: (N, C, H, W)
};

/// Base of every module that multiplies features by an attention map. Off by default; it costs nothing while it is off.
/// A clone starts switched off and empty, so copies never share tensors. Inspection is for one thread at a time:
/// forward passes of one module in several threads are safe only while it is off (inspect a clone per thread instead).
class Inspectable {
 public:
  Inspectable() = default;
  Inspectable(const Inspectable&) noexcept {}
  Inspectable(Inspectable&&) noexcept {}
  Inspectable& operator=(const Inspectable&) noexcept { return *this; }
  Inspectable& operator=(Inspectable&&) noexcept { return *this; }
  virtual ~Inspectable() = default;

  /// Keeps (true) or drops (false) the tensors of each following forward pass.
  void inspect(bool on) {
    inspecting_ = on;
    if (!on) record_ = {};
  }
  [[nodiscard]] bool inspecting() const { return inspecting_; }
  /// The record of the last forward pass; undefined tensors before the first.
  [[nodiscard]] const AttentionRecord& record() const { return record_; }

 protected:
  /// Modules call this at the end of `forward`; the tensors are detached from the graph.
  void keep(const torch::Tensor& attention, const torch::Tensor& features, const torch::Tensor& gated) {
    if (inspecting_) record_ = {attention.detach(), features.detach(), gated.detach()};
  }

 private:
  bool inspecting_ = false;
  AttentionRecord record_;
};

/// The inspectable modules of `net` by name, in registration order.
/// Example: `for (auto& [name, module] : inspectables(*net)) module->inspect(true);`
inline std::vector<std::pair<std::string, Inspectable*>> inspectables(torch::nn::Module& net) {
  std::vector<std::pair<std::string, Inspectable*>> found;
  for (const auto& item : net.named_modules()) {
    if (auto* module = dynamic_cast<Inspectable*>(item.value().get())) found.emplace_back(item.key(), module);
  }
  return found;
}

}  // namespace pam

// SPDX-License-Identifier: MIT
/// Seeds with a scope: at the end of a `SeedScope` the CPU generator has the state that it had before.
#pragma once

#include <pam/core/config.hpp>
#include <pam/core/torch.hpp>

#include <cstdint>

namespace pam {

/// The state of LibTorch's default CPU generator, as a byte tensor (what checkpoints store).
torch::Tensor rng_state();

/// Puts a state from `rng_state` back.
void set_rng_state(const torch::Tensor& state);

/// Saves the CPU generator's state and restores it at the end of the scope.
/// Example: `{ SeedScope scope(7); net = UNet<ConvBlock>(options); }` always builds the same weights.
class SeedScope {
 public:
  SeedScope() : state_(rng_state()) {}
  explicit SeedScope(std::uint64_t seed) : SeedScope() { torch::manual_seed(seed); }
  SeedScope(const SeedScope&) = delete;
  SeedScope& operator=(const SeedScope&) = delete;
  ~SeedScope() { set_rng_state(state_); }

 private:
  torch::Tensor state_;
};

}  // namespace pam

#ifndef PAM_COMPILED
#include <pam/core/seed-inl.hpp>
#endif

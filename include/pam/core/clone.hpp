// SPDX-License-Identifier: MIT
/// `typed_clone`: `Module::clone()` with the three things it lacks.
#pragma once

#include <pam/core/seed.hpp>

#include <memory>

namespace pam {

/// A deep copy of `holder`, as the same holder type. Unlike `Module::clone()` it keeps frozen parameters frozen
/// (`requires_grad`) and leaves the random generator alone (`clone()` re-initialises, which draws numbers).
template <typename Holder>
Holder typed_clone(const Holder& holder) {
  SeedScope scope;
  auto copy = std::dynamic_pointer_cast<typename Holder::Impl>(holder->clone());
  const auto originals = holder->parameters();
  const auto copies = copy->parameters();
  for (std::size_t i = 0; i < originals.size(); ++i) copies[i].set_requires_grad(originals[i].requires_grad());
  return Holder(copy);
}

}  // namespace pam
